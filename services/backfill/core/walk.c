#include "services/backfill/core/walk.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static bool integer_of(const json_t *row, const char *name, int64_t *v)
{
    const json_t *x = json_object_get(row, name);
    if (!json_is_integer(x)) {
        return false;
    }
    *v = json_integer_value(x);
    return *v >= 0;
}

static struct slice text_of(const json_t *row, const char *name)
{
    const json_t *x = json_object_get(row, name);
    if (!json_is_string(x)) {
        return (struct slice){NULL, 0};
    }
    return (struct slice){json_string_value(x), json_string_length(x)};
}

static const char *read_row(const json_t *row, const struct instrument *ins, struct walk_row *out)
{
    struct trade t;
    const json_t *m = json_object_get(row, "m");
    int64_t market = 1;
    out->price = text_of(row, "p");
    out->qty = text_of(row, "q");
    if (!integer_of(row, "a", &out->id) || !integer_of(row, "T", &out->ts_ms) ||
        !json_is_boolean(m) || out->price.p == NULL || out->qty.p == NULL || out->price.n > 23 ||
        out->qty.n > 23) {
        return "a row is malformed";
    }
    if (integer_of(row, "st", &market) && market != 1) {
        return "a row is of another market";
    }
    out->side = json_is_true(m) ? SIDE_SELL : SIDE_BUY;
    return trade_set_numbers(&t, ins, out->price, out->qty) == REFUSE_NONE
               ? NULL
               : "a row holds numbers that do not fit";
}

const char *walk_read(struct walk_page *p, const struct instrument *ins, const char *body, size_t n)
{
    memset(p, 0, sizeof *p);
    p->tree = json_loadb(body, n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(p->tree)) {
        return p->tree == NULL ? "not JSON" : "not a list";
    }
    const size_t rows = json_array_size(p->tree);
    if (rows > WALK_LIMIT) {
        return "more rows than asked for";
    }
    p->row = xcalloc(rows + 1, sizeof *p->row);
    for (size_t i = 0; i < rows; i++) {
        const char *why = read_row(json_array_get(p->tree, i), ins, &p->row[i]);
        if (why != NULL) {
            return why;
        }
        if (i > 0 && p->row[i].id <= p->row[i - 1].id) {
            return "ids run back";
        }
        p->n++;
    }
    return NULL;
}

void walk_release(struct walk_page *p)
{
    json_decref(p->tree);
    free(p->row);
    memset(p, 0, sizeof *p);
}

const char *walk_check_located(const struct walk_page *p, int64_t start_ms, int64_t end_ms)
{
    if (p->n == 0) {
        return "empty";
    }
    if (p->row[0].ts_ms < start_ms) {
        return "it begins before the time asked for";
    }
    return p->row[0].ts_ms > end_ms ? "it begins behind the time known to be traded" : NULL;
}

const char *walk_check_anchor(const struct walk_page *p, int64_t first, int64_t start_ms,
                              bool *none)
{
    *none = false;
    if (p->n == 0) {
        return "empty";
    }
    if (p->row[0].id == first) {
        *none = true;
        return NULL;
    }
    if (p->row[0].id != first - 1) {
        return "not the id asked for";
    }
    return p->row[0].ts_ms < start_ms ? NULL : "the day begins earlier than located";
}

const char *walk_check_page(const struct walk_page *p, int64_t lo, int64_t hi, int64_t from_ms,
                            int64_t to_ms, size_t *use, int64_t *proven)
{
    *use = 0;
    *proven = lo - 1;
    if (p->n == 0) {
        return "empty";
    }
    if (p->row[0].id < lo) {
        return "it begins before the id asked for";
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct walk_row *r = &p->row[i];
        if (r->id > hi) {
            // The row right behind proves what the venue skipped before it; one further on does so
            // only when rows of the page stand before it.
            if (r->id == hi + 1 || i > 0) {
                *proven = hi;
                return NULL;
            }
            return "it begins behind the ids asked for";
        }
        if (r->ts_ms < from_ms - WALK_SLACK_MS || r->ts_ms > to_ms + WALK_SLACK_MS) {
            return "its times are not those of the ids asked for";
        }
        *use = i + 1;
        *proven = r->id;
    }
    return NULL;
}
