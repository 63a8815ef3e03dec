/* client.c - see client.h.
 *
 * When a call is made again: only when the connection broke, and only if making it twice has no other effect
 * than making it once, that is a GET or a call with an idempotency key. What the server answered is never
 * asked again, whatever it was: a person at a terminal would rather hear "busy" than wait.
 *
 * One easy handle for all calls. curl_easy_reset forgets the options of the call before and keeps the
 * connection, so a command that makes fifty calls shakes hands once.
 *
 * The token goes into a header and nowhere else: redirects are not followed, the proxy of the environment is
 * not used for a server on this machine.
 *
 * Files are streamed both ways. A server that refuses an upload hangs up before it has read all of it, which
 * curl reports as a broken connection; the answer that came first is what counts (perform).
 */
#include "cli/client.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <curl/curl.h>

#include "proto/base/options.h"
#include "proto/wire/json.h"
#include "proto/wire/no_connection.h"
#include "proto/wire/problem.h"

enum { ANSWER_MAX = 256 << 20, TRIES = 3, CONNECT_SECONDS = 10, SILENT_SECONDS = 60, TOKEN_MAX = 256 };

struct client {
    CURL *curl;
    char *server;
    char *ca_file;                    /* NULL: the system's certificates */
    struct curl_slist *authorization; /* NULL without a token */
    char message[CURL_ERROR_SIZE];
};

/* An option, else an environment variable, else NULL. */
static const char *setting(const json_t *options, const char *name, const char *variable) {
    const char *value = option_string(options, name);
    if (value[0])
        return value;
    value = getenv(variable);
    return value && value[0] ? value : NULL;
}

/* "127.0.0.1:7361/" -> "http://127.0.0.1:7361" */
static int set_server(struct client *client, const json_t *options, struct problem *problem) {
    const char *given = setting(options, "server", "TENGEN_SERVER");
    if (!given)
        given = "http://127.0.0.1:7361";
    size_t size = strlen(given);
    while (size && given[size - 1] == '/')
        size--;
    const char *scheme = strstr(given, "://");
    bool known = !scheme || strncmp(given, "http://", 7) == 0 || strncmp(given, "https://", 8) == 0;
    if (!known || size == 0 || strpbrk(given, " \t\r\n?#"))
        return problem_set(problem, TG_EINVALID, "--server",
                           "must be an address such as http://host:7361, is \"%.100s\"", given);
    if (asprintf(&client->server, "%s%.*s", scheme ? "" : "http://", (int)size, given) < 0) {
        client->server = NULL;
        return problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    }
    return TG_OK;
}

/* The first line of the file, without white space around it. */
static int read_token_file(const char *path, char token[TOKEN_MAX], struct problem *problem) {
    FILE *file = fopen(path, "r");
    if (!file)
        return problem_set(problem, TG_EIO, "--token-file", "%s cannot be opened: %s", path, strerror(errno));
    char line[TOKEN_MAX] = "";
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    size_t from = strspn(line, " \t"), size = strcspn(line + from, " \t\r\n");
    if (!read || size == 0)
        return problem_set(problem, TG_EINVALID, "--token-file", "%s has no token on its first line", path);
    if (from + size == sizeof line - 1)
        return problem_set(problem, TG_EINVALID, "--token-file",
                           "the first line of %s is too long for a token", path);
    memcpy(token, line + from, size);
    token[size] = 0;
    return TG_OK;
}

/* A flag goes before the environment, a token before a file. */
static int find_token(const json_t *options, char token[TOKEN_MAX], struct problem *problem) {
    const char *path = option_string(options, "token_file"), *text = option_string(options, "token");
    if (!path[0] && !text[0]) {
        text = getenv("TENGEN_TOKEN");
        path = getenv("TENGEN_TOKEN_FILE");
    }
    token[0] = 0;
    if (text && text[0]) {
        if (snprintf(token, TOKEN_MAX, "%s", text) >= TOKEN_MAX)
            return problem_set(problem, TG_EINVALID, "--token", "is too long");
        return TG_OK;
    }
    return path && path[0] ? read_token_file(path, token, problem) : TG_OK;
}

static int set_token(struct client *client, const json_t *options, struct problem *problem) {
    char token[TOKEN_MAX];
    int error = find_token(options, token, problem);
    if (error || !token[0])
        return error;
    for (const char *c = token; *c; c++)
        if (!isgraph((unsigned char)*c))
            return problem_set(problem, TG_EINVALID, "--token", "must be printable ASCII without spaces");
    char header[TOKEN_MAX + 32];
    snprintf(header, sizeof header, "Authorization: Bearer %s", token);
    client->authorization = curl_slist_append(NULL, header);
    return client->authorization ? TG_OK : problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
}

struct client *client_create(const json_t *options, struct problem *problem) {
    struct client *client = calloc(1, sizeof *client);
    int error = TG_OK;
    if (!client) {
        problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
        return NULL;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(client->curl = curl_easy_init()))
        error = problem_set(problem, TG_EINTERNAL, NULL, "libcurl cannot be set up");
    if (!error)
        error = set_server(client, options, problem);
    if (!error)
        error = set_token(client, options, problem);
    const char *ca_file = error ? NULL : setting(options, "ca_file", "TENGEN_CA_FILE");
    if (ca_file && !(client->ca_file = strdup(ca_file)))
        error = problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    if (!error)
        return client;
    client_destroy(client);
    return NULL;
}

void client_destroy(struct client *client) {
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->authorization);
    free(client->server);
    free(client->ca_file);
    free(client);
}

const char *client_server(const struct client *client) {
    return client->server;
}

void answer_free(struct answer *answer) {
    buf_free(&answer->body);
}

static size_t take_body(char *data, size_t one, size_t size, void *context) {
    struct answer *answer = context;
    return buf_append(&answer->body, data, size) ? 0 : size;
}

/* Link: </api/v1/jobs/3/log?after=77>; rel="next" (the quotes may be missing) */
static void take_link(struct answer *answer, const char *text, size_t size) {
    const char *open = memchr(text, '<', size);
    const char *close = open ? memchr(open, '>', size - (size_t)(open - text)) : NULL;
    if (!close || (size_t)(close - open) > sizeof answer->next)
        return;
    const char *rest = close;
    size_t left = size - (size_t)(close - text);
    if (!memmem(rest, left, "rel=next", 8) && !memmem(rest, left, "rel=\"next\"", 10))
        return;
    memcpy(answer->next, open + 1, (size_t)(close - open - 1));
    answer->next[close - open - 1] = 0;
}

static size_t take_header(char *data, size_t one, size_t size, void *context) {
    if (size > 5 && strncasecmp(data, "Link:", 5) == 0)
        take_link(context, data, size);
    return size;
}

/* A server of this machine is never behind a proxy, whatever http_proxy says. */
static bool is_loopback(const char *server) {
    const char *host = strstr(server, "://") + 3;
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

static void set_up(struct client *client, const char *url, struct answer *answer) {
    CURL *curl = client->curl;
    curl_easy_reset(curl); /* keeps the connection */
    client->message[0] = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->message);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tengen/" TENGEN_VERSION);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    if (client->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
    if (is_loopback(client->server))
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

static struct curl_slist *make_headers(const struct client *client, bool has_body, const char *key) {
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    if (client->authorization)
        headers = curl_slist_append(headers, client->authorization->data);
    if (has_body) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
        headers = curl_slist_append(headers, "Expect:"); /* no round trip before the body */
    }
    if (key) {
        char line[256];
        snprintf(line, sizeof line, "Idempotency-Key: %s", key);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static int unreachable(const struct client *client, CURLcode code, struct problem *problem) {
    const char *words = client->message[0] ? client->message : curl_easy_strerror(code);
    struct no_connection failure = {.code = code, .own_ca = client->ca_file != NULL};
    curl_easy_getinfo(client->curl, CURLINFO_SSL_VERIFYRESULT, &failure.verify);
    const char *hint = no_connection_hint(&failure);
    return problem_set(problem, TG_EUNREACHABLE, client->server, "%.300s%s%s", words, hint[0] ? "; " : "",
                       hint);
}

static CURLcode call_once(struct client *client, const char *method, const char *url, const struct buf *body,
                          struct curl_slist *headers, struct answer *answer) {
    set_up(client, url, answer);
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data ? (char *)body->data : "");
    }
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    return code;
}

static int read_problem(const struct answer *answer, struct problem *problem) {
    json_t *document = json_parse_object(answer->body.data, answer->body.size, NULL);
    problem_from_json(document, answer->status, problem);
    json_decref(document);
    return problem->error;
}

static int call_retrying(struct client *client, const char *method, const char *url, const struct buf *body,
                         struct curl_slist *headers, bool may_repeat, struct answer *answer,
                         struct problem *problem) {
    CURLcode code = CURLE_OK;
    for (int i = 0; i < (may_repeat ? TRIES : 1); i++) {
        answer->body.size = 0;
        answer->next[0] = 0;
        code = call_once(client, method, url, body, headers, answer);
        bool broke = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
                     code == CURLE_PARTIAL_FILE;
        if (!broke)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    if (code == CURLE_WRITE_ERROR)
        return problem_set(problem, TG_ETOO_LARGE, client->server, "the answer is larger than %d bytes",
                           ANSWER_MAX);
    if (code)
        return unreachable(client, code, problem);
    return answer->status >= 200 && answer->status < 300 ? TG_OK : read_problem(answer, problem);
}

int client_call(struct client *client, const char *method, const char *path, const json_t *body,
                const char *idempotency_key, struct answer *answer, struct problem *problem) {
    *answer = (struct answer){.body = {.limit = ANSWER_MAX}};
    bool get = strcmp(method, "GET") == 0;
    struct buf url = BUF_INIT, text = BUF_INIT;
    int error =
        buf_printf(&url, "%s%s%s", client->server, strncmp(path, "/api/", 5) == 0 ? "" : "/api/v1", path);
    if (!error && body)
        error = json_append(&text, body);
    struct curl_slist *headers = make_headers(client, !get, idempotency_key);
    if (error || !headers)
        error = problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory");
    else
        error = call_retrying(client, method, (char *)url.data, &text, headers, get || idempotency_key,
                              answer, problem);
    curl_slist_free_all(headers);
    buf_free(&url);
    buf_free(&text);
    return error;
}

int client_json(struct client *client, const char *method, const char *path, const json_t *body, json_t **out,
                struct problem *problem) {
    struct answer answer;
    *out = NULL;
    int error = client_call(client, method, path, body, NULL, &answer, problem);
    if (!error) {
        struct problem unreadable = {0};
        *out = json_parse_object(answer.body.data, answer.body.size, &unreadable);
        if (!*out)
            error = problem_set(problem, TG_EINTERNAL, client->server,
                                "the answer is no JSON object (%s): is this Tengen?", unreadable.detail);
    }
    answer_free(&answer);
    return error;
}

/* One page; appends its items to `items` and returns the next cursor in *cursor (NULL at the end; owned). */
static int read_page(struct client *client, const char *path, long long want, json_t *items, json_t **cursor,
                     struct problem *problem) {
    struct buf where = BUF_INIT;
    char limit[32];
    snprintf(limit, sizeof limit, "%lld", want > 0 && want < 500 ? want : 500);
    int error = buf_append_text(&where, path);
    if (!error)
        error = path_add(&where, "limit", limit);
    if (!error && *cursor)
        error = path_add(&where, "after", json_string_value(*cursor));
    json_t *page = NULL;
    if (error)
        problem_set(problem, error, NULL, "out of memory");
    else
        error = client_json(client, "GET", (char *)where.data, NULL, &page, problem);
    buf_free(&where);
    if (error)
        return error;
    json_decref(*cursor);
    json_t *next = json_object_get(page, "next");
    *cursor = json_is_string(next) ? json_incref(next) : NULL;
    if (json_array_extend(items, json_object_get(page, "items")))
        error = problem_set(problem, TG_EINTERNAL, client->server, "the answer is no list");
    json_decref(page);
    return error;
}

/* Page by page, each with the cursor that the one before it gave: a list that grows meanwhile is read without
 * gaps. */
int client_list(struct client *client, const char *path, long long limit, json_t **out,
                struct problem *problem) {
    json_t *items = json_array(), *cursor = NULL;
    int error;
    do
        error = read_page(client, path, limit ? limit - (long long)json_array_size(items) : 0, items, &cursor,
                          problem);
    while (!error && cursor && (limit == 0 || (long long)json_array_size(items) < limit));
    *out = error ? NULL : json_pack("{s:O, s:O?}", "items", items, "next", cursor);
    if (*out && !cursor)
        json_object_set_new(*out, "next", json_null());
    json_decref(items);
    json_decref(cursor);
    return error;
}

/* ---- files in and out ---- */

enum { CHECK_SECONDS = 1800 }; /* that the server may take to look at what it got */

struct transfer {
    struct answer *answer;
    FILE *file;
    CURL *curl;
    bool writing_failed;
    client_progress progress;
    void *arg;
};

static int tell_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                         curl_off_t up) {
    const struct transfer *transfer = context;
    if (transfer->progress)
        transfer->progress(transfer->arg, up_total > 0 ? up : down, up_total > 0 ? up_total : down_total);
    return 0;
}

/* What is no success is a problem document, to be read and not to be kept. */
static size_t take_file(char *data, size_t one, size_t size, void *context) {
    struct transfer *transfer = context;
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status >= 300)
        return take_body(data, one, size, transfer->answer);
    transfer->writing_failed = fwrite(data, 1, size, transfer->file) != size;
    return transfer->writing_failed ? 0 : size;
}

/* A file that cannot be read must not look like one that has ended: the length was announced. */
static size_t give_file(char *data, size_t one, size_t size, void *context) {
    size_t got = fread(data, one, size, context);
    return ferror((FILE *)context) ? CURL_READFUNC_ABORT : got;
}

static void set_up_transfer(struct client *client, const char *url, struct transfer *transfer) {
    set_up(client, url, transfer->answer);
    transfer->curl = client->curl;
    curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, (long)CHECK_SECONDS);
    curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, tell_progress);
    curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, transfer);
}

static int perform(struct client *client, struct transfer *transfer, struct problem *problem) {
    struct answer *answer = transfer->answer;
    CURLcode code = curl_easy_perform(client->curl);
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    if (transfer->writing_failed)
        return problem_set(problem, TG_EIO, "--output", "cannot be written: %s", strerror(errno));
    /* A server that has refused what it got so far hangs up before it has read the rest. */
    if (code && (status < 400 || answer->body.size == 0))
        return unreachable(client, code, problem);
    return status >= 200 && status < 300 ? TG_OK : read_problem(answer, problem);
}

static int make_url(const struct client *client, const char *path, struct buf *url, struct problem *problem) {
    return buf_printf(url, "%s/api/v1%s", client->server, path)
               ? problem_set(problem, TG_ENO_MEMORY, NULL, "out of memory")
               : TG_OK;
}

static struct curl_slist *binary_headers(const struct client *client) {
    struct curl_slist *headers = make_headers(client, false, NULL);
    headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    return curl_slist_append(headers, "Expect:");
}

int client_upload(struct client *client, const char *method, const char *path, FILE *file, int64_t size,
                  client_progress progress, void *arg, json_t **out, struct problem *problem) {
    struct answer answer = {.body = {.limit = ANSWER_MAX}};
    struct transfer transfer = {.answer = &answer, .file = file, .progress = progress, .arg = arg};
    struct curl_slist *headers = binary_headers(client);
    struct buf url = BUF_INIT;
    int error = make_url(client, path, &url, problem);
    *out = NULL;
    rewind(file);
    if (!error) {
        set_up_transfer(client, (char *)url.data, &transfer);
        curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(client->curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(client->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(client->curl, CURLOPT_READFUNCTION, give_file);
        curl_easy_setopt(client->curl, CURLOPT_READDATA, file);
        error = perform(client, &transfer, problem);
    }
    if (!error && !(*out = json_parse_object(answer.body.data, answer.body.size, problem)))
        error = problem_set(problem, TG_EINTERNAL, client->server,
                            "the answer is no JSON object: is this Tengen?");
    curl_slist_free_all(headers);
    buf_free(&url);
    answer_free(&answer);
    return error;
}

int client_download(struct client *client, const char *path, FILE *file, client_progress progress, void *arg,
                    struct problem *problem) {
    struct answer answer = {.body = {.limit = ANSWER_MAX}};
    struct transfer transfer = {.answer = &answer, .file = file, .progress = progress, .arg = arg};
    struct curl_slist *headers = make_headers(client, false, NULL);
    struct buf url = BUF_INIT;
    int error = make_url(client, path, &url, problem);
    if (!error) {
        set_up_transfer(client, (char *)url.data, &transfer);
        curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(client->curl, CURLOPT_ACCEPT_ENCODING, (char *)NULL);
        curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_file);
        curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &transfer);
        error = perform(client, &transfer, problem);
    }
    curl_slist_free_all(headers);
    buf_free(&url);
    answer_free(&answer);
    return error;
}

int path_add(struct buf *path, const char *name, const char *value) {
    if (!value[0])
        return TG_OK;
    const char *query = path->size ? memchr(path->data, '?', path->size) : NULL;
    int error = buf_printf(path, "%c%s=", query ? '&' : '?', name);
    for (; *value && !error; value++) {
        bool plain = isalnum((unsigned char)*value) || strchr("-._~", *value);
        error = plain ? buf_append(path, value, 1) : buf_printf(path, "%%%02X", (unsigned char)*value);
    }
    return error;
}
