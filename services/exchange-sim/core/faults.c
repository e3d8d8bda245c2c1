#include "services/exchange-sim/core/faults.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/fault_frame.h"

static void queue_release(struct fault_queue *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free(q->at[i].text);
    }
    free(q->at);
    *q = (struct fault_queue){0};
}

void faults_release(struct faults *f)
{
    for (int k = 0; k < SIM_KINDS; k++) {
        queue_release(&f->held[k]);
    }
    queue_release(&f->stalled);
    *f = (struct faults){0};
}

static void keep(struct fault_queue *q, struct wire_key key, const char *p, size_t n)
{
    if (q->n == q->cap) {
        q->cap = q->cap * 2 + 16;
        q->at = xrealloc(q->at, q->cap * sizeof *q->at);
    }
    char *text = xmalloc(n + 1);
    memcpy(text, p, n);
    text[n] = '\0';
    q->at[q->n++] = (struct fault_frame){key, text, n};
}

static void send(struct faults *f, struct wire_key key, const char *p, size_t n, fault_emit_fn emit,
                 void *arg)
{
    emit(arg, key, p, n);
    if (f->duplicate[key.kind] > 0) {
        f->duplicate[key.kind]--;
        f->duplicated++;
        emit(arg, key, p, n);
    }
}

static void send_reversed(struct faults *f, enum sim_kind kind, fault_emit_fn emit, void *arg)
{
    struct fault_queue *q = &f->held[kind];
    while (q->n > 0) {
        struct fault_frame *x = &q->at[--q->n];
        f->reordered++;
        send(f, x->key, x->text, x->n, emit, arg);
        free(x->text);
    }
}

static void pass_reorder(struct faults *f, struct wire_key key, const char *p, size_t n,
                         fault_emit_fn emit, void *arg)
{
    if (f->reorder[key.kind] == 0) {
        send(f, key, p, n, emit, arg);
        return;
    }
    keep(&f->held[key.kind], key, p, n);
    if (--f->reorder[key.kind] == 0) {
        send_reversed(f, key.kind, emit, arg);
    }
}

// The stall of a stream that is in force; an old one is forgotten on the way.
static int stall_of(struct faults *f, struct wire_key key, int64_t now_ms)
{
    for (size_t i = 0; i < f->stalls; i++) {
        if (f->stall[i].until_ms <= now_ms) {
            f->stall[i] = f->stall[--f->stalls];
            i--;
        } else if (wire_key_eq(f->stall[i].key, key)) {
            return (int)i;
        }
    }
    return -1;
}

static bool anything(const struct faults *f)
{
    bool any = f->stalls > 0 || f->stalled.n > 0 || f->cross > 0;
    for (int k = 0; k < SIM_KINDS; k++) {
        any = any || f->skip[k] > 0 || f->duplicate[k] > 0 || f->reorder[k] > 0 ||
              f->held[k].n > 0 || f->spoil[k].n > 0;
    }
    return any;
}

// A broken copy first, or a crossing frame in place of the right one.
static void spoil(struct faults *f, struct wire_key key, const char *p, size_t n,
                  fault_emit_fn emit, void *arg)
{
    struct buf b;
    buf_init(&b, n + 65536);
    if (f->spoil[key.kind].n > 0) {
        f->spoil[key.kind].n--;
        (void)fault_break(&b, f->spoil[key.kind].kind, f->malformed++, p, n);
        emit(arg, key, buf_ptr(&b), buf_len(&b));
        buf_clear(&b);
    }
    if (f->cross > 0 && key.kind == SIM_DEPTH && fault_cross(&b, p, n)) {
        f->cross--;
        f->crossed++;
        pass_reorder(f, key, buf_ptr(&b), buf_len(&b), emit, arg);
    } else {
        pass_reorder(f, key, p, n, emit, arg);
    }
    buf_release(&b);
}

void faults_pass(struct faults *f, struct wire_key key, const char *p, size_t n, int64_t now_ms,
                 fault_emit_fn emit, void *arg)
{
    if (!f->active) {
        emit(arg, key, p, n);
        return;
    }
    f->active = anything(f);
    if (f->skip[key.kind] > 0) {
        f->skip[key.kind]--;
        f->skipped++;
        return;
    }
    int i = stall_of(f, key, now_ms);
    if (i >= 0) {
        if (f->stall[i].keep && f->stalled.n < FAULT_MAX_COUNT) {
            f->stall_delayed++;
            keep(&f->stalled, key, p, n);
        } else {
            f->stall_dropped++;
        }
        return;
    }
    faults_tick(f, now_ms, emit, arg);
    if (f->spoil[key.kind].n > 0 || (f->cross > 0 && key.kind == SIM_DEPTH)) {
        spoil(f, key, p, n, emit, arg);
        return;
    }
    pass_reorder(f, key, p, n, emit, arg);
}

void faults_tick(struct faults *f, int64_t now_ms, fault_emit_fn emit, void *arg)
{
    struct fault_queue *q = &f->stalled;
    size_t left = 0;
    for (size_t i = 0; i < q->n; i++) {
        struct fault_frame x = q->at[i];
        if (stall_of(f, x.key, now_ms) >= 0) {
            q->at[left++] = x;
        } else {
            pass_reorder(f, x.key, x.text, x.n, emit, arg);
            free(x.text);
        }
    }
    q->n = left;
}

void faults_flush(struct faults *f, fault_emit_fn emit, void *arg)
{
    faults_tick(f, INT64_MAX, emit, arg);
    for (int k = 0; k < SIM_KINDS; k++) {
        f->reorder[k] = 0;
        send_reversed(f, (enum sim_kind)k, emit, arg);
    }
}

bool faults_holding(const struct faults *f)
{
    bool held = f->stalled.n > 0;
    for (int k = 0; k < SIM_KINDS; k++) {
        held = held || f->held[k].n > 0;
    }
    return held;
}

void faults_skip(struct faults *f, enum sim_kind kind, int64_t n)
{
    f->skip[kind] += n;
    f->active = true;
}

void faults_duplicate(struct faults *f, enum sim_kind kind, int64_t n)
{
    f->duplicate[kind] += n;
    f->active = true;
}

void faults_reorder(struct faults *f, enum sim_kind kind, int64_t n)
{
    f->reorder[kind] += n;
    f->active = true;
}

void faults_cross(struct faults *f, int64_t n)
{
    f->cross += n;
    f->active = true;
}

bool faults_spoil(struct faults *f, enum sim_kind kind, const char *how, int64_t n)
{
    for (const char *const *k = fault_break_kinds; *k != NULL; k++) {
        if (strcmp(*k, how) == 0) {
            str_copy(f->spoil[kind].kind, sizeof f->spoil[kind].kind, how);
            f->spoil[kind].n += n;
            f->active = true;
            return true;
        }
    }
    return false;
}

bool faults_stall(struct faults *f, struct wire_key key, int64_t until_ms, bool keep_them)
{
    size_t i = 0;
    while (i < f->stalls && !wire_key_eq(f->stall[i].key, key)) {
        i++;
    }
    if (i == FAULT_MAX_STALLS) {
        return false;
    }
    f->stalls = i == f->stalls ? i + 1 : f->stalls;
    f->stall[i].key = key;
    f->stall[i].until_ms = until_ms;
    f->stall[i].keep = keep_them;
    f->active = true;
    return true;
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
