#include "common/feed/record.h"

#include <jansson.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"

#define ENDING ".raw.gz"
#define STAMP_DIGITS 13 // of ms, until the year 2286
#define STAMP_MIN INT64_C(1000000000000)
#define STAMP_MAX INT64_C(9999999999999)
#define NS_DIGITS 19
#define MARK "{\"rec\":\""
#define MARK_MAX 4096 // of an open or close

static bool is_kind(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] < 'a' || s[i] > 'z') {
            return false;
        }
    }
    return n > 0 && n < RECORD_KIND_MAX;
}

static int hour_of(int64_t ms)
{
    return (int)((ms - day_start_ms(ms)) / 3600000);
}

bool record_name_make(const struct record_name *n, char out[RECORD_NAME_MAX])
{
    if (!is_kind(n->kind, strlen(n->kind)) || n->start_ms < STAMP_MIN || n->start_ms > STAMP_MAX) {
        return false;
    }
    return str_fmt(out, RECORD_NAME_MAX, "%02d-%s-%lld" ENDING, hour_of(n->start_ms), n->kind,
                   (long long)n->start_ms);
}

bool record_name_parse(const char *day, const char *file, struct record_name *out)
{
    char again[RECORD_NAME_MAX];
    int64_t day_ms;
    const size_t n = strlen(file);
    if (parse_day(day, strlen(day), &day_ms) != 0 || n >= RECORD_NAME_MAX || n < 3 ||
        file[2] != '-') {
        return false;
    }
    const char *kind = file + 3;
    const char *dash = strchr(kind, '-');
    if (dash == NULL || !is_kind(kind, (size_t)(dash - kind)) ||
        strlen(dash) != 1 + STAMP_DIGITS + strlen(ENDING) ||
        parse_i64(dash + 1, STAMP_DIGITS, &out->start_ms) != 0) {
        return false;
    }
    str_copyn(out->kind, sizeof out->kind, kind, (size_t)(dash - kind));
    return record_name_make(out, again) && strcmp(again, file) == 0 &&
           day_start_ms(out->start_ms) == day_ms;
}

// ---- reading -----------------------------------------------------------------------------------

static bool text_of(const json_t *o, const char *key, char *out, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL && str_copy(out, size, s);
}

static enum record_line_kind read_mark(struct record_line *l)
{
    enum record_line_kind kind = RECORD_BAD;
    char what[16], why[64];
    json_t *root = l->json.n <= MARK_MAX ? json_parse(l->json.p, l->json.n, NULL) : NULL;
    if (root == NULL || !text_of(root, "rec", what, sizeof what)) {
        json_decref(root);
        return RECORD_BAD;
    }
    const json_t *simulated = json_object_get(root, "simulated");
    if (strcmp(what, "open") == 0 && json_is_boolean(simulated) &&
        text_of(root, "kind", l->kind, sizeof l->kind) &&
        text_of(root, "conn", l->conn, sizeof l->conn) &&
        json_get_i64(root, "part", &l->part, NULL) == 0 && l->part >= 0) {
        l->simulated = json_is_true(simulated);
        kind = RECORD_OPEN;
    } else if (strcmp(what, "close") == 0) {
        l->rotated = text_of(root, "why", why, sizeof why) && strcmp(why, RECORD_WHY_ROTATED) == 0;
        kind = RECORD_CLOSE;
    }
    json_decref(root);
    return kind;
}

// {"rec":"rest","url":"..","body":..}: the body may be large, so it is cut out, not parsed.
static bool read_rest(struct record_line *l)
{
    static const char head[] = MARK "rest\",\"url\":\"", middle[] = "\",\"body\":";
    const char *p = l->json.p + sizeof head - 1, *end = l->json.p + l->json.n;
    if (l->json.n <= sizeof head + sizeof middle || memcmp(l->json.p, head, sizeof head - 1) != 0 ||
        end[-1] != '}') {
        return false;
    }
    const char *quote = memchr(p, '"', (size_t)(end - p));
    if (quote == NULL || memchr(p, '\\', (size_t)(quote - p)) != NULL ||
        (size_t)(end - quote) <= sizeof middle || memcmp(quote, middle, sizeof middle - 1) != 0) {
        return false;
    }
    l->url = (struct slice){p, (size_t)(quote - p)};
    p = quote + sizeof middle - 1;
    l->body = (struct slice){p, (size_t)(end - 1 - p)};
    return l->body.n > 0;
}

enum record_line_kind record_line_parse(const char *p, size_t n, struct record_line *out)
{
    memset(out, 0, sizeof *out);
    if (n < NS_DIGITS + 2 || p[NS_DIGITS] != ' ' || parse_i64(p, NS_DIGITS, &out->rx_ns) != 0 ||
        out->rx_ns < 0) {
        return RECORD_BAD;
    }
    out->json = (struct slice){p + NS_DIGITS + 1, n - NS_DIGITS - 1};
    if (out->json.n < sizeof MARK || memcmp(out->json.p, MARK, sizeof MARK - 1) != 0) {
        return RECORD_FRAME;
    }
    return read_rest(out) ? RECORD_REST : read_mark(out);
}

// ---- writing -----------------------------------------------------------------------------------

static void put_stamp(struct buf *b, int64_t rx_us)
{
    buf_add_i64(b, rx_us);
    buf_adds(b, "000 ");
}

static void put_json(struct buf *b, const char *p, size_t n)
{
    const char *end = p + n;
    while (p < end) {
        const size_t rest = (size_t)(end - p);
        const char *lf = memchr(p, '\n', rest);
        const char *cr = memchr(p, '\r', lf != NULL ? (size_t)(lf - p) : rest);
        const char *stop = cr != NULL ? cr : lf;
        buf_add(b, p, stop != NULL ? (size_t)(stop - p) : rest);
        if (stop == NULL) {
            return;
        }
        buf_addc(b, ' ');
        p = stop + 1;
    }
}

void record_put_frame(struct buf *b, int64_t rx_us, const char *p, size_t n)
{
    put_stamp(b, rx_us);
    put_json(b, p, n);
    buf_addc(b, '\n');
}

void record_put_open(struct buf *b, int64_t rx_us, const struct record_open *o)
{
    struct jw w;
    put_stamp(b, rx_us);
    jw_init(&w, b);
    jw_obj(&w);
    jw_kstr(&w, "rec", "open");
    jw_kstr(&w, "venue", o->venue);
    jw_kstr(&w, "kind", o->kind);
    jw_kstr(&w, "url", o->url);
    jw_kbool(&w, "simulated", o->simulated);
    jw_kstr(&w, "conn", o->conn);
    jw_kint(&w, "part", o->part);
    jw_end_obj(&w);
    buf_addc(b, '\n');
}

void record_put_close(struct buf *b, int64_t rx_us, const char *why, uint64_t dropped)
{
    struct jw w;
    put_stamp(b, rx_us);
    jw_init(&w, b);
    jw_obj(&w);
    jw_kstr(&w, "rec", "close");
    jw_kstr(&w, "why", why);
    jw_kint(&w, "dropped", (int64_t)dropped);
    jw_end_obj(&w);
    buf_addc(b, '\n');
}

void record_put_rest(struct buf *b, int64_t rx_us, const char *url, const char *body, size_t n)
{
    put_stamp(b, rx_us);
    buf_adds(b, MARK "rest\",\"url\":");
    json_add_str(b, url, strlen(url));
    buf_adds(b, ",\"body\":");
    put_json(b, body, n);
    buf_adds(b, "}\n");
}
