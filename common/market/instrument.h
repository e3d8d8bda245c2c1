#ifndef MARKET_INSTRUMENT_H
#define MARKET_INSTRUMENT_H
// What one perpetual contract is: its name, price and quantity units, and the names of its keys.
//
// Unit of price ("tick" in this code base) = 10^-price_scale, unit of quantity ("lot") =
// 10^-qty_scale. The scales leave two decimals of headroom below the venue's tickSize/stepSize
// from the start, so a finer value never forces a rescale of stored state; anything finer than
// that, or with more than 10 decimals, is refused with reason "precision" (metrics definitions,
// "Arithmetic"). The profile's bin is the venue's tickSize: `bin_ticks` of our ticks.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define INSTRUMENT_SCHEMA 1 // of everything stored under an instrument's keys

enum venue { VENUE_BINANCE, VENUE_BYBIT };

struct instrument {
    enum venue venue;
    char symbol[32]; // venue's spelling, upper case: "BTCUSDT"
    char name[48];   // "binance:BTCUSDT"
    // As the venue wrote them ("0.10" is kept); step is "" while unknown.
    char tick_size[24], step_size[24], min_qty[24], min_notional[24];
    int price_scale, qty_scale;       // decimals held: 0..10
    int price_decimals, qty_decimals; // decimals printed at least (those of tickSize/stepSize)
    int64_t bin_ticks;                // tickSize in units of 10^-price_scale, >= 1
    bool simulated;
    int schema;
};

// Parses "binance:BTCUSDT" or "BTCUSDT" (then dflt). Upper-cases; symbols are [A-Z0-9_-]{2,30}.
int instrument_parse(const char *s, size_t n, enum venue dflt, struct instrument *out,
                     struct err *e) MUST_CHECK;
const char *venue_name(enum venue v); // "binance", "bybit"

// Sets scales, decimals and bin from tick/step text. step may be "" (unknown): then from the
// decimals seen on the wire (wire_qty_decimals >= 0), with at least 8 decimals of scale.
int instrument_set_units(struct instrument *ins, const char *tick, const char *step,
                         int wire_qty_decimals, struct err *e) MUST_CHECK;

// "bc4:{binance:BTCUSDT}:<tail>" into out; e.g. tail "trades", "context:2026-11-22". Returns its
// length; aborts when it does not fit (our own names always do).
#define KEY_MAX 128
size_t instrument_key(const struct instrument *ins, const char *tail, char out[KEY_MAX]);

// The fields of the :instrument hash, as text, in a fixed order.
//   venue symbol tick step min_qty min_notional price_scale qty_scale qty_decimals simulated schema
struct instrument_fields {
    const char *name[12];
    char value[12][48];
    size_t n;
};
void instrument_to_fields(const struct instrument *ins, struct instrument_fields *out);
// From field/value pairs of HGETALL (kv[2*n] C strings). Unknown fields are ignored; a missing or
// bad one is ERR_SYNTAX naming it; a newer schema is ERR_STATE, an older one is taken as it is
// (out->schema tells it): the collector writes it anew.
int instrument_from_fields(const struct instrument *who, const char *const *kv, size_t pairs,
                           struct instrument *out, struct err *e) MUST_CHECK;

#endif
