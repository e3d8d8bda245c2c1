#include "services/collector/core/bybit_rest.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/feed/bybit.h"

// The tree of a body whose retCode is 0; NULL with the reason.
static json_t *open_body(const char *body, size_t n, struct err *e)
{
    json_t *root = json_parse(body, n, e);
    int64_t code;
    if (root == NULL) {
        return NULL;
    }
    if (json_get_i64(root, "retCode", &code, e) != 0) {
        json_decref(root);
        return NULL;
    }
    if (code != 0) {
        const char *msg = json_string_value(json_object_get(root, "retMsg"));
        err_set(e, ERR_STATE, "retCode %lld: %.80s", (long long)code, msg != NULL ? msg : "");
        json_decref(root);
        return NULL;
    }
    return root;
}

static void copy_text(const json_t *o, const char *key, char *dst, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));
    dst[0] = '\0';
    if (s != NULL && strlen(s) < size) {
        str_copy(dst, size, s);
    }
}

// ---- instruments-info --------------------------------------------------------------------------

static int read_contract(const json_t *o, struct instrument *ins, struct exinfo *out, struct err *e)
{
    char tick[24], step[24];
    const json_t *lot = json_object_get(o, "lotSizeFilter");
    copy_text(json_object_get(o, "priceFilter"), "tickSize", tick, sizeof tick);
    copy_text(lot, "qtyStep", step, sizeof step);
    if (tick[0] == '\0') {
        return err_set(e, ERR_SYNTAX, "instruments-info of %s has no tickSize", ins->symbol);
    }
    copy_text(lot, "minOrderQty", ins->min_qty, sizeof ins->min_qty);
    copy_text(lot, "minNotionalValue", ins->min_notional, sizeof ins->min_notional);
    const int rc = instrument_set_units(ins, tick, step, step[0] == '\0' ? 8 : -1, e);
    if (rc < 0) {
        return rc;
    }
    out->raw[0] = '\0';
    char *raw = json_dumps(o, JSON_COMPACT);
    if (raw != NULL && strlen(raw) <= EXINFO_RAW_MAX) {
        str_copy(out->raw, sizeof out->raw, raw);
    }
    free(raw);
    return 1;
}

int bybit_instrument_find(const char *body, size_t n, struct instrument *ins, struct exinfo *out,
                          char cursor[BYBIT_CURSOR_MAX], struct err *e)
{
    size_t i;
    json_t *o;
    int rc = 0;
    json_t *root = open_body(body, n, e);
    cursor[0] = '\0';
    if (root == NULL) {
        return e != NULL && e->code != 0 ? e->code : ERR_SYNTAX;
    }
    const json_t *result = json_object_get(root, "result");
    const json_t *list = json_object_get(result, "list");
    if (!json_is_array(list)) {
        rc = err_set(e, ERR_SYNTAX, "no \"list\" in the answer");
    }
    copy_text(result, "nextPageCursor", cursor, BYBIT_CURSOR_MAX);
    json_array_foreach(list, i, o)
    {
        const char *name = json_string_value(json_object_get(o, "symbol"));
        if (rc == 0 && name != NULL && strcmp(name, ins->symbol) == 0) {
            rc = read_contract(o, ins, out, e);
        }
    }
    json_decref(root);
    return rc;
}

// ---- time --------------------------------------------------------------------------------------

// {"timeSecond":"1688639403","timeNano":"1688639403423213947"}, and "time" of the envelope.
int bybit_server_time(const char *body, size_t n, int64_t *ms, struct err *e)
{
    json_t *root = open_body(body, n, e);
    int64_t nano;
    if (root == NULL) {
        return e != NULL && e->code != 0 ? e->code : ERR_SYNTAX;
    }
    int rc = json_get_i64(json_object_get(root, "result"), "timeNano", &nano, e);
    if (rc == 0) {
        *ms = nano / 1000000;
    } else {
        rc = json_get_i64(root, "time", ms, e);
    }
    json_decref(root);
    return rc == 0 && *ms <= 0 ? err_set(e, ERR_RANGE, "no time") : rc;
}

// ---- recent-trade ------------------------------------------------------------------------------

static bool text(const json_t *o, const char *key, struct slice *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) {
        return false;
    }
    out->p = json_string_value(v);
    out->n = json_string_length(v);
    return memchr(out->p, '\0', out->n) == NULL;
}

static bool read_row(const json_t *o, const char *symbol, struct overlap_row *r)
{
    struct slice s;
    *r = (struct overlap_row){.flags = 0};
    if (!text(o, "symbol", &s) || !slice_eq(s, symbol) || !text(o, "execId", &s) ||
        trade_uid_parse(s, &r->uid) != 0 || !text(o, "price", &r->price) ||
        !text(o, "size", &r->qty) || r->price.n > 23 || r->qty.n > 23) {
        return false;
    }
    if (!text(o, "side", &s) || (!slice_eq(s, "Buy") && !slice_eq(s, "Sell"))) {
        return false;
    }
    r->side = slice_eq(s, "Sell") ? SIDE_SELL : SIDE_BUY;
    if (json_get_i64(o, "time", &r->ts_ms, NULL) != 0 || r->ts_ms <= 0) {
        return false;
    }
    if (text(o, "seq", &s) && s.n > 0 && (parse_i64(s.p, s.n, &r->seq) != 0 || r->seq < 0)) {
        return false;
    }
    r->flags = (uint8_t)((json_is_true(json_object_get(o, "isBlockTrade")) ? TRADE_BLOCK : 0) |
                         (json_is_true(json_object_get(o, "isRPITrade")) ? TRADE_RPI : 0));
    return true;
}

int bybit_recent_parse(const char *body, size_t n, const char *symbol, struct overlap_row *row,
                       size_t max, size_t *n_rows, void **tree, struct err *e)
{
    size_t i;
    json_t *o;
    *n_rows = 0;
    *tree = NULL;
    json_t *root = open_body(body, n, e);
    if (root == NULL) {
        return e != NULL && e->code != 0 ? e->code : ERR_SYNTAX;
    }
    const json_t *list = json_object_get(json_object_get(root, "result"), "list");
    int rc = 0;
    if (!json_is_array(list)) {
        rc = err_set(e, ERR_SYNTAX, "no \"list\" in the answer");
    } else if (json_array_size(list) > max) {
        rc = err_set(e, ERR_LIMIT, "more rows than were asked for");
    }
    json_array_foreach(list, i, o)
    {
        if (rc == 0 && !read_row(o, symbol, &row[i])) {
            rc = err_set(e, ERR_SYNTAX, "row %zu is no trade", i);
        }
    }
    if (rc != 0) {
        json_decref(root);
        return rc;
    }
    *n_rows = json_array_size(list);
    *tree = root;
    return 0;
}

void bybit_recent_release(void *tree)
{
    json_decref(tree);
}
