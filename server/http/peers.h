/* peers.h - what each address may do: connections at once, and requests a second by token bucket.
 *
 * A fixed table, so that no number of addresses can make it grow: an address that finds no free place in its
 * row takes that of the one that has been quiet longest and has no connection. IPv6 addresses count by their
 * /64, because that is what one subscriber gets. */
#ifndef TENGEN_HTTP_PEERS_H
#define TENGEN_HTTP_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct peers;
struct peer_address {
    uint8_t bytes[8]; /* IPv4 as ::ffff:a.b.c.d shortened; IPv6: the first 64 bits */
};

struct peers *peers_create(void); /* NULL when out of memory */
void peers_destroy(struct peers *peers);

void peer_address(const struct sockaddr *from, struct peer_address *out, bool *loopback);

int peers_connections(struct peers *peers, const struct peer_address *address);
void peers_connected(struct peers *peers, const struct peer_address *address, int change); /* +1, -1 */

/* Takes one token of `rate` a second, at most twice that saved up. 0 when there was one, else the
 * milliseconds until there is. */
int64_t peers_take(struct peers *peers, const struct peer_address *address, int rate, int64_t now_ms);

#endif
