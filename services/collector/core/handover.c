#include "services/collector/core/handover.h"

#include <string.h>

// Trades and books can be counted; -1 for anything else.
static int counted(const struct frame *f)
{
    switch (f->kind) {
    case FRAME_AGG_TRADE:
    case FRAME_TRADE:
    case FRAME_UID_TRADE:
        return 0;
    case FRAME_BOOK:
        return 1;
    case FRAME_MALFORMED:
    case FRAME_CONTROL:
    case FRAME_OTHER:
    case FRAME_SHUTDOWN:
    case FRAME_LIQUIDATION:
    case FRAME_MARK:
        break;
    }
    return -1;
}

static void note(struct handover_at *at, const struct frame *f)
{
    at->has = true;
    at->id = f->kind == FRAME_BOOK ? f->last_id : f->id;
    at->ts_ms = f->trade_ms;
    at->uid_n = 0;
    if (f->kind == FRAME_UID_TRADE && f->uid.n <= sizeof at->uid) {
        at->uid_n = (uint8_t)f->uid.n;
        memcpy(at->uid, f->uid.p, f->uid.n);
    }
}

// Has who is at `at` delivered `first`? Trades without ids: that very one, or a later time. Ids
// that begin anew (a venue that was restarted) are not told from far ahead or behind here; the
// bound ends that.
static bool has_reached(const struct handover_at *at, const struct handover_at *first)
{
    if (!at->has) {
        return false;
    }
    if (first->id >= 0) {
        return at->id >= first->id;
    }
    return at->ts_ms > first->ts_ms ||
           (at->ts_ms == first->ts_ms && first->uid_n > 0 && at->uid_n == first->uid_n &&
            memcmp(at->uid, first->uid, first->uid_n) == 0);
}

void handover_reset(struct handover *h)
{
    memset(h, 0, sizeof *h);
}

void handover_begin(struct handover *h, int64_t mono_ms, int64_t max_ms)
{
    memset(h->stream, 0, sizeof h->stream);
    h->running = true;
    h->any_new = false;
    h->begun_ms = mono_ms;
    h->max_ms = max_ms;
}

void handover_old(struct handover *h, size_t lane, const struct frame *f)
{
    const int k = counted(f);
    if (k < 0 || lane >= HANDOVER_LANES) {
        return;
    }
    note(&h->newest[lane][k], f);
    if (h->running) {
        struct handover_stream *s = &h->stream[lane][k];
        s->old_seen = true;
        s->reached = s->reached || (s->new_seen && has_reached(&h->newest[lane][k], &s->first));
    }
}

void handover_new(struct handover *h, size_t lane, const struct frame *f)
{
    const int k = counted(f);
    h->any_new = true;
    if (k < 0 || lane >= HANDOVER_LANES) {
        return;
    }
    struct handover_stream *s = &h->stream[lane][k];
    if (!s->new_seen) {
        s->new_seen = true;
        note(&s->first, f);
        s->reached = has_reached(&h->newest[lane][k], &s->first);
    }
}

static bool is_settled(const struct handover_stream *s)
{
    return s->new_seen ? s->reached : !s->old_seen;
}

enum handover_verdict handover_judge(const struct handover *h, int64_t mono_ms, bool full)
{
    const bool late = full || mono_ms - h->begun_ms >= h->max_ms;
    bool whole = true;
    for (size_t i = 0; i < HANDOVER_LANES; i++) {
        whole = whole && is_settled(&h->stream[i][0]) && is_settled(&h->stream[i][1]);
    }
    if (!h->any_new) {
        return late ? HANDOVER_FAILED : HANDOVER_WAIT;
    }
    if (whole && mono_ms - h->begun_ms >= HANDOVER_OVERLAP_MS) {
        return HANDOVER_WHOLE;
    }
    return late ? HANDOVER_FORCED : HANDOVER_WAIT;
}

bool handover_is_whole(const struct handover *h, size_t lane, enum stream_kind kind)
{
    if (lane >= HANDOVER_LANES || (kind != STREAM_TRADES && kind != STREAM_BOOK)) {
        return true;
    }
    return is_settled(&h->stream[lane][kind == STREAM_TRADES ? 0 : 1]);
}

void handover_end(struct handover *h)
{
    h->running = false;
}
