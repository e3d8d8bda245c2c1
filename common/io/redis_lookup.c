#include "common/io/redis_lookup.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/async.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/io/redis_attach.h"

#define NODE_MS 1000 // a node that has not answered by then is passed over

struct redis_lookup {
    struct loop *loop;
    struct redis_url url;
    unsigned slot;
    redis_lookup_cb cb;
    void *arg;
    struct redis_node known[LOOKUP_NODES];
    size_t n, turn;        // turn: who is asked next
    size_t left;           // to be asked before it is given up
    struct redis_map *map; // NULL: one master is wanted
    bool has_hint;
    struct redis_node hint;
    struct redisAsyncContext *ac;
    struct timer *timer; // of the node being asked, or of an answer at hand
    char why[160];
};

// ---- slots -------------------------------------------------------------------------------------

static unsigned crc16(const char *s, size_t n)
{
    unsigned crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)(unsigned char)s[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
        }
        crc &= 0xffff;
    }
    return crc;
}

unsigned redis_slot(const char *key, size_t n)
{
    const char *open = memchr(key, '{', n);
    if (open != NULL) {
        const char *tag = open + 1, *close = memchr(tag, '}', n - (size_t)(tag - key));
        if (close != NULL && close > tag) {
            return crc16(tag, (size_t)(close - tag)) % REDIS_SLOTS;
        }
    }
    return crc16(key, n) % REDIS_SLOTS;
}

static bool set_node(struct redis_node *out, const char *host, size_t n, int64_t port)
{
    if (n == 0 || n >= sizeof out->host || port < 1 || port > 65535 || (n == 1 && host[0] == '?')) {
        return false;
    }
    str_copyn(out->host, sizeof out->host, host, n);
    out->port = (int)port;
    return true;
}

bool redis_moved(const char *error, size_t n, struct redis_node *out)
{
    static const char word[] = "MOVED ";
    if (n < sizeof word || memcmp(error, word, sizeof word - 1) != 0) {
        return false;
    }
    const char *blank = memchr(error + sizeof word - 1, ' ', n - (sizeof word - 1));
    const char *colon = memrchr(error, ':', n); // the host may be an IPv6 address
    int64_t port;
    if (blank == NULL || colon == NULL || colon < blank ||
        parse_i64(colon + 1, n - (size_t)(colon + 1 - error), &port) != 0) {
        return false;
    }
    return set_node(out, blank + 1, (size_t)(colon - blank) - 1, port);
}

// ---- one node asked ----------------------------------------------------------------------------

static void ask_next(struct redis_lookup *x);

static void drop(struct redis_lookup *x, bool free_ac)
{
    redisAsyncContext *ac = x->ac;
    x->ac = NULL;
    timer_stop(x->timer);
    if (ac != NULL) {
        ac->data = NULL;
        if (free_ac) {
            redisAsyncFree(ac);
        }
    }
}

static void failed(struct redis_lookup *x, const char *why, size_t n, bool free_ac)
{
    const struct redis_node *asked = &x->known[x->turn];
    str_fmt(x->why, sizeof x->why, "%s:%d: %.*s", asked->host, asked->port, (int)(n < 80 ? n : 80),
            why);
    drop(x, free_ac);
    x->turn = (x->turn + 1) % x->n;
    ask_next(x);
}

static void found(struct redis_lookup *x, const struct redis_node *at)
{
    const struct redis_node node = *at;
    drop(x, true);
    x->cb(x->arg, &node, "");
}

static long find_node(const struct redis_node *node, size_t n, const struct redis_node *like)
{
    for (size_t i = 0; i < n; i++) {
        if (node[i].port == like->port && strcmp(node[i].host, like->host) == 0) {
            return (long)i;
        }
    }
    return -1;
}

static void remember(struct redis_lookup *x, const struct redis_node *node)
{
    if (find_node(x->known, x->n, node) < 0 && x->n < LOOKUP_NODES) {
        x->known[x->n++] = *node;
    }
}

static bool is_text(const struct redisReply *r)
{
    return r != NULL && r->type == REDIS_REPLY_STRING;
}

static void read_master(struct redis_lookup *x, const struct redisReply *r)
{
    struct redis_node at;
    int64_t port;
    if (r->type == REDIS_REPLY_ARRAY && r->elements == 2 && is_text(r->element[0]) &&
        is_text(r->element[1]) && parse_i64(r->element[1]->str, r->element[1]->len, &port) == 0 &&
        set_node(&at, r->element[0]->str, r->element[0]->len, port)) {
        found(x, &at);
        return;
    }
    static const char none[] = "it knows no master of this name";
    failed(x, none, sizeof none - 1, true);
}

// Host and port of a node in the answer of CLUSTER SLOTS; a host left out is the one that answered.
static bool read_node(const struct redis_lookup *x, const struct redisReply *r,
                      struct redis_node *out)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements < 2 ||
        r->element[1]->type != REDIS_REPLY_INTEGER) {
        return false;
    }
    const struct redisReply *host = r->element[0];
    const char *asked = x->known[x->turn].host;
    return is_text(host) && host->len > 0
               ? set_node(out, host->str, host->len, r->element[1]->integer)
               : set_node(out, asked, strlen(asked), r->element[1]->integer);
}

// Slots from..to belong to `master`. False: more masters than we hold.
static bool map_range(struct redis_map *m, const struct redis_node *master, int64_t from,
                      int64_t to, size_t *owned)
{
    long i = find_node(m->node, m->n, master);
    if (i < 0) {
        if (m->n == LOOKUP_NODES) {
            return false;
        }
        i = (long)m->n;
        m->node[m->n++] = *master;
    }
    memset(m->owner + from, (int)i, (size_t)(to - from) + 1);
    *owned += (size_t)(to - from) + 1;
    return true;
}

// A range of CLUSTER SLOTS: [from, to, master, replica...].
static bool is_range(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_ARRAY && r->elements >= 3 &&
           r->element[0]->type == REDIS_REPLY_INTEGER &&
           r->element[1]->type == REDIS_REPLY_INTEGER && r->element[0]->integer >= 0 &&
           r->element[0]->integer <= r->element[1]->integer && r->element[1]->integer < REDIS_SLOTS;
}

static void read_slots(struct redis_lookup *x, const struct redisReply *r)
{
    struct redis_node at = {.port = 0}, node;
    size_t owned = 0;
    const char *odd =
        r->type != REDIS_REPLY_ARRAY ? "CLUSTER SLOTS was not answered by an array" : NULL;
    if (x->map != NULL) {
        x->map->n = 0;
    }
    for (size_t i = 0; odd == NULL && i < r->elements; i++) {
        const struct redisReply *range = r->element[i];
        if (!is_range(range)) {
            continue;
        }
        const int64_t from = range->element[0]->integer, to = range->element[1]->integer;
        if (read_node(x, range->element[2], &node)) {
            at = from <= (int64_t)x->slot && (int64_t)x->slot <= to ? node : at;
            if (x->map != NULL && !map_range(x->map, &node, from, to, &owned)) {
                odd = "more masters than a link holds";
            }
        }
        for (size_t k = 2; k < range->elements; k++) {
            if (read_node(x, range->element[k], &node)) {
                remember(x, &node);
            }
        }
    }
    if (odd == NULL && (at.port == 0 || (x->map != NULL && owned != REDIS_SLOTS))) {
        odd = x->map != NULL ? "not every slot has a master" : "no master has the slot";
    }
    if (odd != NULL) {
        failed(x, odd, strlen(odd), true);
        return;
    }
    found(x, &at);
}

static void on_answer(redisAsyncContext *ac, void *reply, void *unused)
{
    struct redis_lookup *x = ac->data;
    const struct redisReply *r = reply;
    (void)unused;
    if (x == NULL) {
        return;
    }
    if (r == NULL) {
        failed(x, ac->errstr, strlen(ac->errstr), true);
    } else if (r->type == REDIS_REPLY_ERROR) {
        failed(x, r->str, r->len, true);
    } else if (x->url.kind == REDIS_SENTINEL) {
        read_master(x, r);
    } else {
        read_slots(x, r);
    }
}

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis_lookup *x = ac->data;
    if (x != NULL && status != REDIS_OK) {
        char why[128]; // hiredis frees the context behind this callback
        str_copy(why, sizeof why, ac->c.errstr);
        failed(x, why, strlen(why), false);
    }
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    struct redis_lookup *x = ac->data;
    (void)status;
    if (x != NULL) {
        static const char gone[] = "connection closed";
        failed(x, gone, sizeof gone - 1, false);
    }
}

// Sentinels often have no password of their own; one that wants none refuses it and answers all the
// same.
static void send_question(struct redis_lookup *x)
{
    const struct redis_url *u = &x->url;
    if (u->user[0] != '\0') {
        redisAsyncCommand(x->ac, NULL, NULL, "AUTH %s %s", u->user, u->pass);
    } else if (u->pass[0] != '\0') {
        redisAsyncCommand(x->ac, NULL, NULL, "AUTH %s", u->pass);
    }
    if (u->kind == REDIS_SENTINEL) {
        redisAsyncCommand(x->ac, on_answer, NULL, "SENTINEL get-master-addr-by-name %s", u->master);
    } else {
        redisAsyncCommand(x->ac, on_answer, NULL, "CLUSTER SLOTS");
    }
}

static void ask_next(struct redis_lookup *x)
{
    if (x->left-- == 0) {
        x->cb(x->arg, NULL, x->why);
        return;
    }
    const struct redis_node *node = &x->known[x->turn];
    redisAsyncContext *ac = redisAsyncConnect(node->host, node->port);
    if (ac == NULL) {
        FATAL("hiredis: no memory");
    }
    timer_start(x->timer, NODE_MS);
    if (ac->err != 0) { // its turn is over when the timer says so: never back from inside a call
        str_fmt(x->why, sizeof x->why, "%s:%d: %.80s", node->host, node->port, ac->errstr);
        redisAsyncFree(ac);
        timer_start(x->timer, 0);
        return;
    }
    x->ac = ac;
    ac->data = x;
    redis_attach(ac, x->loop->base);
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
    send_question(x);
}

static void on_timer(void *arg)
{
    struct redis_lookup *x = arg;
    if (x->has_hint) {
        const struct redis_node at = x->hint;
        x->has_hint = false;
        x->cb(x->arg, &at, "");
        return;
    }
    if (x->ac != NULL) {
        static const char late[] = "no answer in time";
        failed(x, late, sizeof late - 1, true);
    } else { // it begins, or an attempt could not even be made
        if (x->left < x->n) {
            x->turn = (x->turn + 1) % x->n;
        }
        ask_next(x);
    }
}

// ---- life --------------------------------------------------------------------------------------

void redis_lookup_start(struct redis_lookup *x)
{
    drop(x, true);
    x->left = x->n;
    str_copy(x->why, sizeof x->why, "nobody was asked");
    timer_start(x->timer, 0);
}

void redis_lookup_stop(struct redis_lookup *x)
{
    if (x != NULL) {
        drop(x, true);
    }
}

void redis_lookup_hint(struct redis_lookup *x, const struct redis_node *at)
{
    remember(x, at);
    if (x->map == NULL) {
        x->hint = *at;
        x->has_hint = true;
        return;
    }
    const long i = find_node(x->known, x->n, at);
    x->turn = i >= 0 ? (size_t)i : x->turn;
}

struct redis_lookup *redis_lookup_new(struct loop *l, const struct redis_url *url,
                                      const char *slot_key, redis_lookup_cb cb, void *arg)
{
    struct redis_lookup *x = xcalloc(1, sizeof *x);
    x->loop = l;
    x->url = *url;
    x->slot = slot_key != NULL ? redis_slot(slot_key, strlen(slot_key)) : 0;
    x->map = slot_key == NULL && url->kind == REDIS_CLUSTER ? xcalloc(1, sizeof *x->map) : NULL;
    x->cb = cb;
    x->arg = arg;
    for (size_t i = 0; i < url->n_nodes; i++) {
        remember(x, &url->node[i]);
    }
    x->timer = timer_new(l, on_timer, x);
    return x;
}

void redis_lookup_free(struct redis_lookup *x)
{
    if (x == NULL) {
        return;
    }
    drop(x, true);
    timer_free(x->timer);
    free(x->map);
    free(x);
}

const struct redis_map *redis_lookup_map(const struct redis_lookup *x)
{
    return x->map;
}
