#include "services/exchange-sim/core/archive.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define BINANCE_FOLDER "/data/futures/um/daily/aggTrades/"
#define BYBIT_FOLDER "/trading/"

void archive_init(struct archive *a)
{
    memset(a, 0, sizeof *a);
    for (size_t i = 0; i < ARCHIVE_KEPT; i++) {
        buf_init(&a->kept[i].bytes, ARCHIVE_MAX);
    }
}

void archive_release(struct archive *a)
{
    for (size_t i = 0; i < ARCHIVE_KEPT; i++) {
        buf_release(&a->kept[i].bytes);
    }
    archive_make_free(a->make);
    a->make = NULL;
}

bool archive_is_path(const char *path)
{
    return str_starts(path, "/data/") || str_starts(path, BYBIT_FOLDER);
}

int archive_order(struct archive *a, const struct archive_rule *r)
{
    if (a->rules == ARCHIVE_RULES) {
        return ERR_LIMIT;
    }
    a->rule[a->rules++] = *r;
    return 0;
}

// ---- which file
// --------------------------------------------------------------------------------

struct wanted {
    enum sim_venue venue;
    char path[200]; // without .CHECKSUM
    char symbol[SIM_SYMBOL_TEXT], day[11];
    char csv[120]; // the name inside a ZIP
    const char *name;
    int lane;
    int64_t start_ms;
    bool checksum;
};

// "BTCUSDT" "/" "BTCUSDT" middle "2026-11-21" end
static bool read_name(struct wanted *w, const char *p, const char *middle, const char *end)
{
    const char *slash = strchr(p, '/');
    if (slash == NULL || !str_copyn(w->symbol, sizeof w->symbol, p, (size_t)(slash - p))) {
        return false;
    }
    w->name = slash + 1;
    const char *rest = w->name + strlen(w->symbol);
    if (!str_starts(w->name, w->symbol) || !str_starts(rest, middle)) {
        return false;
    }
    rest += strlen(middle);
    return strlen(rest) == 10 + strlen(end) && str_ends(rest, end) &&
           str_copyn(w->day, sizeof w->day, rest, 10) && parse_day(w->day, 10, &w->start_ms) == 0;
}

static bool read_path(const struct market *m, const char *path, struct wanted *w)
{
    memset(w, 0, sizeof *w);
    w->checksum = str_ends(path, ".CHECKSUM");
    if (!str_copyn(w->path, sizeof w->path, path, strlen(path) - (w->checksum ? 9 : 0))) {
        return false;
    }
    bool ok;
    if (str_starts(path, BINANCE_FOLDER)) {
        w->venue = VENUE_BINANCE;
        ok = read_name(w, w->path + strlen(BINANCE_FOLDER), "-aggTrades-", ".zip");
        str_fmt(w->csv, sizeof w->csv, "%s-aggTrades-%s.csv", w->symbol, w->day);
    } else {
        w->venue = VENUE_BYBIT;
        ok = !w->checksum && str_starts(path, BYBIT_FOLDER) &&
             read_name(w, w->path + strlen(BYBIT_FOLDER), "", ".csv.gz");
    }
    w->lane = ok ? market_lane_at(m, w->symbol, strlen(w->symbol), w->venue) : -1;
    return w->lane >= 0;
}

static struct archive_form form_of(const struct archive *a, const struct wanted *w)
{
    for (size_t i = a->rules; i > 0; i--) {
        const struct archive_rule *r = &a->rule[i - 1];
        if ((r->venue == VENUE_ANY || r->venue == w->venue) &&
            (r->symbol[0] == '\0' || strcmp(r->symbol, w->symbol) == 0) &&
            (r->day[0] == '\0' || strcmp(r->day, w->day) == 0)) {
            return r->form;
        }
    }
    return (struct archive_form){.no_header = false};
}

static bool same_form(const struct archive_form *a, const struct archive_form *b)
{
    return a->no_header == b->no_header && a->us == b->us && a->words == b->words &&
           a->no_rpi == b->no_rpi && a->order == b->order && a->missing == b->missing &&
           a->bad_checksum == b->bad_checksum && a->drop == b->drop && a->version == b->version;
}

static bool is_of(const struct archive_kept *k, const struct wanted *w,
                  const struct archive_form *form)
{
    return strcmp(k->path, w->path) == 0 && same_form(&k->form, form);
}

// ---- making
// ------------------------------------------------------------------------------------

static void keep(struct archive *a)
{
    struct archive_kept *k = &a->kept[0];
    for (size_t i = 1; i < ARCHIVE_KEPT; i++) {
        k = a->kept[i].used < k->used ? &a->kept[i] : k;
    }
    buf_release(&k->bytes);
    *k = a->make_of;
    k->rows = archive_make_take(a->make, &k->bytes, k->sha256);
    k->used = ++a->uses;
    archive_make_free(a->make);
    a->make = NULL;
    a->made++;
}

// The file when it is complete. One is made at a time: whoever asks for another moves this one on.
static struct archive_kept *file_of(struct archive *a, struct market *m, const struct wanted *w,
                                    const struct archive_form *form, int64_t rows)
{
    for (size_t i = 0; i < ARCHIVE_KEPT; i++) {
        if (is_of(&a->kept[i], w, form)) {
            a->kept[i].used = ++a->uses;
            return &a->kept[i];
        }
    }
    if (a->make == NULL) {
        a->make_of = (struct archive_kept){.form = *form};
        str_copy(a->make_of.path, sizeof a->make_of.path, w->path);
        a->make = archive_make_new(w->venue, w->lane, w->start_ms, form, w->csv);
    }
    if (archive_make_step(a->make, m, rows)) {
        keep(a);
    }
    return NULL;
}

// ---- answers
// -----------------------------------------------------------------------------------

static int absent(struct buf *out, struct archive_answer *told)
{
    told->content_type = "application/xml";
    buf_adds(out, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist."
                  "</Message></Error>");
    return 404;
}

int archive_answer(struct archive *a, struct market *m, int64_t clock_ms, const char *path,
                   int64_t rows, struct buf *out, struct archive_answer *told)
{
    struct wanted w;
    *told = (struct archive_answer){.sha256 = ""};
    if (!read_path(m, path, &w)) {
        return absent(out, told);
    }
    const struct archive_form form = form_of(a, &w);
    // Over, and a trade behind it shows that all of it was released.
    if (form.missing || w.start_ms + MS_PER_DAY > clock_ms ||
        !m->ops->seek_time(m, w.lane, w.start_ms + MS_PER_DAY)) {
        return absent(out, told);
    }
    const struct archive_kept *k = file_of(a, m, &w, &form, rows);
    if (k == NULL) {
        return 0;
    }
    if (k->rows == 0) {
        return absent(out, told);
    }
    if (w.checksum) {
        told->content_type = "text/plain";
        buf_addf(out, "%s  %s\n", k->sha256, w.name);
    } else {
        told->content_type = w.venue == VENUE_BYBIT ? "application/gzip" : "application/zip";
        told->sha256 = k->sha256;
        buf_add(out, buf_ptr(&k->bytes), buf_len(&k->bytes));
    }
    return 200;
}
