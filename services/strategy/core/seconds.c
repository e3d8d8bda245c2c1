#include "services/strategy/core/seconds.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"

// A second that held more than this gives its memory back when it is over.
#define KEEP_CAP 64

void seconds_init(struct seconds *s)
{
    *s = (struct seconds){.newest = -1, .known_ms = 0};
    s->slot = xcalloc(SECONDS_KEPT, sizeof *s->slot);
    for (size_t i = 0; i < SECONDS_KEPT; i++) {
        s->slot[i].second = -1;
    }
}

void seconds_release(struct seconds *s)
{
    for (size_t i = 0; s->slot != NULL && i < SECONDS_KEPT; i++) {
        free(s->slot[i].at);
    }
    free(s->slot);
    free(s->gone);
    *s = (struct seconds){.newest = -1};
}

static struct second *slot_of(const struct seconds *s, int64_t second)
{
    return &s->slot[second % SECONDS_KEPT];
}

static void add_gone(struct seconds *s, int64_t second)
{
    if (s->n_gone == s->cap_gone) {
        s->cap_gone = s->cap_gone > 0 ? 2 * s->cap_gone : 64;
        s->gone = xrealloc(s->gone, s->cap_gone * sizeof *s->gone);
    }
    s->gone[s->n_gone++] = second;
}

void seconds_gone_clear(struct seconds *s)
{
    s->n_gone = 0;
}

static void empty(struct seconds *s, struct second *v)
{
    if (v->second >= 0 && v->stored) {
        add_gone(s, v->second);
    }
    struct msum *at = v->at;
    uint16_t cap = v->cap;
    if (cap > KEEP_CAP) {
        free(at);
        at = NULL;
        cap = 0;
    }
    *v = (struct second){.second = -1, .at = at, .cap = cap};
}

// Makes `second` the newest; what is too old by then goes.
static void advance(struct seconds *s, int64_t second)
{
    const int64_t steps =
        s->newest < 0 || second - s->newest >= SECONDS_KEPT ? SECONDS_KEPT : second - s->newest;
    for (int64_t i = 0; i < steps; i++) {
        empty(s, slot_of(s, second - i));
    }
    s->newest = second;
}

// The slot of that second; NULL when it is older than all that are kept.
static struct second *open_slot(struct seconds *s, int64_t second)
{
    if (second > s->newest) {
        advance(s, second);
    } else if (second <= s->newest - SECONDS_KEPT) {
        return NULL;
    }
    struct second *v = slot_of(s, second);
    v->second = second;
    return v;
}

static struct msum *open_ms(struct second *v, uint16_t ms)
{
    size_t i = v->n;
    while (i > 0 && v->at[i - 1].ms > ms) {
        i--;
    }
    if (i > 0 && v->at[i - 1].ms == ms) {
        return &v->at[i - 1];
    }
    if (v->n == v->cap) {
        v->cap = (uint16_t)(v->cap > 0 ? 2 * v->cap : 4);
        v->at = xrealloc(v->at, v->cap * sizeof *v->at);
    }
    memmove(v->at + i + 1, v->at + i, (v->n - i) * sizeof *v->at);
    v->n++;
    v->at[i] = (struct msum){.ms = ms};
    return &v->at[i];
}

// The sums of a day fit (the ledger refuses what does not), so those of a second do.
static void count(struct flow_sum *sum, const struct trade *t)
{
    sum->buy += t->side == SIDE_BUY ? t->qty : 0;
    sum->sell += t->side == SIDE_BUY ? 0 : t->qty;
    sum->trades++;
}

void seconds_add(struct seconds *s, const struct trade *t)
{
    struct second *v = t->ts_ms < s->known_ms ? NULL : open_slot(s, t->ts_ms / 1000);
    if (v == NULL) {
        return;
    }
    count(&v->sum, t);
    count(&open_ms(v, (uint16_t)(t->ts_ms % 1000))->sum, t);
    v->unsaved = true;
}

void seconds_unknown_before(struct seconds *s, int64_t ms)
{
    if (ms <= s->known_ms) {
        return;
    }
    s->known_ms = ms;
    for (size_t i = 0; i < SECONDS_KEPT; i++) {
        if (s->slot[i].second >= 0 && s->slot[i].second * 1000 < ms) {
            empty(s, &s->slot[i]);
        }
    }
}

int64_t seconds_from_ms(const struct seconds *s)
{
    const int64_t oldest = s->newest < 0 ? 0 : (s->newest - SECONDS_KEPT + 1) * 1000;
    return oldest > s->known_ms ? oldest : s->known_ms;
}

static bool add_sum(struct flow_sum *a, const struct flow_sum *b)
{
    return !__builtin_add_overflow(a->buy, b->buy, &a->buy) &&
           !__builtin_add_overflow(a->sell, b->sell, &a->sell) &&
           !__builtin_add_overflow(a->trades, b->trades, &a->trades);
}

static bool add_second(const struct second *v, int64_t after_ms, int64_t to_ms,
                       struct flow_sum *out)
{
    const int64_t begin = v->second * 1000;
    if (begin > after_ms && begin + 999 <= to_ms) {
        return add_sum(out, &v->sum);
    }
    for (size_t i = 0; i < v->n; i++) {
        const int64_t ts = begin + v->at[i].ms;
        if (ts > after_ms && ts <= to_ms && !add_sum(out, &v->at[i].sum)) {
            return false;
        }
    }
    return true;
}

bool seconds_sum(const struct seconds *s, int64_t after_ms, int64_t to_ms, struct flow_sum *out)
{
    *out = (struct flow_sum){0};
    if (after_ms < -1 || after_ms + 1 < seconds_from_ms(s)) {
        return false;
    }
    int64_t last = to_ms / 1000 < s->newest ? to_ms / 1000 : s->newest;
    for (int64_t k = (after_ms + 1) / 1000; k <= last; k++) {
        const struct second *v = slot_of(s, k);
        if (v->second == k && !add_second(v, after_ms, to_ms, out)) {
            return false;
        }
    }
    return true;
}

int64_t seconds_trades(const struct seconds *s)
{
    int64_t n = 0;
    for (size_t i = 0; i < SECONDS_KEPT; i++) {
        n += s->slot[i].second >= 0 ? s->slot[i].sum.trades : 0;
    }
    return n;
}

// ---- stored form -------------------------------------------------------------------------------

static void add_lots(struct buf *out, int64_t lots, const struct instrument *ins, char behind)
{
    char text[DEC_TEXT];
    buf_add(out, text, dec_format(text, lots, ins->qty_scale, 0));
    buf_addc(out, behind);
}

void second_to_text(const struct second *v, const struct instrument *ins, struct buf *out)
{
    add_lots(out, v->sum.buy, ins, ' ');
    add_lots(out, v->sum.sell, ins, ' ');
    buf_add_i64(out, v->sum.trades);
    for (size_t i = 0; i < v->n; i++) {
        const struct msum *m = &v->at[i];
        buf_addc(out, ';');
        buf_add_i64(out, m->ms);
        buf_addc(out, ',');
        add_lots(out, m->sum.buy, ins, ',');
        add_lots(out, m->sum.sell, ins, ',');
        buf_add_i64(out, m->sum.trades);
    }
}

void seconds_unsaved(struct seconds *s, bool all, void (*cb)(void *arg, const struct second *v),
                     void *arg)
{
    for (int64_t k = s->newest - SECONDS_KEPT + 1; k <= s->newest; k++) {
        struct second *v = k >= 0 ? slot_of(s, k) : NULL;
        if (v != NULL && v->second == k && (v->unsaved || all)) {
            cb(arg, v);
            v->unsaved = false;
            v->stored = true;
        }
    }
}

// The text up to `stop` (or the end); moves *s behind it.
static struct slice word(struct slice *s, char stop)
{
    const char *p = s->n > 0 ? memchr(s->p, stop, s->n) : NULL;
    const struct slice w = {s->p, p != NULL ? (size_t)(p - s->p) : s->n};
    const size_t used = p != NULL ? w.n + 1 : w.n;
    *s = (struct slice){s->p + used, s->n - used};
    return w;
}

static bool read_sum(struct slice *s, char between, const struct instrument *ins,
                     struct flow_sum *out)
{
    const struct slice buy = word(s, between);
    const struct slice sell = word(s, between);
    const struct slice trades = word(s, between);
    return dec_parse(buy.p, buy.n, ins->qty_scale, &out->buy, NULL) == 0 && out->buy >= 0 &&
           dec_parse(sell.p, sell.n, ins->qty_scale, &out->sell, NULL) == 0 && out->sell >= 0 &&
           parse_i64(trades.p, trades.n, &out->trades) == 0 && out->trades >= 1;
}

static bool read_second(struct second *v, const struct instrument *ins, struct slice text)
{
    struct slice head = word(&text, ';');
    struct flow_sum all = {0};
    if (!read_sum(&head, ' ', ins, &v->sum) || head.n != 0) {
        return false;
    }
    while (text.n > 0) {
        struct slice one = word(&text, ';');
        const struct slice first = word(&one, ',');
        int64_t ms;
        if (parse_i64(first.p, first.n, &ms) != 0 || ms < 0 || ms > 999 ||
            (v->n > 0 && ms <= v->at[v->n - 1].ms)) {
            return false;
        }
        struct msum *m = open_ms(v, (uint16_t)ms);
        if (!read_sum(&one, ',', ins, &m->sum) || one.n != 0 || !add_sum(&all, &m->sum)) {
            return false;
        }
    }
    return all.buy == v->sum.buy && all.sell == v->sum.sell && all.trades == v->sum.trades;
}

int seconds_restore(struct seconds *s, const struct instrument *ins, struct slice field,
                    struct slice value)
{
    int64_t second;
    if (parse_i64(field.p, field.n, &second) != 0 || second < 0 || second > INT64_MAX / 1000 - 1) {
        return ERR_SYNTAX;
    }
    struct second *v = open_slot(s, second);
    if (v == NULL) {
        add_gone(s, second); // left behind: it is to be deleted
        return 0;
    }
    v->n = 0;
    v->stored = true;
    if (!read_second(v, ins, value)) {
        empty(s, v);
        return ERR_SYNTAX;
    }
    return 0;
}
