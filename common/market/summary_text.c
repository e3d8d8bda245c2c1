// A summary as text and back. Nothing is believed that the sums of the day do not confirm.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/market/summary.h"

#define VERSION "1"
#define DAY_FIELDS_MAX 32
static const char *const tf_name[SUMMARY_TFS] = {"1m", "5m"};

// ---- out ---------------------------------------------------------------------------------------

static const char *const day_fields[] = {
    "start_ms", "bin",      "trades",  "sum_q",        "sum_pq", "sum_ppq",
    "high",     "low",      "or_high", "buy_volume",   "or_low", "sell_volume",
    "pre_buy",  "pre_sell", "first",   "block_volume", "last"};
#define DAY_FIELDS (sizeof day_fields / sizeof day_fields[0])

static void put_day_field(void *arg, const char *field, const char *value, size_t n)
{
    for (size_t i = 0; i < DAY_FIELDS; i++) {
        if (strcmp(field, day_fields[i]) == 0) {
            buf_addf(arg, "%s ", field);
            buf_add(arg, value, n);
            buf_addc(arg, '\n');
        }
    }
}

static void put_bins(const struct profile *p, struct buf *out)
{
    int64_t index;
    struct bin b;
    int64_t before = 0;
    buf_addf(out, "bins %zu\n", profile_bins(p));
    for (int64_t from = 0; profile_next(p, from, &index, &b); from = index + 1) {
        buf_addf(out, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", index - before, b.buy,
                 b.sell, b.trades);
        before = index;
    }
}

static void put_place(const struct trade *t, int64_t start_ms, struct buf *out)
{
    buf_addf(out, " %" PRId64 " %" PRId64, t->ts_ms - start_ms, t->id);
    if (trade_has_uid(t)) {
        char uid[UID_TEXT];
        trade_uid_format(t->uid, uid);
        buf_addf(out, " %s", uid);
    }
}

static void put_candle(const struct candle *c, int64_t bucket, struct buf *out)
{
    char pq[WIDE_TEXT];
    (void)u128_format(pq, c->sum_pq, 0, 0);
    buf_add_i64(out, bucket);
    const int64_t v[] = {c->open, c->high,      c->low,       c->close, c->buy,
                         c->sell, c->min_delta, c->max_delta, c->trades};
    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
        buf_addc(out, ' ');
        buf_add_i64(out, v[i]);
    }
    buf_addf(out, " %s %" PRId64, pq, c->poc_bin);
    put_place(&c->first, c->start_ms, out);
    put_place(&c->last, c->start_ms, out);
    buf_addc(out, '\n');
}

static uint32_t crc_of(const char *p, size_t n)
{
    return (uint32_t)crc32(0, (const unsigned char *)p, (unsigned)n);
}

// The newest minutes that `room` bytes hold; false: they are fewer than belong there.
static bool put_minutes(const struct summary *s, size_t room, struct buf *out)
{
    const struct minutes *m = &s->minutes;
    const int64_t from_ms = s->day.start_ms + MS_PER_DAY - SUMMARY_MINUTES_MS;
    size_t *at = xmalloc((m->n + 1) * sizeof *at); // where the text of each begins
    struct buf all;
    buf_init(&all, SIZE_MAX);
    for (size_t i = 0; i < m->n; i++) {
        at[i] = buf_len(&all);
        buf_addf(&all, "%" PRId64 " ", (m->row[i].start_ms - s->day.start_ms) / MINUTE_MS);
        minute_to_text(&m->row[i], &all);
        buf_addc(&all, '\n');
    }
    at[m->n] = buf_len(&all);
    size_t first = m->n;
    while (first > 0 && at[m->n] - at[first - 1] <= room) {
        first--;
    }
    const bool enough = first == 0 || m->row[first - 1].start_ms < from_ms;
    buf_addf(out, "minutes %zu\n", m->n - first);
    buf_add(out, buf_ptr(&all) + at[first], at[m->n] - at[first]);
    buf_release(&all);
    free(at);
    return enough;
}

int summary_format(const struct summary *s, const struct instrument *ins, struct buf *out)
{
    const size_t at = buf_len(out);
    buf_addf(out, "bc4-day " VERSION " %s %" PRId64 " %d %d %" PRId64 " %" PRId64 " %" PRId64 "\n",
             ins->name, s->day.start_ms, ins->price_scale, ins->qty_scale,
             profile_bin_ticks(s->day.profile), s->from_id, s->to_id);
    buf_addf(out, "day %zu\n", DAY_FIELDS);
    day_to_fields(&s->day, ins, put_day_field, out);
    put_bins(s->day.profile, out);
    for (size_t tf = 0; tf < SUMMARY_TFS; tf++) {
        buf_addf(out, "%s %zu\n", tf_name[tf], s->candles[tf]);
        for (size_t i = 0; i < s->candles[tf]; i++) {
            const struct candle *c = &s->candle[tf][i];
            put_candle(c, (c->start_ms - s->day.start_ms) / summary_tf_ms[tf], out);
        }
    }
    const size_t rest = buf_len(out) - at + s->names * UID_TEXT + 64; // lines of sections, too
    if (rest > SUMMARY_TEXT_MAX || !put_minutes(s, SUMMARY_TEXT_MAX - rest, out)) {
        return ERR_LIMIT;
    }
    buf_addf(out, "names %zu\n", s->names);
    for (size_t i = 0; i < s->names; i++) {
        char uid[UID_TEXT];
        trade_uid_format(s->name[i], uid);
        buf_addf(out, "%s\n", uid);
    }
    const size_t n = buf_len(out) - at;
    if (out->failed || n > SUMMARY_TEXT_MAX) {
        return ERR_LIMIT;
    }
    buf_addf(out, "end %zu %08" PRIx32 "\n", n, crc_of(buf_ptr(out) + at, n));
    return out->failed ? ERR_LIMIT : 0;
}

// ---- in ----------------------------------------------------------------------------------------

struct reader {
    const char *p, *end; // what is left
    struct slice line;   // what is left of the line under way
    const struct instrument *ins;
    struct summary *s;
    struct err *e;
};

static int refuse(struct reader *r, const char *what)
{
    return err_set(r->e, ERR_STATE, "summary of a day: %s", what);
}

static bool next_line(struct reader *r)
{
    const char *nl = r->p < r->end ? memchr(r->p, '\n', (size_t)(r->end - r->p)) : NULL;
    if (nl == NULL) {
        return false;
    }
    r->line = (struct slice){r->p, (size_t)(nl - r->p)};
    r->p = nl + 1;
    return true;
}

// The next word of the line; empty at its end.
static struct slice word(struct reader *r)
{
    const char *blank = r->line.n > 0 ? memchr(r->line.p, ' ', r->line.n) : NULL;
    const size_t n = blank != NULL ? (size_t)(blank - r->line.p) : r->line.n;
    const struct slice w = {r->line.p, n};
    const size_t used = blank != NULL ? n + 1 : n;
    r->line.p += used;
    r->line.n -= used;
    return w;
}

static bool number(struct reader *r, int64_t *out)
{
    const struct slice w = word(r);
    return w.n > 0 && parse_i64(w.p, w.n, out) == 0;
}

static bool numbers(struct reader *r, int64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!number(r, &out[i])) {
            return false;
        }
    }
    return true;
}

// The line "<name> <n>", n <= max.
static bool section(struct reader *r, const char *name, int64_t max, size_t *n)
{
    int64_t v;
    if (!next_line(r) || !slice_eq(word(r), name) || !number(r, &v) || v < 0 || v > max ||
        r->line.n > 0) {
        return false;
    }
    *n = (size_t)v;
    return true;
}

static int read_end(struct reader *r)
{
    // "end <bytes> <crc>\n" is the last line.
    const size_t n = (size_t)(r->end - r->p);
    const char *last = n > 1 ? memrchr(r->p, '\n', n - 1) : NULL;
    if (last == NULL || r->end[-1] != '\n') {
        return refuse(r, "it is cut");
    }
    const size_t before = (size_t)(last + 1 - r->p);
    const uint32_t crc = crc_of(r->p, before);
    char want[64];
    (void)str_fmt(want, sizeof want, "end %zu %08" PRIx32, before, crc);
    if (!slice_eq((struct slice){last + 1, (size_t)(r->end - 1 - (last + 1))}, want)) {
        return refuse(r, "length or checksum is another");
    }
    r->end = last + 1;
    r->s->day.sealed = (int64_t)crc + 1;
    return 0;
}

static int read_head(struct reader *r, int64_t *start_ms, int64_t *bin_ticks)
{
    int64_t scale[2];
    const bool named = r->ins->venue == VENUE_BYBIT;
    struct summary *s = r->s;
    if (!next_line(r) || !slice_eq(word(r), "bc4-day")) {
        return refuse(r, "it is none");
    }
    if (!slice_eq(word(r), VERSION)) {
        return refuse(r, "of another version");
    }
    if (!slice_eq(word(r), r->ins->name)) {
        return refuse(r, "of another instrument");
    }
    if (!number(r, start_ms) || !numbers(r, scale, 2) || !number(r, bin_ticks) ||
        !number(r, &s->from_id) || !number(r, &s->to_id) || r->line.n > 0 || *start_ms < 0 ||
        *start_ms != day_start_ms(*start_ms)) {
        return refuse(r, "the first line");
    }
    if (scale[0] != r->ins->price_scale || scale[1] != r->ins->qty_scale ||
        *bin_ticks != r->ins->bin_ticks) {
        return refuse(r, "in other units than the instrument's");
    }
    const bool ids = s->from_id >= 0 && s->to_id >= s->from_id && s->to_id < INT64_MAX;
    if (named ? s->from_id != -1 || s->to_id != -1 : !ids) {
        return refuse(r, "its ids");
    }
    return 0;
}

static int read_day(struct reader *r, int64_t start_ms)
{
    size_t n;
    if (!section(r, "day", DAY_FIELDS_MAX, &n)) {
        return refuse(r, "the line \"day\"");
    }
    // Names and values as C strings: the lines with NULs put in.
    const char *kv[2 * DAY_FIELDS_MAX];
    const char *from = r->p;
    for (size_t i = 0; i < n; i++) {
        if (!next_line(r)) {
            return refuse(r, "fields of the day");
        }
    }
    const size_t size = (size_t)(r->p - from);
    char *text = xmalloc(size + 1);
    memcpy(text, from, size);
    text[size] = '\0';
    char *p = text;
    bool ok = memchr(text, '\0', size) == NULL;
    for (size_t i = 0; i < n && ok; i++) {
        char *nl = strchr(p, '\n');
        char *blank = nl != NULL ? memchr(p, ' ', (size_t)(nl - p)) : NULL;
        ok = blank != NULL;
        if (ok) {
            *nl = *blank = '\0';
            kv[2 * i] = p;
            kv[2 * i + 1] = blank + 1;
            p = nl + 1;
        }
    }
    const int64_t sealed = r->s->day.sealed;
    int rc = ok ? day_from_fields(&r->s->day, r->ins, start_ms, kv, n, r->e)
                : refuse(r, "fields of the day");
    free(text);
    r->s->day.sealed = sealed;
    return rc;
}

static int read_bins(struct reader *r)
{
    size_t n;
    int64_t index = 0;
    if (!section(r, "bins", INT32_MAX, &n)) {
        return refuse(r, "the line \"bins\"");
    }
    for (size_t i = 0; i < n; i++) {
        int64_t v[4];
        if (!next_line(r) || !numbers(r, v, 4) || r->line.n > 0 || v[0] < (i > 0) ||
            __builtin_add_overflow(index, v[0], &index)) {
            return refuse(r, "a bin");
        }
        const struct bin b = {.buy = v[1], .sell = v[2], .trades = v[3]};
        if (b.buy < 0 || b.sell < 0 || b.trades < 1 || profile_set(r->s->day.profile, index, b)) {
            return refuse(r, "a bin");
        }
    }
    return day_is_consistent(&r->s->day) ? 0 : refuse(r, "bins and sums disagree");
}

static bool read_place(struct reader *r, int64_t start_ms, struct trade *t)
{
    const bool named = r->ins->venue == VENUE_BYBIT;
    if (!number(r, &t->ts_ms) || !number(r, &t->id) || t->ts_ms < 0 || t->ts_ms >= MS_PER_DAY ||
        t->id < 0) {
        return false;
    }
    t->ts_ms += start_ms;
    return !named || trade_uid_parse(word(r), &t->uid) == 0;
}

static bool read_candle(struct reader *r, size_t tf, struct candle *c)
{
    int64_t bucket;
    int64_t v[9];
    *c = (struct candle){0};
    if (!next_line(r) || !number(r, &bucket) || bucket < 0 ||
        bucket >= MS_PER_DAY / summary_tf_ms[tf] || !numbers(r, v, 9)) {
        return false;
    }
    const struct slice pq = word(r);
    c->start_ms = r->s->day.start_ms + bucket * summary_tf_ms[tf];
    c->open = v[0];
    c->high = v[1];
    c->low = v[2];
    c->close = v[3];
    c->buy = v[4];
    c->sell = v[5];
    c->min_delta = v[6];
    c->max_delta = v[7];
    c->trades = v[8];
    if (pq.n == 0 || u128_parse(pq.p, pq.n, 0, &c->sum_pq) || !number(r, &c->poc_bin) ||
        !read_place(r, c->start_ms, &c->first) || !read_place(r, c->start_ms, &c->last) ||
        r->line.n > 0) {
        return false;
    }
    c->first.price = c->open;
    c->last.price = c->close;
    return candle_is_possible(c, r->ins->bin_ticks) &&
           c->last.ts_ms - c->start_ms < summary_tf_ms[tf];
}

static bool same_place(const struct trade *a, const struct trade *b)
{
    return a->ts_ms == b->ts_ms && a->id == b->id && a->price == b->price &&
           a->uid.hi == b->uid.hi && a->uid.lo == b->uid.lo;
}

static bool candles_make_the_day(const struct summary *s, size_t tf)
{
    const struct candle *c = s->candle[tf];
    const size_t n = s->candles[tf];
    u128 buy = 0;
    u128 sell = 0;
    u128 trades = 0;
    u128 pq = 0;
    int64_t high = 0;
    int64_t low = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        buy += (uint64_t)c[i].buy;
        sell += (uint64_t)c[i].sell;
        trades += (uint64_t)c[i].trades;
        high = c[i].high > high ? c[i].high : high;
        low = c[i].low < low ? c[i].low : low;
        if (!u128_add(&pq, c[i].sum_pq)) {
            return false;
        }
    }
    const struct day *d = &s->day;
    return n > 0 && buy == (uint64_t)d->buy && sell == (uint64_t)d->sell && trades == d->trades &&
           pq == d->sum_pq && high == d->high && low == d->low &&
           same_place(&c[0].first, &d->first) && same_place(&c[n - 1].last, &d->last);
}

static int read_candles(struct reader *r, size_t tf)
{
    struct summary *s = r->s;
    size_t n;
    if (!section(r, tf_name[tf], MS_PER_DAY / summary_tf_ms[tf], &n)) {
        return refuse(r, "the line before its candles");
    }
    s->candle[tf] = xmalloc((n > 0 ? n : 1) * sizeof *s->candle[tf]);
    for (size_t i = 0; i < n; i++) {
        struct candle *c = &s->candle[tf][i];
        if (!read_candle(r, tf, c) || (i > 0 && c[-1].start_ms >= c->start_ms)) {
            return refuse(r, "a candle");
        }
        s->candles[tf] = i + 1;
    }
    return candles_make_the_day(s, tf) ? 0 : refuse(r, "candles and sums disagree");
}

// The bins of all minutes are the bins of the day.
static bool minutes_make_the_profile(const struct summary *s)
{
    const struct profile *p = s->day.profile;
    const int64_t bin_ticks = profile_bin_ticks(p);
    struct profile *sum = profile_new(bin_ticks);
    bool ok = true;
    for (size_t i = 0; i < s->minutes.n && ok; i++) {
        const struct minute *r = &s->minutes.row[i];
        for (size_t k = 0; k < r->n && ok; k++) {
            const struct bin day = profile_get(p, r->bin[k].index);
            struct bin b = profile_get(sum, r->bin[k].index);
            b.trades++;
            ok = !__builtin_add_overflow(b.buy, r->bin[k].buy, &b.buy) &&
                 !__builtin_add_overflow(b.sell, r->bin[k].sell, &b.sell) && b.buy <= day.buy &&
                 b.sell <= day.sell && profile_set(sum, r->bin[k].index, b) == 0;
        }
    }
    // No bin is above the day's; when all volume is told, none is below it.
    ok = ok && (s->minutes.n < s->candles[0] || profile_bins(sum) == profile_bins(p));
    profile_free(sum);
    return ok;
}

static int read_minutes(struct reader *r)
{
    struct summary *s = r->s;
    size_t n;
    if (!section(r, "minutes", MS_PER_DAY / MINUTE_MS, &n) || n > s->candles[0]) {
        return refuse(r, "the line before its minutes");
    }
    minutes_init(&s->minutes, r->ins->bin_ticks);
    const size_t skipped = s->candles[0] - n;
    struct u256 ppq = {{0}};
    for (size_t i = 0; i < n; i++) {
        const struct candle *c = &s->candle[0][skipped + i];
        int64_t k;
        if (!next_line(r) || !number(r, &k) || k != (c->start_ms - s->day.start_ms) / MINUTE_MS ||
            minutes_restore(&s->minutes, c->start_ms, r->line.p, r->line.n)) {
            return refuse(r, "a minute");
        }
        const struct minute *m = &s->minutes.row[i];
        if (m->lost || m->trades != c->trades || m->buy != c->buy || m->sell != c->sell ||
            m->sum_pq != c->sum_pq || !u256_add(&ppq, m->sum_ppq)) {
            return refuse(r, "a minute and its candle disagree");
        }
    }
    const int cmp = u256_cmp(ppq, s->day.sum_ppq);
    return (skipped > 0 ? cmp < 0 : cmp == 0) && minutes_make_the_profile(s)
               ? 0
               : refuse(r, "minutes and sums disagree");
}

static int read_names(struct reader *r)
{
    struct summary *s = r->s;
    size_t n;
    if (!section(r, "names", r->ins->venue == VENUE_BYBIT ? SUMMARY_NAMES_MAX : 0, &n)) {
        return refuse(r, "the line \"names\"");
    }
    s->name = xmalloc((n > 0 ? n : 1) * sizeof *s->name);
    for (; s->names < n; s->names++) {
        if (!next_line(r) || trade_uid_parse(r->line, &s->name[s->names])) {
            return refuse(r, "a name");
        }
    }
    return r->p == r->end ? 0 : refuse(r, "more than belongs there");
}

int summary_parse(struct summary *s, const struct instrument *ins, const char *text, size_t n,
                  struct err *e)
{
    struct reader r = {.p = text, .end = text + n, .ins = ins, .s = s, .e = e};
    int64_t start_ms = 0;
    int64_t bin_ticks = 0;
    summary_release(s);
    int rc = n > SUMMARY_TEXT_MAX + 64 ? refuse(&r, "too long") : read_end(&r);
    rc = rc ? rc : read_head(&r, &start_ms, &bin_ticks);
    rc = rc ? rc : read_day(&r, start_ms);
    if (rc == 0 && (profile_bin_ticks(s->day.profile) != bin_ticks || s->day.trades == 0)) {
        rc = refuse(&r, "the day has other bins, or no trade");
    }
    if (rc == 0 && s->from_id >= 0 &&
        ((uint64_t)(s->to_id - s->from_id) + 1 < s->day.trades || s->day.first.id < s->from_id ||
         s->day.last.id > s->to_id)) {
        rc = refuse(&r, "ids and trades disagree");
    }
    rc = rc ? rc : read_bins(&r);
    for (size_t tf = 0; tf < SUMMARY_TFS && rc == 0; tf++) {
        rc = read_candles(&r, tf);
    }
    rc = rc ? rc : read_minutes(&r);
    rc = rc ? rc : read_names(&r);
    if (rc) {
        summary_release(s);
    }
    return rc;
}

int summary_peek(const struct instrument *ins, const char *text, size_t n, struct summary_head *out,
                 struct err *e)
{
    struct summary s;
    struct reader r = {.p = text, .end = text + n, .ins = ins, .s = &s, .e = e};
    int64_t bin_ticks;
    size_t fields;
    summary_init(&s);
    int rc = n > SUMMARY_TEXT_MAX + 64 ? refuse(&r, "too long") : read_end(&r);
    rc = rc ? rc : read_head(&r, &out->start_ms, &bin_ticks);
    if (rc) {
        return rc;
    }
    out->from_id = s.from_id;
    out->to_id = s.to_id;
    if (!section(&r, "day", DAY_FIELDS_MAX, &fields)) {
        return refuse(&r, "the line \"day\"");
    }
    while (fields-- > 0 && next_line(&r)) {
        if (slice_eq(word(&r), "trades")) {
            return number(&r, &out->trades) ? 0 : refuse(&r, "its trades");
        }
    }
    return refuse(&r, "its trades");
}
