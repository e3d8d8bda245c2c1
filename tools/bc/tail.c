// Follows the streams of one instrument: XREAD BLOCK from the newest entry on.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/market/instrument.h"
#include "tools/bc/bc.h"

#define STREAMS_MAX 4
#define LINE_MAX_BYTES ((size_t)64 << 10)

struct stream {
    char name[32];
    char key[KEY_MAX];
    char from[48]; // id of the newest entry that was shown
};
struct follow {
    struct bc *bc;
    struct stream stream[STREAMS_MAX];
    size_t n;
    int64_t shown;
    struct buf line;
};

static int choose(struct follow *f, const struct instrument *ins)
{
    static const char *const known[] = {"trades", "events", "liquidations", "history", NULL};
    char list[sizeof f->bc->streams];
    memcpy(list, f->bc->streams, sizeof list);
    char *rest = list;
    char *name;
    while ((name = strsep(&rest, ",")) != NULL) {
        size_t k = 0;
        while (known[k] != NULL && strcmp(known[k], name) != 0) {
            k++;
        }
        if (known[k] == NULL || f->n == STREAMS_MAX) {
            fprintf(stderr,
                    "bc: --streams: '%.40s' is none of trades, events, liquidations, history\n",
                    name);
            return BC_USAGE;
        }
        struct stream *s = &f->stream[f->n++];
        str_copy(s->name, sizeof s->name, name);
        instrument_key(ins, name, s->key);
        str_copy(s->from, sizeof s->from, "0-0");
    }
    return BC_OK;
}

static void show_json(struct follow *f, const struct stream *s, const char *id,
                      const redisReply *kv)
{
    struct jw w;
    jw_init(&w, &f->line);
    jw_obj(&w);
    jw_kstr(&w, "stream", s->name);
    jw_kstr(&w, "entry", id);
    for (size_t i = 0; i + 1 < kv->elements; i += 2) {
        jw_kstr(&w, kv->element[i]->str, kv->element[i + 1]->str);
    }
    jw_end_obj(&w);
}

// "12:33:01.123 trades  buy 0.005 @ 91234.5  id 42"; other streams: their fields.
static void show_text(struct follow *f, const struct stream *s, const char *id,
                      const redisReply *kv)
{
    int64_t ms = strtoll(id, NULL, 10);
    buf_addf(&f->line, "%02d:%02d:%02d.%03d %-12s", (int)(ms / 3600000 % 24),
             (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000), s->name);
    if (strcmp(s->name, "trades") == 0) {
        buf_addf(&f->line, " %-4s %12s @ %-12s %s", bc_field(kv, "side"), bc_field(kv, "qty"),
                 bc_field(kv, "price"), bc_field(kv, "id"));
        return;
    }
    for (size_t i = 0; i + 1 < kv->elements; i += 2) {
        if (strcmp(kv->element[i]->str, "data") == 0 && strcmp(s->name, "history") == 0) {
            continue; // up to 512 trades
        }
        buf_addf(&f->line, " %s=%s", kv->element[i]->str, kv->element[i + 1]->str);
    }
}

// False when enough was shown.
static bool show(struct follow *f, struct stream *s, const redisReply *entry)
{
    if (entry->elements != 2 || entry->element[1]->type != REDIS_REPLY_ARRAY) {
        return true; // deleted while it was read
    }
    const char *id = entry->element[0]->str;
    buf_clear(&f->line);
    if (f->bc->json) {
        show_json(f, s, id, entry->element[1]);
    } else {
        show_text(f, s, id, entry->element[1]);
    }
    str_copy(s->from, sizeof s->from, id);
    printf("%s\n", buf_cstr(&f->line));
    return ++f->shown != f->bc->count;
}

// What is there already, oldest first; and where to go on.
static int begin(struct follow *f, bool *more)
{
    for (size_t i = 0; i < f->n && *more; i++) {
        struct stream *s = &f->stream[i];
        redisReply *r = bc_ask(f->bc, "XREVRANGE %s + - COUNT %lld", s->key,
                               (long long)(f->bc->last > 0 ? f->bc->last : 1));
        if (r == NULL) {
            return BC_NOREDIS;
        }
        if (r->elements > 0) {
            str_copy(s->from, sizeof s->from, r->element[0]->element[0]->str);
        }
        for (size_t k = f->bc->last > 0 ? r->elements : 0; k > 0 && *more; k--) {
            *more = show(f, s, r->element[k - 1]);
        }
        freeReplyObject(r);
    }
    return BC_OK;
}

static struct stream *named(struct follow *f, const char *key)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->stream[i].key, key) == 0) {
            return &f->stream[i];
        }
    }
    return NULL;
}

static redisReply *read_more(struct follow *f)
{
    const char *argv[8 + 2 * STREAMS_MAX] = {"XREAD", "COUNT", "1000", "BLOCK", "1000", "STREAMS"};
    for (size_t i = 0; i < f->n; i++) {
        argv[6 + i] = f->stream[i].key;
        argv[6 + f->n + i] = f->stream[i].from;
    }
    return redisCommandArgv(f->bc->redis, (int)(6 + 2 * f->n), argv, NULL);
}

static int follow(struct follow *f)
{
    bool more = true;
    int rc = begin(f, &more);
    while (rc == BC_OK && more) {
        if (fflush(stdout) != 0) {
            return BC_OK; // nobody reads any more
        }
        redisReply *r = read_more(f);
        if (r == NULL || r->type == REDIS_REPLY_ERROR) {
            fprintf(stderr, "bc: Redis: %s\n", r != NULL ? r->str : f->bc->redis->errstr);
            rc = BC_NOREDIS;
        }
        for (size_t i = 0; rc == BC_OK && r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
            const redisReply *one = r->element[i];
            struct stream *s = named(f, one->element[0]->str);
            const redisReply *entries = one->element[1];
            for (size_t k = 0; s != NULL && k < entries->elements && more; k++) {
                more = show(f, s, entries->element[k]);
            }
        }
        if (r != NULL) {
            freeReplyObject(r);
        }
    }
    fflush(stdout);
    return rc;
}

int bc_tail(struct bc *b, const char *instrument)
{
    struct follow f = {.bc = b};
    struct instrument ins;
    struct err e = {0};
    if (instrument_parse(instrument, strlen(instrument), VENUE_BINANCE, &ins, &e) != 0) {
        fprintf(stderr, "bc: %s\n", e.text);
        return BC_USAGE;
    }
    int rc = choose(&f, &ins);
    rc = rc == BC_OK ? bc_connect(b) : rc;
    if (rc == BC_OK) {
        signal(SIGPIPE, SIG_IGN);
        buf_init(&f.line, LINE_MAX_BYTES);
        rc = follow(&f);
        buf_release(&f.line);
    }
    return rc;
}
