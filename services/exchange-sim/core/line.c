#include "services/exchange-sim/core/line.h"

#include <string.h>

#include "common/feed/record.h"
#include "services/exchange-sim/core/line_frame.h"
#include "services/exchange-sim/core/line_scan.h"

#define MAX_COLUMNS 16

// Which fields of a trade object were seen.
struct fields {
    struct slice e, s, x, p, q, nq, m;
    struct slice E, T, a, t, f, l, st;
};

static struct slice *field_of(struct fields *f, struct slice key)
{
    if (key.n == 2) {
        return memcmp(key.p, "nq", 2) == 0 ? &f->nq : memcmp(key.p, "st", 2) == 0 ? &f->st : NULL;
    }
    if (key.n != 1) {
        return NULL;
    }
    switch (key.p[0]) {
    case 'e':
        return &f->e;
    case 's':
        return &f->s;
    case 'X':
        return &f->x;
    case 'p':
        return &f->p;
    case 'q':
        return &f->q;
    case 'm':
        return &f->m;
    case 'E':
        return &f->E;
    case 'T':
        return &f->T;
    case 'a':
        return &f->a;
    case 't':
        return &f->t;
    case 'f':
        return &f->f;
    case 'l':
        return &f->l;
    default:
        return NULL;
    }
}

static bool scan_object(struct scan *s, struct fields *f)
{
    *f = (struct fields){0};
    if (!scan_take(s, '{')) {
        return false;
    }
    if (scan_take(s, '}')) {
        return true;
    }
    do {
        struct slice key;
        struct slice value;
        if (!scan_string(s, &key) || !scan_take(s, ':') || !scan_scalar(s, &value)) {
            return false;
        }
        struct slice *where = field_of(f, key);
        if (where != NULL) {
            *where = value;
        }
    } while (scan_take(s, ','));
    return scan_take(s, '}');
}

static bool common_numbers(const struct fields *f, struct line_trade *t, const char **why)
{
    if (!scan_is_positive_decimal(f->p) || !scan_is_positive_decimal(f->q)) {
        *why = "price or quantity is not a positive decimal";
        return false;
    }
    t->price = f->p;
    t->qty = f->q;
    if (!scan_i64(f->T, &t->t_ms)) {
        *why = "no trade time T";
        return false;
    }
    t->e_ms = -1;
    if (f->E.n > 0 && !scan_i64(f->E, &t->e_ms)) {
        *why = "bad event time E";
        return false;
    }
    if (!scan_bool(f->m, &t->buyer_is_maker)) {
        *why = "no maker flag m";
        return false;
    }
    if (f->s.n > 0 && !scan_is_symbol(f->s)) {
        *why = "bad symbol s";
        return false;
    }
    t->symbol = f->s;
    return true;
}

static bool agg_fields(const struct fields *f, struct line_trade *t, const char **why)
{
    *t = (struct line_trade){.counted = true, .first = -1, .last = -1};
    if (!common_numbers(f, t, why)) {
        return false;
    }
    if (!scan_i64(f->a, &t->id)) {
        *why = "no aggregate id a";
        return false;
    }
    if ((f->f.n > 0 && !scan_i64(f->f, &t->first)) || (f->l.n > 0 && !scan_i64(f->l, &t->last))) {
        *why = "bad first or last id";
        return false;
    }
    bool nq_ok = true;
    for (size_t i = 0; i < f->nq.n; i++) { // "0" is allowed here
        nq_ok = nq_ok && (scan_is_digit(f->nq.p[i]) || f->nq.p[i] == '.');
    }
    if (!nq_ok || f->nq.n > 31) {
        *why = "bad quantity nq";
        return false;
    }
    t->nq = f->nq;
    t->st = slice_eq(f->st, "1");
    return true;
}

static bool single_fields(const struct fields *f, struct line_trade *t, const char **why)
{
    *t = (struct line_trade){.single = true};
    t->counted = f->x.n == 0 || slice_eq(f->x, "MARKET") || slice_eq(f->x, "RPI");
    if (!t->counted) { // an insurance fund print may even carry a zero price
        t->symbol = f->s;
        if (!scan_i64(f->T, &t->t_ms)) {
            t->t_ms = 0;
        }
        return true;
    }
    if (!common_numbers(f, t, why)) {
        return false;
    }
    if (!scan_i64(f->t, &t->id)) {
        *why = "no trade id t";
        return false;
    }
    t->first = t->last = t->id;
    return true;
}

// A frame, raw or in the combined envelope.
static enum line_kind parse_frame(struct slice s, const struct line_sink *sink, const char **why)
{
    if (s.p[s.n - 1] != '}') {
        *why = "the object does not end";
        return LINE_BAD;
    }
    struct scan sc = {s.p, s.p + s.n};
    struct scan probe = sc;
    struct slice key;
    struct slice stream = {"", 0};
    bool envelope = scan_take(&probe, '{') && scan_string(&probe, &key) &&
                    slice_eq(key, "stream") && scan_take(&probe, ':') &&
                    scan_string(&probe, &stream) && scan_take(&probe, ',') &&
                    scan_string(&probe, &key) && slice_eq(key, "data") && scan_take(&probe, ':');
    if (envelope) {
        sc = probe;
    }
    if (!scan_contains(s, "rade\"") || scan_contains(s, "\"topic\"")) {
        struct slice data = {sc.p, (size_t)(sc.end - sc.p) - (envelope ? 1 : 0)};
        return sink->on_event == NULL ? LINE_OTHER
                                      : line_frame_event(scan_trim(data), stream, sink, why);
    }
    struct fields f;
    const char *start = sc.p;
    *why = "not a flat JSON object";
    if (!scan_object(&sc, &f)) {
        return LINE_BAD;
    }
    struct slice raw = scan_trim((struct slice){start, (size_t)(sc.p - start)});
    if (envelope && !scan_take(&sc, '}')) {
        return LINE_BAD;
    }
    scan_skip_blanks(&sc);
    if (sc.p != sc.end) {
        *why = "bytes behind the object";
        return LINE_BAD;
    }
    struct line_trade t;
    if (slice_eq(f.e, "aggTrade") || (f.e.n == 0 && f.a.n > 0 && f.T.n > 0)) {
        if (!agg_fields(&f, &t, why)) {
            return LINE_BAD;
        }
    } else if (slice_eq(f.e, "trade")) {
        if (!single_fields(&f, &t, why)) {
            return LINE_BAD;
        }
        t.raw = raw;
    } else {
        return LINE_OTHER;
    }
    sink->on_trade(sink->arg, &t);
    return LINE_TRADES;
}

static enum line_kind parse_page(struct slice s, const struct line_sink *sink, const char **why)
{
    struct scan sc = {s.p, s.p + s.n};
    enum line_kind kind = LINE_OTHER;
    if (!scan_take(&sc, '[') || scan_take(&sc, ']')) {
        return LINE_OTHER;
    }
    *why = "not an array of flat objects";
    do {
        struct fields f;
        struct line_trade t;
        if (!scan_object(&sc, &f)) {
            return LINE_BAD;
        }
        if (!agg_fields(&f, &t, why)) {
            return LINE_BAD;
        }
        sink->on_trade(sink->arg, &t);
        kind = LINE_TRADES;
    } while (scan_take(&sc, ','));
    return scan_take(&sc, ']') ? kind : LINE_BAD;
}

// ---- CSV --------------------------------------------------------------------------------------

static size_t split(struct slice s, struct slice col[MAX_COLUMNS])
{
    size_t n = 0;
    const char *p = s.p;
    const char *end = s.p + s.n;
    while (n < MAX_COLUMNS) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma != NULL ? comma : end;
        col[n++] = scan_trim((struct slice){p, (size_t)(stop - p)});
        if (comma == NULL) {
            return n;
        }
        p = comma + 1;
    }
    return 0;
}

static enum line_kind parse_csv(struct slice s, const struct line_sink *sink, const char **why)
{
    struct slice c[MAX_COLUMNS];
    size_t n = split(s, c);
    if (n < 7) {
        *why = "too few columns";
        return LINE_BAD;
    }
    if (n == 9 && c[0].n == 0 && slice_eq(c[1], "timestamp")) {
        return LINE_OTHER;
    }
    if (slice_eq(c[0], "agg_trade_id") || slice_eq(c[0], "aggregate_trade_id")) {
        return LINE_OTHER;
    }
    struct fields f = {0};
    struct slice side = {0};
    if (n == 9) { // ,timestamp,id,type,side,price,amount,cost,date
        f.T = c[1];
        f.a = c[2];
        side = c[4];
        f.p = c[5];
        f.q = c[6];
        if (!slice_eq(side, "buy") && !slice_eq(side, "sell")) {
            *why = "side is neither buy nor sell";
            return LINE_BAD;
        }
        f.m = slice_of(slice_eq(side, "sell") ? "true" : "false");
    } else if (n == 7 && scan_is_symbol(c[1]) &&
               !scan_is_digit(c[1].p[0])) { // E, symbol, a, p, q, T, m
        f.E = c[0];
        f.s = c[1];
        f.a = c[2];
        f.p = c[3];
        f.q = c[4];
        f.T = c[5];
        f.m = c[6];
    } else if (n == 7 || n == 8) { // a,p,q,f,l,T,m[,best match]
        f.a = c[0];
        f.p = c[1];
        f.q = c[2];
        f.f = c[3];
        f.l = c[4];
        f.T = c[5];
        f.m = c[6];
    } else {
        *why = "not a known set of columns";
        return LINE_BAD;
    }
    struct line_trade t;
    if (!agg_fields(&f, &t, why)) {
        return LINE_BAD;
    }
    if (t.t_ms >= INT64_C(100000000000000)) { // microseconds (spot since 2025)
        t.t_ms /= 1000;
    }
    sink->on_trade(sink->arg, &t);
    return LINE_TRADES;
}

// ---- the line ---------------------------------------------------------------------------------

enum line_kind line_parse(const char *p, size_t n, line_trade_fn on_trade, void *arg,
                          const char **why)
{
    struct line_sink sink = {.on_trade = on_trade, .arg = arg};
    return line_read(p, n, &sink, why);
}

enum line_kind line_read(const char *p, size_t n, const struct line_sink *sink, const char **why)
{
    struct slice s = scan_trim((struct slice){p, n});
    *why = "";
    if (s.n == 0) {
        return LINE_OTHER;
    }
    if (s.n >= 6 && (memcmp(s.p, "wss://", 6) == 0 || memcmp(s.p, "https:", 6) == 0)) {
        return sink->on_event == NULL ? LINE_OTHER : line_frame_request(s, sink);
    }
    if (s.p[0] == '{') {
        return parse_frame(s, sink, why);
    }
    if (s.p[0] == '[') {
        return parse_page(s, sink, why);
    }
    // "<receive stamp> {" or "<receive stamp>: {"
    size_t i = 0;
    while (i < s.n && (scan_is_digit(s.p[i]) || s.p[i] == '.')) {
        i++;
    }
    if (i > 0 && i < s.n && (s.p[i] == ' ' || s.p[i] == ':')) {
        struct slice rest = scan_trim((struct slice){s.p + i + 1, s.n - i - 1});
        if (rest.n == 0 || rest.p[0] != '{') {
            *why = "no object behind the receive stamp";
            return LINE_BAD;
        }
        struct record_line own;
        switch (record_line_parse(s.p, s.n, &own)) {
        case RECORD_OPEN:
        case RECORD_CLOSE:
            return LINE_OTHER;
        case RECORD_REST:
            return line_frame_rest(own.url, own.body, sink);
        case RECORD_FRAME:
        case RECORD_BAD:
            break;
        }
        return parse_frame(rest, sink, why);
    }
    if (memchr(s.p, ',', s.n) != NULL) {
        return parse_csv(s, sink, why);
    }
    *why = "not a known form";
    return LINE_BAD;
}

bool line_symbol_of_name(const char *path, char out[32])
{
    const char *base = strrchr(path, '/');
    base = base != NULL ? base + 1 : path;
    while (*base != '\0') {
        size_t n = 0;
        while (scan_is_digit(base[n]) || (base[n] >= 'A' && base[n] <= 'Z') ||
               (base[n] >= 'a' && base[n] <= 'z')) {
            n++;
        }
        bool capitals = n >= 5 && n <= 30 && !scan_is_digit(base[0]);
        for (size_t i = 0; i < n; i++) {
            capitals = capitals && !(base[i] >= 'a' && base[i] <= 'z');
        }
        if (capitals) {
            return str_copyn(out, 32, base, n);
        }
        base += n;
        if (*base != '\0') {
            base++;
        }
    }
    return false;
}
