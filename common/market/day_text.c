// The day as text: derived values, each rounded once from its exact value, and the stored form.

#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/market/day.h"

#define PLACES 8 // decimals of derived numbers

static void num(char out[NUM_TEXT], int64_t v, int scale, int min_places)
{
    char text[DEC_TEXT];
    (void)dec_format(text, v, scale, min_places);
    (void)str_copy(out, NUM_TEXT, text);
}

static void price_text(const struct instrument *ins, int64_t ticks, char out[NUM_TEXT])
{
    num(out, ticks, ins->price_scale, ins->price_decimals);
}

static void qty_text(const struct instrument *ins, int64_t lots, char out[NUM_TEXT])
{
    num(out, lots, ins->qty_scale, ins->qty_decimals);
}

void bin_price_text(const struct instrument *ins, int64_t bin_ticks, int64_t index,
                    char out[NUM_TEXT])
{
    price_text(ins, index * bin_ticks, out);
}

// ---- VWAP, sigma, bands -------------------------------------------------------------------------

// sum(q) * sum(p*p*q) - sum(p*q)^2, the numerator of the variance over sum(q)^2. Never negative,
// and below 2^252 (see day.c).
static struct u512 variance_num(const struct day *d)
{
    struct u512 n = u512_mul(u256_from(d->sum_q), d->sum_ppq);
    struct u512 square = u512_mul(u256_from(d->sum_pq), u256_from(d->sum_pq));
    if (!u512_sub(&n, square)) {
        FATAL("sums of the day that no trades have");
    }
    return n;
}

// VWAP + sign * k * sigma, half-even at PLACES decimals of the real value. With everything scaled
// by 10^PLACES, x = (P + sign * sqrt(M)) / Q where P = sum(p*q), Q = sum(q), M = k^2 N. Then
//   floor(2x) = floor((2P + sign * sqrt(4M)) / Q), and only the integer part of the numerator
// matters: isqrt(4M) above VWAP, its ceiling below it. The half is in the lowest bit of floor(2x);
// an exact half needs 4M to be a square.
static void band_text(const struct day *d, const struct instrument *ins, struct u512 n, unsigned k,
                      bool up, char out[NUM_TEXT])
{
    struct u512 p = u512_from(u256_from(d->sum_pq));
    struct u512 q = u512_from(u256_from(d->sum_q));
    int e = PLACES - ins->price_scale;
    // p, q, n < 2^126, 2^63, 2^252; times powers of ten below 2^54: all of it fits.
    bool fits = u512_mul_u64(&n, (uint64_t)4 * k * k) && u512_mul_u64(&p, 2);
    fits = fits &&
           (e < 0 ? u512_mul_pow10(&q, -e) : u512_mul_pow10(&p, e) && u512_mul_pow10(&n, 2 * e));
    if (!fits) {
        FATAL("a band that does not fit 512 bits");
    }
    struct u512 root = u512_isqrt(n);
    struct u512 back =
        u512_mul((struct u256){{root.w[0], root.w[1], root.w[2], root.w[3]}},
                 (struct u256){{root.w[0], root.w[1], root.w[2], root.w[3]}}); // root < 2^256
    bool exact = u512_cmp(back, n) == 0;
    bool negative = false;
    struct u512 sum = p;
    if (up) {
        (void)u512_add(&sum, root);
    } else if (u512_cmp(p, root) > 0 || (exact && u512_cmp(p, root) == 0)) {
        (void)u512_sub(&sum, root);
        if (!exact) {
            (void)u512_sub(&sum, (struct u512){{1}});
        }
    } else {
        // Below zero: round the absolute value, (sqrt(4M) - 2P) / Q.
        negative = true;
        sum = root;
        (void)u512_sub(&sum, p);
    }
    struct u512 twice;
    struct u512 rest;
    u512_divmod(sum, q, &twice, &rest);
    bool half_or_more = twice.w[0] & 1;
    bool tie = half_or_more && exact && u512_is_zero(rest);
    struct u512 m;
    u512_divmod(twice, (struct u512){{2}}, &m, &rest);
    if (half_or_more && (!tie || (m.w[0] & 1))) {
        (void)u512_add(&m, (struct u512){{1}});
    }
    char text[WIDE_TEXT];
    (void)u256_format(text, (struct u256){{m.w[0], m.w[1], m.w[2], m.w[3]}}, PLACES, PLACES);
    (void)str_fmt(out, NUM_TEXT, "%s%.*s", negative && !u512_is_zero(m) ? "-" : "", NUM_TEXT - 2,
                  text);
}

static void ratio(char out[NUM_TEXT], struct u256 a, struct u256 b, int exp10)
{
    char text[WIDE_TEXT];
    if (!ratio_format(text, u512_from(a), u512_from(b), exp10, PLACES)) {
        FATAL("a mean that does not fit 512 bits");
    }
    (void)str_copy(out, NUM_TEXT, text);
}

void day_levels(const struct day *d, const struct instrument *ins, struct day_levels *out)
{
    memset(out, 0, sizeof *out);
    if (day_is_empty_slot(d) || d->trades == 0) {
        return;
    }
    int64_t bin_ticks = profile_bin_ticks(d->profile);
    struct u256 sum_q = u256_from(d->sum_q);
    struct u256 sum_pq = u256_from(d->sum_pq);
    ratio(out->vwap, sum_pq, sum_q, -ins->price_scale);
    ratio(out->vwap_quote, d->sum_ppq, sum_pq, -ins->price_scale);
    struct u512 n = variance_num(d);
    char text[WIDE_TEXT];
    if (!sqrt_ratio_format(text, n, u512_from(sum_q), -ins->price_scale, PLACES)) {
        FATAL("a sigma that does not fit 512 bits");
    }
    (void)str_copy(out->sigma, sizeof out->sigma, text);
    for (unsigned k = 1; k <= 3 && !u512_is_zero(n); k++) {
        band_text(d, ins, n, k, true, out->band_up[k - 1]);
        band_text(d, ins, n, k, false, out->band_dn[k - 1]);
    }
    int64_t index;
    int64_t val;
    int64_t vah;
    if (profile_poc(d->profile, &index) && profile_value_area(d->profile, &val, &vah)) {
        struct bin b = profile_get(d->profile, index);
        bin_price_text(ins, bin_ticks, index, out->poc);
        bin_price_text(ins, bin_ticks, vah, out->vah);
        bin_price_text(ins, bin_ticks, val, out->val);
        qty_text(ins, b.buy + b.sell, out->poc_volume);
    }
    price_text(ins, d->high, out->high);
    price_text(ins, d->low, out->low);
    price_text(ins, d->high - d->low, out->range);
    if (d->or_high > 0) {
        price_text(ins, d->or_high, out->or_high);
        price_text(ins, d->or_low, out->or_low);
    }
    price_text(ins, d->last.price, out->last);
    qty_text(ins, d->buy + d->sell, out->volume);
    qty_text(ins, d->buy, out->buy);
    qty_text(ins, d->sell, out->sell);
    qty_text(ins, d->buy - d->sell, out->delta);
    qty_text(ins, d->pre_buy - d->pre_sell, out->cd_pre);
    qty_text(ins, d->block, out->block);
}

// ---- stored form --------------------------------------------------------------------------------

static void put(field_sink sink, void *arg, const char *field, const char *value)
{
    sink(arg, field, value, strlen(value));
}

static void put_trade(const struct day *d, const struct instrument *ins, const struct trade *t,
                      const char *field, field_sink sink, void *arg)
{
    char text[4 * NUM_TEXT] = "";
    if (d->trades > 0) {
        char price[NUM_TEXT];
        char qty[NUM_TEXT];
        price_text(ins, t->price, price);
        qty_text(ins, t->qty, qty);
        char uid[UID_TEXT] = "";
        if (trade_has_uid(t)) {
            trade_uid_format(t->uid, uid);
        }
        (void)str_fmt(text, sizeof text, "%lld %lld %s %s %s%s%s", (long long)t->ts_ms,
                      (long long)t->id, price, qty, t->side == SIDE_BUY ? "buy" : "sell",
                      *uid ? " " : "", uid);
    }
    put(sink, arg, field, text);
}

void day_to_fields(const struct day *d, const struct instrument *ins, field_sink sink, void *arg)
{
    if (day_is_empty_slot(d)) {
        return;
    }
    static const char *const up[] = {"band_up_1", "band_up_2", "band_up_3"};
    static const char *const dn[] = {"band_dn_1", "band_dn_2", "band_dn_3"};
    struct day_levels v;
    char text[WIDE_TEXT];
    day_levels(d, ins, &v);
    (void)str_fmt(text, sizeof text, "%lld", (long long)d->start_ms);
    put(sink, arg, "start_ms", text);
    price_text(ins, profile_bin_ticks(d->profile), text);
    put(sink, arg, "bin", text);
    (void)str_fmt(text, sizeof text, "%llu", (unsigned long long)d->trades);
    put(sink, arg, "trades", text);
    (void)u128_format(text, d->sum_q, ins->qty_scale, ins->qty_decimals);
    put(sink, arg, "sum_q", text);
    (void)u128_format(text, d->sum_pq, ins->price_scale + ins->qty_scale, 0);
    put(sink, arg, "sum_pq", text);
    (void)u256_format(text, d->sum_ppq, 2 * ins->price_scale + ins->qty_scale, 0);
    put(sink, arg, "sum_ppq", text);
    qty_text(ins, d->buy, text);
    put(sink, arg, "buy_volume", text);
    qty_text(ins, d->sell, text);
    put(sink, arg, "sell_volume", text);
    qty_text(ins, d->block, text);
    put(sink, arg, "block_volume", text);
    put(sink, arg, "high", v.high);
    put(sink, arg, "low", v.low);
    put(sink, arg, "or_high", v.or_high);
    put(sink, arg, "or_low", v.or_low);
    qty_text(ins, d->pre_buy, text);
    put(sink, arg, "pre_buy", text);
    qty_text(ins, d->pre_sell, text);
    put(sink, arg, "pre_sell", text);
    put_trade(d, ins, &d->first, "first", sink, arg);
    put_trade(d, ins, &d->last, "last", sink, arg);
    put(sink, arg, "vwap", v.vwap);
    put(sink, arg, "vwap_quote", v.vwap_quote);
    put(sink, arg, "sigma", v.sigma);
    for (size_t k = 0; k < 3; k++) {
        put(sink, arg, up[k], v.band_up[k]);
    }
    for (size_t k = 0; k < 3; k++) {
        put(sink, arg, dn[k], v.band_dn[k]);
    }
    put(sink, arg, "poc", v.poc);
    put(sink, arg, "poc_volume", v.poc_volume);
    put(sink, arg, "vah", v.vah);
    put(sink, arg, "val", v.val);
    put(sink, arg, "range", v.range);
    put(sink, arg, "delta", v.delta);
    put(sink, arg, "cd_pre", v.cd_pre);
    put(sink, arg, "price", v.last);
    put(sink, arg, "volume", v.volume);
    if (d->sealed != 0) {
        (void)str_fmt(text, sizeof text, "%lld", (long long)d->sealed);
        put(sink, arg, "_summary", text);
    }
}

struct reader {
    const char *const *kv;
    size_t pairs;
    const struct instrument *ins;
    struct err *e;
    int rc; // first failure; later reads do nothing
};

static const char *field_of(struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->pairs; i++) {
        if (strcmp(r->kv[2 * i], name) == 0) {
            return r->kv[2 * i + 1];
        }
    }
    if (!r->rc) {
        r->rc = err_set(r->e, ERR_SYNTAX, "field %s is missing", name);
    }
    return "";
}

static int bad(struct reader *r, const char *name, const char *value, int rc)
{
    if (rc && !r->rc) {
        r->rc = err_set(r->e, rc, "field %s: \"%.60s\" is not what belongs there", name, value);
    }
    return r->rc;
}

// A decimal >= 0 at a scale; "" is 0 where `may_be_empty`.
static int64_t read_num(struct reader *r, const char *name, int scale, bool may_be_empty)
{
    const char *s = field_of(r, name);
    int64_t v = 0;
    if (r->rc || (may_be_empty && !*s)) {
        return 0;
    }
    int rc = dec_parse(s, strlen(s), scale, &v, NULL);
    return bad(r, name, s, rc ? rc : v < 0 ? ERR_RANGE : 0) ? 0 : v;
}

static void read_trade(struct reader *r, const char *name, struct trade *out)
{
    const char *s = field_of(r, name);
    bool named = r->ins->venue == VENUE_BYBIT;
    struct slice word[6];
    size_t want = named ? 6 : 5;
    size_t n = 0;
    const char *p = s;
    while (!r->rc && n < want) {
        const char *end = strchr(p, ' ');
        size_t len = end ? (size_t)(end - p) : strlen(p);
        word[n++] = (struct slice){p, len};
        p += len;
        if (!end) {
            break;
        }
        p++;
    }
    if (r->rc || bad(r, name, s, n == want && *p == '\0' ? 0 : ERR_SYNTAX)) {
        return;
    }
    int rc;
    if ((rc = parse_i64(word[0].p, word[0].n, &out->ts_ms)) ||
        (rc = parse_i64(word[1].p, word[1].n, &out->id)) ||
        (rc = trade_set_numbers(out, r->ins, word[2], word[3]) ? ERR_SYNTAX : 0) ||
        (rc = out->ts_ms < 0 || out->id < 0 ? ERR_RANGE : 0) ||
        (rc = slice_eq(word[4], "buy") || slice_eq(word[4], "sell") ? 0 : ERR_SYNTAX) ||
        (named && (rc = trade_uid_parse(word[5], &out->uid)))) {
        (void)bad(r, name, s, rc);
        return;
    }
    out->side = slice_eq(word[4], "buy") ? SIDE_BUY : SIDE_SELL;
}

int day_from_fields(struct day *d, const struct instrument *ins, int64_t start_ms,
                    const char *const *kv, size_t pairs, struct err *e)
{
    struct reader r = {kv, pairs, ins, e, 0};
    struct day v = {0};
    const char *s;
    v.start_ms = read_num(&r, "start_ms", 0, false);
    (void)bad(&r, "start_ms", "(another day)", v.start_ms == start_ms ? 0 : ERR_STATE);
    int64_t bin = read_num(&r, "bin", ins->price_scale, false);
    (void)bad(&r, "bin", "0", bin > 0 ? 0 : ERR_RANGE);
    v.trades = (uint64_t)read_num(&r, "trades", 0, false);
    s = field_of(&r, "sum_q");
    (void)bad(&r, "sum_q", s, u128_parse(s, strlen(s), ins->qty_scale, &v.sum_q));
    s = field_of(&r, "sum_pq");
    (void)bad(&r, "sum_pq", s,
              u128_parse(s, strlen(s), ins->price_scale + ins->qty_scale, &v.sum_pq));
    s = field_of(&r, "sum_ppq");
    (void)bad(&r, "sum_ppq", s,
              u256_parse(s, strlen(s), 2 * ins->price_scale + ins->qty_scale, &v.sum_ppq));
    v.buy = read_num(&r, "buy_volume", ins->qty_scale, false);
    v.sell = read_num(&r, "sell_volume", ins->qty_scale, false);
    v.block = read_num(&r, "block_volume", ins->qty_scale, false);
    v.high = read_num(&r, "high", ins->price_scale, true);
    v.low = read_num(&r, "low", ins->price_scale, true);
    v.or_high = read_num(&r, "or_high", ins->price_scale, true);
    v.or_low = read_num(&r, "or_low", ins->price_scale, true);
    v.pre_buy = read_num(&r, "pre_buy", ins->qty_scale, false);
    v.pre_sell = read_num(&r, "pre_sell", ins->qty_scale, false);
    for (size_t i = 0; i < pairs; i++) {
        if (strcmp(kv[2 * i], "_summary") == 0) {
            v.sealed = read_num(&r, "_summary", 0, false);
        }
    }
    if (v.trades > 0) {
        read_trade(&r, "first", &v.first);
        read_trade(&r, "last", &v.last);
        (void)bad(&r, "high", "0", v.low > 0 && v.low <= v.high ? 0 : ERR_RANGE);
    }
    int64_t volume;
    if (!r.rc && (__builtin_add_overflow(v.buy, v.sell, &volume) || v.block > volume ||
                  v.sum_q != (uint64_t)volume || (v.trades > 0) != (volume > 0))) {
        r.rc = err_set(e, ERR_STATE, "volumes of the day contradict each other");
    }
    // Bounds that any trades keep (see day.c), so that no derived value can go out of range.
    if (!r.rc && (v.sum_pq >> 126 || v.sum_ppq.w[3] || v.sum_ppq.w[2] >> 61)) {
        r.rc = err_set(e, ERR_RANGE, "sums of the day are larger than any trades make them");
    }
    if (!r.rc) {
        // Cauchy-Schwarz: sum(p*q)^2 <= sum(q) * sum(p*p*q).
        struct u512 n = u512_mul(u256_from(v.sum_q), v.sum_ppq);
        if (!u512_sub(&n, u512_mul(u256_from(v.sum_pq), u256_from(v.sum_pq)))) {
            r.rc = err_set(e, ERR_STATE, "sums of the day contradict each other");
        }
    }
    if (r.rc) {
        day_release(d);
        return r.rc;
    }
    day_start(d, start_ms, bin);
    v.profile = d->profile;
    *d = v;
    return 0;
}

void bin_to_field(const struct instrument *ins, int64_t bin_ticks, int64_t index,
                  const struct bin *b, char field[NUM_TEXT], char value[4 * NUM_TEXT])
{
    char volume[NUM_TEXT];
    char buy[NUM_TEXT];
    char sell[NUM_TEXT];
    bin_price_text(ins, bin_ticks, index, field);
    qty_text(ins, b->buy + b->sell, volume);
    qty_text(ins, b->buy, buy);
    qty_text(ins, b->sell, sell);
    (void)str_fmt(value, 4 * NUM_TEXT, "%s %s %s %lld", volume, buy, sell, (long long)b->trades);
}

int day_set_bin(struct day *d, const struct instrument *ins, const char *field, const char *value,
                struct err *e)
{
    if (day_is_empty_slot(d)) {
        return err_set(e, ERR_STATE, "a bin of no day");
    }
    int64_t price;
    int64_t bin_ticks = profile_bin_ticks(d->profile);
    int rc = dec_parse(field, strlen(field), ins->price_scale, &price, NULL);
    if (rc || price < 0 || price % bin_ticks != 0) {
        return err_set(e, rc ? rc : ERR_RANGE, "bin \"%.60s\" is not a bin price", field);
    }
    int64_t part[3];
    const char *p = value;
    struct bin b;
    for (size_t i = 0; i < 3 && !rc; i++) {
        const char *blank = strchr(p, ' ');
        rc = blank ? dec_parse(p, (size_t)(blank - p), ins->qty_scale, &part[i], NULL) : ERR_SYNTAX;
        p = blank ? blank + 1 : p;
    }
    rc = rc ? rc : parse_i64(p, strlen(p), &b.trades);
    if (!rc) {
        b.buy = part[1];
        b.sell = part[2];
        int64_t volume;
        rc = __builtin_add_overflow(b.buy, b.sell, &volume) || volume != part[0]
                 ? ERR_RANGE
                 : profile_set(d->profile, price / bin_ticks, b);
    }
    return rc ? err_set(e, rc, "bin %.60s: \"%.80s\" is not \"volume buy sell trades\"", field,
                        value)
              : 0;
}
