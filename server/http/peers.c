#include "server/http/peers.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

enum { ROWS = 512, WAYS = 4 };

struct peer {
    struct peer_address address;
    int connections;
    double tokens;
    int64_t filled_ms; /* 0: the place is free */
};

struct peers {
    uint8_t key[crypto_shorthash_KEYBYTES]; /* so that nobody can aim at a row */
    struct peer rows[ROWS][WAYS];
};

struct peers *peers_create(void) {
    struct peers *peers = calloc(1, sizeof *peers);
    if (peers) {
        crypto_shorthash_keygen(peers->key);
    }
    return peers;
}

void peers_destroy(struct peers *peers) {
    free(peers);
}

static void address_v4(uint32_t network_order, struct peer_address *out, bool *loopback) {
    static const uint8_t mapped[4] = {0, 0, 0xff, 0xff};
    memcpy(out->bytes, mapped, 4);
    memcpy(out->bytes + 4, &network_order, 4);
    *loopback = out->bytes[4] == 127;
}

void peer_address(const struct sockaddr *from, struct peer_address *out, bool *loopback) {
    memset(out, 0, sizeof *out);
    *loopback = false;
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        address_v4(in.sin_addr.s_addr, out, loopback);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
            uint32_t v4;
            memcpy(&v4, in6.sin6_addr.s6_addr + 12, 4);
            address_v4(v4, out, loopback);
            return;
        }
        memcpy(out->bytes, in6.sin6_addr.s6_addr, sizeof out->bytes);
        *loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
}

static struct peer *find(struct peers *peers, const struct peer_address *address) {
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, address->bytes, sizeof address->bytes, peers->key);
    struct peer *row = peers->rows[(hash[0] | hash[1] << 8) % ROWS], *oldest = NULL;
    for (int i = 0; i < WAYS; i++) {
        if (row[i].filled_ms && memcmp(&row[i].address, address, sizeof *address) == 0) {
            return &row[i];
        }
        if (row[i].connections == 0 && (!oldest || row[i].filled_ms < oldest->filled_ms)) {
            oldest = &row[i];
        }
    }
    if (!oldest) { /* all are connected: the first place is shared, which only makes its limits stricter */
        return &row[0];
    }
    *oldest = (struct peer){.address = *address, .filled_ms = 1, .tokens = -1};
    return oldest;
}

int peers_connections(struct peers *peers, const struct peer_address *address) {
    return find(peers, address)->connections;
}

void peers_connected(struct peers *peers, const struct peer_address *address, int change) {
    struct peer *peer = find(peers, address);
    peer->connections += change;
    if (peer->connections < 0) {
        peer->connections = 0;
    }
}

int64_t peers_take(struct peers *peers, const struct peer_address *address, int rate, int64_t now_ms) {
    struct peer *peer = find(peers, address);
    double most = 2.0 * rate;
    if (peer->tokens < 0) {
        peer->tokens = most;
    } else {
        peer->tokens += (double)(now_ms - peer->filled_ms) * rate / 1000.0;
        peer->tokens = peer->tokens > most ? most : peer->tokens;
    }
    peer->filled_ms = now_ms;
    if (peer->tokens < 1) {
        return (int64_t)((1 - peer->tokens) * 1000.0 / rate) + 1;
    }
    peer->tokens -= 1;
    return 0;
}
