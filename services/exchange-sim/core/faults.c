#include "services/exchange-sim/core/faults.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

void faults_release(struct faults *f)
{
    free(f->held);
    free(f->stalled);
    *f = (struct faults){0};
}

static void keep(struct sim_trade **list, size_t *n, size_t *cap, const struct sim_trade *t)
{
    if (*n == *cap) {
        *cap = *cap * 2 + 16;
        *list = xrealloc(*list, *cap * sizeof **list);
    }
    (*list)[(*n)++] = *t;
}

static void send(struct faults *f, const struct sim_trade *t, fault_emit_fn emit, void *arg)
{
    emit(arg, t);
    if (f->duplicate > 0) {
        f->duplicate--;
        f->duplicated++;
        emit(arg, t);
    }
}

static void send_reversed(struct faults *f, fault_emit_fn emit, void *arg)
{
    while (f->held_n > 0) {
        f->held_n--;
        f->reordered++;
        send(f, &f->held[f->held_n], emit, arg);
    }
}

static void pass_reorder(struct faults *f, const struct sim_trade *t, fault_emit_fn emit, void *arg)
{
    if (f->reorder == 0) {
        send(f, t, emit, arg);
        return;
    }
    keep(&f->held, &f->held_n, &f->held_cap, t);
    f->reorder--;
    if (f->reorder == 0) {
        send_reversed(f, emit, arg);
    }
}

void faults_pass(struct faults *f, const struct sim_trade *t, int64_t now_ms, fault_emit_fn emit,
                 void *arg)
{
    if (f->skip > 0) {
        f->skip--;
        f->skipped++;
        return;
    }
    if (f->stall[t->lane].until_ms > now_ms) {
        if (f->stall[t->lane].keep && f->stalled_n < FAULT_MAX_COUNT) {
            f->stall_delayed++;
            keep(&f->stalled, &f->stalled_n, &f->stalled_cap, t);
        } else {
            f->stall_dropped++;
        }
        return;
    }
    faults_tick(f, now_ms, emit, arg);
    pass_reorder(f, t, emit, arg);
}

void faults_tick(struct faults *f, int64_t now_ms, fault_emit_fn emit, void *arg)
{
    size_t left = 0;
    for (size_t i = 0; i < f->stalled_n; i++) {
        if (f->stall[f->stalled[i].lane].until_ms > now_ms) {
            f->stalled[left++] = f->stalled[i];
        } else {
            struct sim_trade t = f->stalled[i];
            pass_reorder(f, &t, emit, arg);
        }
    }
    f->stalled_n = left;
}

void faults_flush(struct faults *f, fault_emit_fn emit, void *arg)
{
    faults_tick(f, INT64_MAX, emit, arg);
    f->reorder = 0;
    send_reversed(f, emit, arg);
}

bool faults_holding(const struct faults *f)
{
    return f->stalled_n > 0 || f->held_n > 0;
}

void faults_reorder(struct faults *f, int64_t n)
{
    f->reorder += n;
}

void faults_stall(struct faults *f, int lane, int64_t until_ms, bool keep_them)
{
    f->stall[lane].until_ms = until_ms;
    f->stall[lane].keep = keep_them;
}

// ---- broken frames ------------------------------------------------------------------------------

const char *const fault_kinds[] = {
    "mix",        "truncated", "not_json",  "not_object", "no_price", "negative", "zero",
    "zero_price", "absurd",    "precision", "foreign",    "future",   "old",      "string_id",
    "nested",     "empty",     "oversize",  "binary",     NULL,
};

#define OVERSIZE_BYTES ((size_t)5 << 20) // clients usually allow 4 MiB

// What every client is expected to survive without losing the connection.
static const char *const mix[] = {"truncated",  "not_json", "no_price",  "negative", "zero",
                                  "zero_price", "absurd",   "precision", "foreign",  "future"};

bool fault_malformed(struct buf *out, const char *kind, int64_t nth, const struct sim_trade *like,
                     const char *symbol)
{
    if (str_ieq(kind, "mix")) {
        kind = mix[(size_t)nth % (sizeof mix / sizeof mix[0])];
    }
    struct sim_trade t = *like;
    t.id = like->id + 1;
    const char *s = symbol;
    size_t start = buf_len(out);
    if (str_ieq(kind, "not_json")) {
        buf_adds(out, "this is not JSON");
        return true;
    }
    if (str_ieq(kind, "not_object")) {
        buf_adds(out, "[1,2,3]");
        return true;
    }
    if (str_ieq(kind, "empty")) {
        buf_adds(out, "{}");
        return true;
    }
    if (str_ieq(kind, "binary")) {
        buf_add(out, "\xff\xfe\x00\x80{\x01\"", 7);
        return true;
    }
    if (str_ieq(kind, "nested")) {
        for (int i = 0; i < 5000; i++) {
            buf_addc(out, '[');
        }
        return true;
    }
    if (str_ieq(kind, "oversize")) {
        buf_adds(out, "{\"e\":\"aggTrade\",\"pad\":\"");
        while (buf_len(out) - start < OVERSIZE_BYTES && !out->failed) {
            buf_adds(out, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        }
        buf_adds(out, "\"}");
        return true;
    }
    if (str_ieq(kind, "no_price")) {
        buf_addf(out,
                 "{\"e\":\"aggTrade\",\"E\":%lld,\"a\":%lld,\"s\":\"%s\",\"q\":\"%s\",\"T\":%lld,"
                 "\"m\":true}",
                 (long long)t.e_ms, (long long)t.id, s, t.qty, (long long)t.t_ms);
        return true;
    }
    if (str_ieq(kind, "string_id")) {
        buf_addf(out,
                 "{\"e\":\"aggTrade\",\"E\":%lld,\"a\":\"%lld\",\"s\":\"%s\",\"p\":\"%s\","
                 "\"q\":\"%s\",\"f\":1,\"l\":1,\"T\":%lld,\"m\":true}",
                 (long long)t.e_ms, (long long)t.id, s, t.price, t.qty, (long long)t.t_ms);
        return true;
    }
    if (str_ieq(kind, "negative")) {
        str_fmt(t.price, sizeof t.price, "-%.30s", like->price);
    } else if (str_ieq(kind, "zero")) {
        str_copy(t.qty, sizeof t.qty, "0.000");
    } else if (str_ieq(kind, "zero_price")) {
        str_copy(t.price, sizeof t.price, "0.00");
    } else if (str_ieq(kind, "absurd")) {
        str_copy(t.price, sizeof t.price, "99999999999999999999999");
    } else if (str_ieq(kind, "precision")) {
        str_copy(t.price, sizeof t.price, "61800.123456789012345");
    } else if (str_ieq(kind, "foreign")) {
        s = "FOREIGNUSDT";
    } else if (str_ieq(kind, "future")) {
        t.t_ms += INT64_C(86400000) * 365;
        t.e_ms = t.t_ms;
    } else if (str_ieq(kind, "old")) {
        t.t_ms -= INT64_C(86400000) * 365;
    } else if (!str_ieq(kind, "truncated")) {
        return false;
    }
    sim_trade_frame(out, &t, s);
    if (str_ieq(kind, "truncated") && !out->failed) {
        out->tail -= (buf_len(out) - start) / 2;
    }
    return true;
}
