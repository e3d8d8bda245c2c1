// Values as messages of one client: what it has not got yet, numbered so that it sees conflation
// and loss apart.

#include <string.h>

#include "common/base/str.h"
#include "services/api/io/push_inner.h"

#define LIST_SNAPSHOT 200
#define LIST_BATCH 500

// ---- messages -----------------------------------------------------------------------------------

// Everything up to the data; the frame's length has to be known before, so the data comes along.
static void add_message(struct push *p, struct client *k, size_t ins, size_t chan, const char *type,
                        uint64_t seq, uint64_t prev, int64_t ts_ms, const char *before,
                        const struct buf *a, const struct buf *b, const char *behind)
{
    char head[320];
    const size_t n = (size_t)str_fmt(
        head, sizeof head,
        "{\"ch\":\"%s\",\"symbol\":\"%s\",\"seq\":%llu,\"prev\":%llu,\"epoch\":\"%s\","
        "\"ts_ms\":%lld,\"type\":\"%s\",%s",
        channels[chan].name, store_instruments(p->o.gateway->store)[ins].name,
        (unsigned long long)seq, (unsigned long long)prev, p->epoch, (long long)ts_ms, type,
        before);
    const size_t head_n = strlen(head);
    (void)n;
    ws_add_head(&k->out, WS_TEXT,
                head_n + (a ? buf_len(a) : 0) + (b ? buf_len(b) : 0) + strlen(behind));
    buf_add(&k->out, head, head_n);
    if (a != NULL) {
        buf_add(&k->out, buf_ptr(a), buf_len(a));
    }
    if (b != NULL) {
        buf_add(&k->out, buf_ptr(b), buf_len(b));
    }
    buf_adds(&k->out, behind);
    push_count(&p->messages, 1);
}

static void send_state(struct push *p, struct client *k, size_t ins, size_t chan,
                       struct subscription *sub)
{
    struct value *v = push_value(p, ins, chan);
    if (v->seq > sub->sent + 1 && !sub->snapshot) {
        push_count(&p->conflated, v->seq - sub->sent - 1);
    }
    add_message(p, k, ins, chan, sub->snapshot ? "snapshot" : "update", v->seq, sub->sent,
                v->wall_ms, "\"data\":", &v->body, NULL, "}");
    sub->sent = v->seq;
    sub->snapshot = false;
}

static void send_keyed(struct push *p, struct client *k, size_t ins, size_t chan,
                       struct subscription *sub)
{
    struct value *v = push_value(p, ins, chan);
    char rows[64];
    const bool whole = sub->snapshot || !keyed_knows(&v->keyed, sub->sent);
    const uint64_t from = whole ? 0 : sub->sent;
    if (v->delta_to != v->seq || v->delta_from != from) {
        buf_clear(&v->delta);
        keyed_write(&v->keyed, from, &v->delta);
        v->delta_from = from;
        v->delta_to = v->seq;
    }
    // {"data":{<what the rows are of>"rows":[...]}}
    buf_clear(&p->list);
    buf_add(&p->list, buf_ptr(&v->body), buf_len(&v->body));
    (void)str_fmt(rows, sizeof rows, "\"%s\":[", channels[chan].rows);
    buf_adds(&p->list, rows);
    add_message(p, k, ins, chan, whole ? "snapshot" : "update", v->seq, sub->sent, v->wall_ms,
                "\"data\":{", &p->list, &v->delta, "]}}");
    sub->sent = v->seq;
    sub->snapshot = false;
}

// What lies between is gone: numbers from..to, from 0 when it began before anything we numbered.
static void send_gap(struct push *p, struct client *k, size_t ins, size_t chan,
                     struct subscription *sub, uint64_t first, bool older)
{
    char text[96];
    (void)str_fmt(text, sizeof text, "\"from\":%llu,\"to\":%llu",
                  (unsigned long long)(older ? 0 : sub->sent + 1), (unsigned long long)first - 1);
    add_message(p, k, ins, chan, "gap", first - 1, sub->sent, push_wall(p), text, NULL, NULL, "}");
    push_count(&p->gaps, 1);
    sub->sent = first - 1;
}

// Where a list goes on for a client that names the last entry it has.
static void place_after(struct push *p, size_t ins, enum list_kind kind, struct subscription *sub,
                        bool *older)
{
    const int64_t at = tail_find(p->o.tail, ins, kind, sub->after);
    *older = at < 0;
    sub->sent = at > 0 ? (uint64_t)at : 0;
    sub->after[0] = '\0';
}

static void send_list(struct push *p, struct client *k, size_t ins, size_t chan,
                      struct subscription *sub)
{
    const enum list_kind kind = channels[chan].list;
    char before[96], behind[96], last_id[40];
    uint64_t first, last;
    bool older = false;
    if (sub->after[0] != '\0') {
        place_after(p, ins, kind, sub, &older);
    }
    const bool whole = sub->snapshot;
    const uint64_t newest = tail_seq(p->o.tail, ins, kind);
    if (whole) {
        sub->sent = newest > LIST_SNAPSHOT ? newest - LIST_SNAPSHOT : 0;
    }
    buf_clear(&p->list);
    tail_since(p->o.tail, ins, kind, sub->sent, LIST_BATCH, &p->list, &first, &last, last_id);
    if (!whole && (first > sub->sent + 1 || older)) {
        send_gap(p, k, ins, chan, sub, first, older);
    }
    if (last < first && !whole) {
        return;
    }
    const uint64_t prev = whole ? 0 : sub->sent;
    const uint64_t seq = last >= first ? last : newest;
    (void)str_fmt(before, sizeof before, "\"data\":{\"%s\":[", channels[chan].rows);
    (void)str_fmt(behind, sizeof behind, "],\"after\":\"%s\"}}", last_id);
    add_message(p, k, ins, chan, whole ? "snapshot" : "update", seq, prev, push_wall(p), before,
                &p->list, NULL, behind);
    sub->sent = seq;
    sub->snapshot = false;
}

bool push_is_pending(struct push *p, size_t ins, size_t chan, const struct subscription *sub)
{
    if (channels[chan].kind == CHAN_LIST) {
        return sub->snapshot || sub->after[0] != '\0' ||
               tail_seq(p->o.tail, ins, channels[chan].list) > sub->sent;
    }
    const struct value *v = push_value(p, ins, chan);
    return v->seq > 0 && (sub->snapshot || v->seq != sub->sent);
}

// Nobody was sent what does not exist yet: such a position is of somewhere else.
static void doubt(struct push *p, size_t ins, size_t chan, struct subscription *sub)
{
    const uint64_t newest = channels[chan].kind == CHAN_LIST
                                ? tail_seq(p->o.tail, ins, channels[chan].list)
                                : push_value(p, ins, chan)->seq;
    if (sub->sent > newest) {
        sub->sent = 0;
        sub->snapshot = true;
    }
}

void push_compose(struct push *p, struct client *k)
{
    for (size_t i = 0; i < p->n; i++) {
        for (size_t c = 0; c < channels_n && buf_len(&k->out) < COMPOSE_BYTES; c++) {
            struct subscription *sub = session_sub(&k->session, i, c);
            if (!sub->on) {
                continue;
            }
            doubt(p, i, c, sub);
            if (!push_is_pending(p, i, c, sub)) {
                continue;
            }
            if (channels[c].kind == CHAN_STATE) {
                send_state(p, k, i, c, sub);
            } else if (channels[c].kind == CHAN_KEYED) {
                send_keyed(p, k, i, c, sub);
            } else {
                send_list(p, k, i, c, sub);
            }
        }
    }
}
