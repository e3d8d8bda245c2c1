#include "common/market/instrument.h"

#include <stdio.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define HEADROOM 2 // decimals held below those of tickSize/stepSize
#define BLIND_QTY_SCALE 8

const char *venue_name(enum venue v)
{
    switch (v) {
    case VENUE_BINANCE:
        return "binance";
    case VENUE_BYBIT:
        return "bybit";
    }
    FATAL("venue %d", (int)v);
}

static int venue_parse(const char *s, size_t n, enum venue *out)
{
    static const enum venue all[] = {VENUE_BINANCE, VENUE_BYBIT};
    char word[16];
    if (!str_copyn(word, sizeof word, s, n)) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (str_ieq(word, venue_name(all[i]))) {
            *out = all[i];
            return 0;
        }
    }
    return ERR_SYNTAX;
}

static bool symbol_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

int instrument_parse(const char *s, size_t n, enum venue dflt, struct instrument *out,
                     struct err *e)
{
    struct instrument ins = {.venue = dflt, .bin_ticks = 1, .schema = INSTRUMENT_SCHEMA};
    int shown = n > 60 ? 60 : (int)n;
    const char *colon = n ? memchr(s, ':', n) : NULL;
    const char *sym = s;
    size_t len = n;
    if (colon) {
        if (venue_parse(s, (size_t)(colon - s), &ins.venue)) {
            return err_set(e, ERR_SYNTAX, "\"%.*s\" is not of a known venue (binance, bybit)",
                           shown, s);
        }
        sym = colon + 1;
        len = n - (size_t)(sym - s);
    }
    if (len < 2 || len > 30) {
        return err_set(e, ERR_SYNTAX, "symbol in \"%.*s\" is not 2 to 30 characters long", shown,
                       s);
    }
    for (size_t i = 0; i < len; i++) {
        char c = sym[i];
        if (c >= 'a' && c <= 'z') {
            c = (char)(c - 'a' + 'A');
        }
        if (!symbol_char(c)) {
            return err_set(e, ERR_SYNTAX, "symbol in \"%.*s\" has a character not in A-Z 0-9 _ -",
                           shown, s);
        }
        ins.symbol[i] = c;
    }
    (void)str_fmt(ins.name, sizeof ins.name, "%s:%s", venue_name(ins.venue), ins.symbol);
    *out = ins;
    return 0;
}

static int scale_for(int places)
{
    return places + HEADROOM > DEC_MAX_SCALE ? DEC_MAX_SCALE : places + HEADROOM;
}

int instrument_set_units(struct instrument *ins, const char *tick, const char *step,
                         int wire_qty_decimals, struct err *e)
{
    int places;
    int64_t bin;
    if (strlen(tick) >= sizeof ins->tick_size || dec_places(tick, strlen(tick), &places)) {
        return err_set(e, ERR_SYNTAX, "tick size \"%.40s\" is not a decimal", tick);
    }
    if (places > DEC_MAX_SCALE) {
        return err_set(e, ERR_PRECISION, "tick size \"%.40s\" has more than %d decimals", tick,
                       DEC_MAX_SCALE);
    }
    int price_scale = scale_for(places);
    int rc = dec_parse(tick, strlen(tick), price_scale, &bin, NULL);
    if (rc || bin <= 0) {
        return err_set(e, rc ? rc : ERR_RANGE, "tick size \"%.40s\" is not a positive decimal",
                       tick);
    }
    int qty_places = 0;
    int qty_scale;
    if (*step) {
        int64_t one;
        if (strlen(step) >= sizeof ins->step_size || dec_places(step, strlen(step), &qty_places)) {
            return err_set(e, ERR_SYNTAX, "step size \"%.40s\" is not a decimal", step);
        }
        if (qty_places > DEC_MAX_SCALE) {
            return err_set(e, ERR_PRECISION, "step size \"%.40s\" has more than %d decimals", step,
                           DEC_MAX_SCALE);
        }
        qty_scale = scale_for(qty_places);
        rc = dec_parse(step, strlen(step), qty_scale, &one, NULL);
        if (rc || one <= 0) {
            return err_set(e, rc ? rc : ERR_RANGE, "step size \"%.40s\" is not a positive decimal",
                           step);
        }
    } else {
        if (wire_qty_decimals < 0 || wire_qty_decimals > DEC_MAX_SCALE) {
            return err_set(e, ERR_RANGE, "%d quantity decimals are not in 0..%d", wire_qty_decimals,
                           DEC_MAX_SCALE);
        }
        qty_places = wire_qty_decimals;
        qty_scale = scale_for(qty_places);
        if (qty_scale < BLIND_QTY_SCALE) {
            qty_scale = BLIND_QTY_SCALE;
        }
    }
    (void)str_copy(ins->tick_size, sizeof ins->tick_size, tick);
    (void)str_copy(ins->step_size, sizeof ins->step_size, step);
    ins->price_scale = price_scale;
    ins->price_decimals = places;
    ins->bin_ticks = bin;
    ins->qty_scale = qty_scale;
    ins->qty_decimals = qty_places;
    ins->schema = INSTRUMENT_SCHEMA;
    return 0;
}

size_t instrument_key(const struct instrument *ins, const char *tail, char out[KEY_MAX])
{
    if (!str_fmt(out, KEY_MAX, "bc4:{%s}:%s", ins->name, tail)) {
        FATAL("key of %s with tail \"%s\" is too long", ins->name, tail);
    }
    return strlen(out);
}

static char *add_field(struct instrument_fields *f, const char *name)
{
    f->name[f->n] = name;
    return f->value[f->n++];
}

static void add_text(struct instrument_fields *f, const char *name, const char *value)
{
    (void)str_copy(add_field(f, name), sizeof f->value[0], value);
}

static void add_int(struct instrument_fields *f, const char *name, int value)
{
    (void)str_fmt(add_field(f, name), sizeof f->value[0], "%d", value);
}

void instrument_to_fields(const struct instrument *ins, struct instrument_fields *out)
{
    *out = (struct instrument_fields){.n = 0};
    add_text(out, "venue", venue_name(ins->venue));
    add_text(out, "symbol", ins->symbol);
    add_text(out, "tick", ins->tick_size);
    add_text(out, "step", ins->step_size);
    add_text(out, "min_qty", ins->min_qty);
    add_text(out, "min_notional", ins->min_notional);
    add_int(out, "price_scale", ins->price_scale);
    add_int(out, "qty_scale", ins->qty_scale);
    add_int(out, "qty_decimals", ins->qty_decimals);
    add_int(out, "simulated", ins->simulated);
    add_int(out, "schema", ins->schema);
}

static const char *get(const char *const *kv, size_t pairs, const char *name)
{
    for (size_t i = 0; i < pairs; i++) {
        if (strcmp(kv[2 * i], name) == 0) {
            return kv[2 * i + 1];
        }
    }
    return NULL;
}

static int get_int(const char *const *kv, size_t pairs, const char *name, int64_t lo, int64_t hi,
                   int *out, struct err *e)
{
    const char *s = get(kv, pairs, name);
    int64_t v;
    if (!s) {
        return err_set(e, ERR_SYNTAX, "field %s is missing", name);
    }
    if (parse_i64(s, strlen(s), &v) || v < lo || v > hi) {
        return err_set(e, ERR_SYNTAX, "field %s: \"%.40s\" is not in %lld..%lld", name, s,
                       (long long)lo, (long long)hi);
    }
    *out = (int)v;
    return 0;
}

static int get_text(const char *const *kv, size_t pairs, const char *name, char *out, size_t size,
                    struct err *e)
{
    const char *s = get(kv, pairs, name);
    if (!s) {
        return err_set(e, ERR_SYNTAX, "field %s is missing", name);
    }
    if (!str_copy(out, size, s)) {
        return err_set(e, ERR_SYNTAX, "field %s is too long", name);
    }
    return 0;
}

int instrument_from_fields(const struct instrument *who, const char *const *kv, size_t pairs,
                           struct instrument *out, struct err *e)
{
    struct instrument ins = *who;
    int schema;
    int simulated;
    int price_scale;
    int qty_scale;
    int qty_decimals = 0;
    char venue[16];
    char symbol[32];
    char tick[24];
    char step[24];
    int rc = get_int(kv, pairs, "schema", 0, INT32_MAX, &schema, e);
    if (rc) {
        return rc;
    }
    if (schema > INSTRUMENT_SCHEMA) {
        return err_set(
            e, ERR_STATE,
            "schema %d is stored by a newer version, this one knows up to %d: upgrade it", schema,
            INSTRUMENT_SCHEMA);
    }
    if ((rc = get_text(kv, pairs, "venue", venue, sizeof venue, e)) ||
        (rc = get_text(kv, pairs, "symbol", symbol, sizeof symbol, e)) ||
        (rc = get_text(kv, pairs, "tick", tick, sizeof tick, e)) ||
        (rc = get_text(kv, pairs, "step", step, sizeof step, e)) ||
        (rc = get_text(kv, pairs, "min_qty", ins.min_qty, sizeof ins.min_qty, e)) ||
        (rc = get_text(kv, pairs, "min_notional", ins.min_notional, sizeof ins.min_notional, e)) ||
        (rc = get_int(kv, pairs, "price_scale", 0, DEC_MAX_SCALE, &price_scale, e)) ||
        (rc = get_int(kv, pairs, "qty_scale", 0, DEC_MAX_SCALE, &qty_scale, e)) ||
        (rc = get_int(kv, pairs, "simulated", 0, 1, &simulated, e))) {
        return rc;
    }
    if (strcmp(venue, venue_name(who->venue)) != 0 || strcmp(symbol, who->symbol) != 0) {
        return err_set(e, ERR_SYNTAX, "fields venue, symbol: %s:%s is not %s", venue, symbol,
                       who->name);
    }
    // With a step its decimals say it; without one only the writer knew what was on the wire.
    if (!*step && get(kv, pairs, "qty_decimals") &&
        (rc = get_int(kv, pairs, "qty_decimals", 0, qty_scale, &qty_decimals, e))) {
        return rc;
    }
    rc = instrument_set_units(&ins, tick, step, qty_decimals, e);
    if (rc) {
        return rc;
    }
    // Stored sums are at the stored scales; only those may be used with them.
    if (price_scale < ins.price_decimals || qty_scale < ins.qty_decimals) {
        return err_set(e, ERR_SYNTAX, "fields price_scale, qty_scale: %d, %d do not hold %s, %s",
                       price_scale, qty_scale, tick, step);
    }
    rc = dec_parse(tick, strlen(tick), price_scale, &ins.bin_ticks, NULL);
    if (rc) {
        return err_set(e, ERR_SYNTAX, "field tick: \"%s\" does not fit the scale %d", tick,
                       price_scale);
    }
    ins.price_scale = price_scale;
    ins.qty_scale = qty_scale;
    ins.simulated = simulated != 0;
    ins.schema = schema;
    *out = ins;
    return 0;
}
