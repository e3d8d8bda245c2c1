#include "services/collector/core/overlap.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/str.h"

#define CHUNK_ROWS 500    // rows of one entry,
#define CHUNK_BYTES 49152 // and bytes of its data, where its milliseconds allow
#define DATA_MAX ((size_t)1 << 20)
#define AUDIT_LATE_MS 1000 // younger rows may still come by the link, in another order
#define AUDIT_MIN_MS 1000

void overlap_init(struct overlap *v, const struct overlap_opts *o)
{
    memset(v, 0, sizeof *v);
    v->o = *o;
    v->due_ms = -1;
    v->pause_ms = o->retry_min_ms;
}

static void due(struct overlap *v, int64_t at_ms)
{
    v->due_ms = v->due_ms < 0 || at_ms < v->due_ms ? at_ms : v->due_ms;
}

void overlap_begin(struct overlap *v, int64_t held_ms, int64_t first_ms, const char *reason,
                   int64_t mono_ms)
{
    const bool wider = v->holding && v->rejoin.from_ms > 0;
    if (!v->holding) {
        v->hold_until_ms = mono_ms + v->o.hold_ms;
    }
    const int64_t from_ms = wider && v->rejoin.from_ms < held_ms ? v->rejoin.from_ms : held_ms;
    v->holding = true;
    v->first_ms = first_ms;
    v->rejoin = (struct overlap_hole){from_ms, first_ms + 1, reason, 0};
    if (from_ms > first_ms) { // the venue steps back in time: all of it is in doubt
        v->rejoin.from_ms = first_ms;
        v->rejoin.to_ms = from_ms + 1;
    }
    v->pause_ms = v->o.retry_min_ms;
    v->due_ms = -1;
    due(v, mono_ms + v->o.ask_ms);
}

static void remember(struct overlap *v, const struct overlap_hole *h)
{
    if (v->n == OVERLAP_HOLES) {
        memmove(&v->hole[0], &v->hole[1], (v->n - 1) * sizeof v->hole[0]);
        v->n--;
    }
    v->hole[v->n] = *h;
    v->hole[v->n++].tries = 0;
}

void overlap_add_hole(struct overlap *v, int64_t from_ms, int64_t to_ms, const char *reason,
                      int64_t mono_ms)
{
    for (size_t i = 0; i < v->n; i++) {
        struct overlap_hole *h = &v->hole[i];
        if (from_ms <= h->to_ms && h->from_ms <= to_ms) {
            h->from_ms = from_ms < h->from_ms ? from_ms : h->from_ms;
            h->to_ms = to_ms > h->to_ms ? to_ms : h->to_ms;
            due(v, mono_ms + v->pause_ms);
            return;
        }
    }
    const struct overlap_hole h = {from_ms, to_ms, reason, 0};
    remember(v, &h);
    due(v, mono_ms + v->pause_ms);
}

// ---- entries -----------------------------------------------------------------------------------

static bool tell(enum history_kind kind, int64_t from_ms, int64_t to_ms, const char *source,
                 const char *reason, overlap_emit emit, void *arg)
{
    struct history h = {
        .kind = kind, .from_id = -1, .to_id = -1, .from_ms = from_ms, .to_ms = to_ms};
    str_copy(h.source, sizeof h.source, source);
    str_copy(h.reason, sizeof h.reason, reason);
    h.data = (struct slice){"", 0};
    return emit(arg, &h);
}

// A hole that no page will fill.
static void lose(struct overlap *v, int64_t from_ms, int64_t to_ms, const char *why,
                 overlap_emit emit, void *arg)
{
    if (tell(HISTORY_LOST, from_ms, to_ms, "rest", why, emit, arg)) {
        v->lost++;
    }
}

// The hole that was held back becomes a declared one.
static void declare(struct overlap *v, overlap_emit emit, void *arg)
{
    v->holding = false;
    if (v->rejoin.from_ms > 0 && tell(HISTORY_GAP, v->rejoin.from_ms, v->rejoin.to_ms, "live",
                                      v->rejoin.reason, emit, arg)) {
        v->declared++;
        remember(v, &v->rejoin);
    }
}

void overlap_tick(struct overlap *v, bool force, overlap_emit emit, void *arg, int64_t mono_ms)
{
    if (v->holding && (force || mono_ms >= v->hold_until_ms)) {
        declare(v, emit, arg);
    }
}

int64_t overlap_due_ms(const struct overlap *v)
{
    return v->asking ? -1 : v->due_ms;
}

void overlap_ask(struct overlap *v)
{
    v->asking = true;
    v->due_ms = -1;
}

// Asks again while anything is open, else when the next audit is due.
static void plan(struct overlap *v, int64_t audit_ms, int64_t mono_ms)
{
    if (v->holding || v->n > 0) {
        due(v, mono_ms + v->pause_ms);
        v->pause_ms = v->pause_ms * 2 < v->o.retry_max_ms ? v->pause_ms * 2 : v->o.retry_max_ms;
        return;
    }
    v->pause_ms = v->o.retry_min_ms;
    if (audit_ms > 0) {
        due(v, mono_ms + audit_ms);
    }
}

// Another page brought nothing for these holes.
static void count_try(struct overlap *v, const char *why, overlap_emit emit, void *arg)
{
    size_t kept = 0;
    v->rejoin.tries++;
    for (size_t i = 0; i < v->n; i++) {
        struct overlap_hole h = v->hole[i];
        if (++h.tries >= v->o.max_tries) {
            lose(v, h.from_ms, h.to_ms, why, emit, arg);
        } else {
            v->hole[kept++] = h;
        }
    }
    v->n = kept;
}

void overlap_failed(struct overlap *v, bool counts, const char *why, overlap_emit emit, void *arg,
                    int64_t mono_ms)
{
    v->asking = false;
    if (counts) {
        count_try(v, why, emit, arg);
    }
    plan(v, v->o.audit_ms, mono_ms);
}

// ---- a page ------------------------------------------------------------------------------------

struct proof {
    int64_t lo, hi;    // complete for [lo, hi), and all held of it is on Redis
    int64_t page_lo;   // complete from, whatever is known of what is held
    int64_t edge_ms;   // time of the oldest row
    bool edge_held;    // and that row was held before the link
    bool joined;       // the page shows a trade of this link,
    int64_t joint_ms;  // of that time
    size_t older_than; // rows behind this one that are not held were missed
};

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_ms(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static const char *check(const struct overlap_state *s, const struct overlap_row *row, size_t n)
{
    if (n == 0) {
        return "empty";
    }
    for (size_t i = 0; i < n; i++) {
        struct trade t = {0};
        if (i > 0 && row[i].ts_ms > row[i - 1].ts_ms) {
            return "not newest first";
        }
        if (trade_set_numbers(&t, s->ins, row[i].price, row[i].qty) != REFUSE_NONE) {
            return "a row the instrument can not hold";
        }
    }
    return NULL;
}

static struct proof prove(const struct overlap *v, const struct overlap_state *s,
                          const struct overlap_row *row, size_t n, bool cut)
{
    struct proof p = {.edge_ms = row[n - 1].ts_ms};
    uint32_t origin;
    p.edge_held = uidwin_has(s->names, row[n - 1].uid, &origin) && origin != s->link;
    p.page_lo = p.edge_ms + (cut ? 1 : 0);
    p.lo = max_ms(p.page_lo, s->names->complete_from_ms);
    for (size_t i = 0; i < n && !p.joined; i++) {
        if (uidwin_has(s->names, row[i].uid, &origin) && origin == s->link) {
            p.joined = true;
            p.joint_ms = row[i].ts_ms;
            p.older_than = i;
        }
    }
    if (p.joined) {
        p.hi = max_ms(row[0].ts_ms, s->newest_ms);
    } else {
        // What is at and above the link's first trade comes, or came, by the link.
        while (p.older_than < n && v->first_ms > 0 && row[p.older_than].ts_ms >= v->first_ms) {
            p.older_than++;
        }
        p.hi = v->first_ms > 0 ? min_ms(row[0].ts_ms, v->first_ms) : row[0].ts_ms;
    }
    p.hi = min_ms(p.hi, s->unstored_ms);
    return p;
}

static void add_line(struct buf *data, const struct overlap_row *r)
{
    char uid[UID_TEXT], seq[24], price[24], qty[24];
    trade_uid_format(r->uid, uid);
    seq[r->seq > 0 ? fmt_i64(seq, r->seq) : 0] = '\0';
    str_copyn(price, sizeof price, r->price.p, r->price.n);
    str_copyn(qty, sizeof qty, r->qty.p, r->qty.n);
    history_add_uid_line(data, r->ts_ms, uid, price, qty, (enum side)r->side, seq, r->flags);
}

static bool add_chunk(struct buf *data, int64_t n, int64_t from_ms, int64_t to_ms,
                      int64_t newest_row_ms, const char *reason, overlap_emit emit, void *arg)
{
    struct history h = {.kind = HISTORY_TRADES, .from_id = -1, .to_id = -1, .n = n};
    // Without a claim both ends say when.
    h.from_ms = from_ms < to_ms ? from_ms : newest_row_ms;
    h.to_ms = from_ms < to_ms ? to_ms : newest_row_ms;
    if (n == 0 && from_ms >= to_ms) {
        return true; // nothing to tell
    }
    str_copy(h.source, sizeof h.source, "rest");
    str_copy(h.reason, sizeof h.reason, reason);
    h.data = (struct slice){buf_ptr(data), buf_len(data)};
    const bool taken = !data->failed && emit(arg, &h);
    buf_clear(data);
    return taken;
}

// The rows of a chunk that found no room are not held after all.
static void forget(const struct overlap_state *s, const struct overlap_row *row, size_t from,
                   size_t to)
{
    for (size_t i = from; i <= to; i++) {
        uint32_t origin;
        if (uidwin_has(s->names, row[i].uid, &origin) && origin == UIDWIN_REST) {
            uidwin_remove(s->names, row[i].uid);
        }
    }
}

// Writes the rows that were missed, oldest first, and the claim. False: no room; what was written
// stays written. *written grows by their number.
static bool write_missed(const struct overlap_state *s, const struct proof *p,
                         const struct overlap_row *row, size_t n, const char *reason,
                         uint64_t *written, overlap_emit emit, void *arg)
{
    struct buf data;
    int64_t from_ms = p->lo, last_ms = 0, count = 0;
    size_t chunk = n; // its first row
    bool ok = true;
    buf_init(&data, DATA_MAX);
    for (size_t i = n; i-- > p->older_than;) {
        const struct overlap_row *r = &row[i];
        if (r->ts_ms < s->names->complete_from_ms || uidwin_has(s->names, r->uid, NULL)) {
            continue;
        }
        const bool full = count >= CHUNK_ROWS || buf_len(&data) >= CHUNK_BYTES;
        if (full && r->ts_ms != last_ms) {
            const int64_t to_ms = min_ms(r->ts_ms, p->hi);
            ok = add_chunk(&data, count, from_ms, to_ms, last_ms, reason, emit, arg);
            if (!ok) {
                forget(s, row, i + 1, chunk);
                break;
            }
            *written += (uint64_t)count;
            from_ms = max_ms(from_ms, to_ms);
            count = 0;
        }
        chunk = count == 0 ? i : chunk;
        add_line(&data, r);
        (void)uidwin_add(s->names, r->uid, r->ts_ms, UIDWIN_REST);
        last_ms = r->ts_ms;
        count++;
    }
    if (ok && !add_chunk(&data, count, from_ms, p->hi, last_ms, reason, emit, arg)) {
        ok = false;
        if (count > 0) {
            forget(s, row, p->older_than, chunk);
        }
    }
    *written += ok ? (uint64_t)count : 0;
    buf_release(&data);
    return ok;
}

// Is nothing missing between what was held before the link and its first trade?
static bool is_continuous(const struct overlap *v, const struct proof *p)
{
    const int64_t held_ms = v->rejoin.from_ms;
    return held_ms == 0 || p->page_lo <= held_ms || (p->edge_ms == held_ms && p->edge_held);
}

static void end_rejoin(struct overlap *v, const struct proof *p, overlap_emit emit, void *arg)
{
    if (is_continuous(v, p)) {
        v->holding = false;
        v->proven++;
        return;
    }
    const int64_t to_ms = min_ms(p->page_lo, v->rejoin.to_ms);
    v->holding = false;
    if (tell(HISTORY_GAP, v->rejoin.from_ms, to_ms, "live", v->rejoin.reason, emit, arg)) {
        v->declared++;
        lose(v, v->rejoin.from_ms, to_ms, "beyond recent-trade", emit, arg);
    }
}

// What the page says about the declared holes.
static void shrink_holes(struct overlap *v, const struct proof *p, overlap_emit emit, void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->n; i++) {
        struct overlap_hole h = v->hole[i];
        if (h.from_ms < p->lo) { // later pages reach back even less
            const int64_t to_ms = min_ms(p->lo, h.to_ms);
            lose(v, h.from_ms, to_ms, "beyond recent-trade", emit, arg);
            h.from_ms = to_ms;
        }
        h.from_ms = max_ms(h.from_ms, min_ms(p->hi, h.to_ms));
        if (h.from_ms < h.to_ms) {
            h.tries = 0;
            v->hole[kept++] = h;
        } else {
            v->repaired++;
        }
    }
    v->n = kept;
}

// Half of what a full page spans: one that is late still reaches back to the one before.
static int64_t audit_pause_ms(const struct overlap *v, const struct overlap_row *row, size_t n,
                              bool cut)
{
    const int64_t span_ms = row[0].ts_ms - row[n - 1].ts_ms;
    if (!cut || span_ms / 2 > v->o.audit_ms) {
        return v->o.audit_ms;
    }
    return min_ms(v->o.audit_ms, max_ms(span_ms / 2, AUDIT_MIN_MS));
}

static void note_audited(struct overlap *v, const struct proof *p)
{
    if (p->joined) {
        v->audits_short += v->audited_ms > 0 && p->page_lo > v->audited_ms ? 1 : 0;
        v->audited_ms = max_ms(v->audited_ms, p->joint_ms - AUDIT_LATE_MS);
    }
}

// A page without a suspicion.
static const char *audit(struct overlap *v, const struct overlap_state *s,
                         const struct overlap_row *row, size_t n, struct proof *p,
                         overlap_emit emit, void *arg)
{
    v->audits++;
    if (!p->joined) {
        return NULL; // a link that begins is another matter
    }
    while (p->older_than < n && row[p->older_than].ts_ms >= p->joint_ms - AUDIT_LATE_MS) {
        p->older_than++;
    }
    while (n > p->older_than && row[n - 1].ts_ms < s->oldest_ms) {
        n--; // before the first trade held: never promised
    }
    p->lo = p->hi = INT64_MIN; // rows alone, no claim
    return write_missed(s, p, row, n, "audit", &v->found, emit, arg) ? NULL : "no room";
}

const char *overlap_page(struct overlap *v, const struct overlap_state *s,
                         const struct overlap_row *row, size_t n, bool cut, overlap_emit emit,
                         void *arg)
{
    const char *why = check(s, row, n);
    v->asking = false;
    if (why != NULL) {
        v->wrong++;
        overlap_failed(v, true, why, emit, arg, s->mono_ms);
        return why;
    }
    v->pages++;
    struct proof p = prove(v, s, row, n, cut);
    const int64_t next_ms = audit_pause_ms(v, row, n, cut);
    note_audited(v, &p);
    if (!v->holding && v->n == 0) {
        why = audit(v, s, row, n, &p, emit, arg);
        plan(v, next_ms, s->mono_ms);
        return why;
    }
    uint64_t written = 0;
    const char *reason = v->holding ? v->rejoin.reason : v->n > 0 ? v->hole[0].reason : "";
    const bool ends = v->holding && p.joined;
    if (ends && !is_continuous(v, &p)) {
        end_rejoin(v, &p, emit, arg);
    }
    if (!write_missed(s, &p, row, n, reason, &written, emit, arg)) {
        overlap_failed(v, false, "", emit, arg, s->mono_ms);
        return "no room";
    }
    if (ends && v->holding) {
        end_rejoin(v, &p, emit, arg);
    }
    shrink_holes(v, &p, emit, arg);
    // What is left lies above the page: it waits for the next trade, not for the venue.
    plan(v, next_ms, s->mono_ms);
    return NULL;
}
