#include "services/collector/core/exinfo.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"

static void copy_text(const json_t *o, const char *key, char *dst, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (s != NULL && strlen(s) < size) {
        str_copy(dst, size, s);
    }
}

static void read_filters(const json_t *symbol, struct instrument *ins)
{
    size_t i;
    json_t *filter;
    ins->tick_size[0] = ins->step_size[0] = ins->min_qty[0] = ins->min_notional[0] = '\0';
    json_array_foreach(json_object_get(symbol, "filters"), i, filter)
    {
        const char *type = json_string_value(json_object_get(filter, "filterType"));
        if (type == NULL) {
            continue;
        }
        if (strcmp(type, "PRICE_FILTER") == 0) {
            copy_text(filter, "tickSize", ins->tick_size, sizeof ins->tick_size);
        } else if (strcmp(type, "LOT_SIZE") == 0) {
            copy_text(filter, "stepSize", ins->step_size, sizeof ins->step_size);
            copy_text(filter, "minQty", ins->min_qty, sizeof ins->min_qty);
        } else if (strcmp(type, "MIN_NOTIONAL") == 0) {
            copy_text(filter, "notional", ins->min_notional, sizeof ins->min_notional);
        }
    }
}

static int read_symbol(const json_t *symbol, struct instrument *ins, struct exinfo *out,
                       struct err *e)
{
    char tick[24], step[24];
    read_filters(symbol, ins);
    if (ins->tick_size[0] == '\0') {
        return err_set(e, ERR_SYNTAX, "exchangeInfo of %s has no tickSize", ins->symbol);
    }
    str_copy(tick, sizeof tick, ins->tick_size);
    str_copy(step, sizeof step, ins->step_size);
    const int rc = instrument_set_units(ins, tick, step, step[0] == '\0' ? 8 : -1, e);
    if (rc < 0) {
        return rc;
    }
    out->raw[0] = '\0';
    char *raw = json_dumps(symbol, JSON_COMPACT);
    if (raw != NULL && strlen(raw) <= EXINFO_RAW_MAX) {
        str_copy(out->raw, sizeof out->raw, raw);
    }
    free(raw);
    return 1;
}

int exinfo_find(const char *body, size_t n, struct instrument *ins, struct exinfo *out,
                struct err *e)
{
    size_t i;
    json_t *symbol;
    int rc = 0;
    json_t *root = json_parse(body, n, e);
    if (root == NULL) {
        return ERR_SYNTAX;
    }
    const json_t *symbols = json_object_get(root, "symbols");
    if (!json_is_array(symbols)) {
        rc = err_set(e, ERR_SYNTAX, "no \"symbols\" in the answer");
    }
    json_array_foreach(symbols, i, symbol)
    {
        const char *name = json_string_value(json_object_get(symbol, "symbol"));
        if (rc == 0 && name != NULL && strcmp(name, ins->symbol) == 0) {
            rc = read_symbol(symbol, ins, out, e);
        }
    }
    json_decref(root);
    return rc;
}

int exinfo_server_time(const char *body, size_t n, int64_t *ms, struct err *e)
{
    json_t *root = json_parse(body, n, e);
    if (root == NULL) {
        return ERR_SYNTAX;
    }
    const int rc = json_get_i64(root, "serverTime", ms, e);
    json_decref(root);
    return rc;
}

static bool says(const json_t *o, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL && strcmp(s, value) == 0;
}

int64_t exinfo_weight_limit(const char *body, size_t n)
{
    size_t i;
    json_t *row;
    int64_t limit = 0;
    json_t *root = json_parse(body, n, NULL);
    json_array_foreach(json_object_get(root, "rateLimits"), i, row)
    {
        const int64_t v = json_integer_value(json_object_get(row, "limit"));
        if (says(row, "rateLimitType", "REQUEST_WEIGHT") && says(row, "interval", "MINUTE") &&
            json_integer_value(json_object_get(row, "intervalNum")) == 1 && v > 0) {
            limit = v;
        }
    }
    json_decref(root);
    return limit;
}
