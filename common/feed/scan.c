// Scanner for the hot frames, as the venue writes them: keys in its order, no blanks.
//
//   {"e":"aggTrade","E":1712070234881,"a":2111730447,"s":"BTCUSDT","p":"65818.60","q":"0.785",
//    ["nq":"0.785",]"f":4828132070,"l":4828132072,"T":1712070234784,"m":true[,"st":1]}
//   {"e":"trade","E":..,"T":..,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006",
//    ["X":"MARKET",]"m":false[,"st":1]}
// each alone or inside {"stream":"btcusdt@aggTrade","data":<event>}.
//
// It recognises or refuses, it never repairs: a byte that is not what it expects, and the frame
// goes to jansson. So it must be right only about what it accepts. Cost: one pass, eight digits at
// a time, no memory.

#include "common/feed/frame.h"

#include <string.h>

#include "common/feed/scan_parts.h"

PART bool scan_agg(struct cursor *c, struct frame *f)
{
    int64_t unused;
    struct slice text;
    f->kind = FRAME_AGG_TRADE;
    f->exec = (struct slice){NULL, 0};
    if (!integer(c, &f->event_ms) || !LIT(c, ",\"a\":") || !integer(c, &f->id) ||
        !LIT(c, ",\"s\":\"") || !string_of(c, C_SYMBOL, &f->symbol) || !LIT(c, ",\"p\":\"") ||
        !string_of(c, C_NUMBER, &f->price) || !LIT(c, ",\"q\":\"") ||
        !string_of(c, C_NUMBER, &f->qty)) {
        return false;
    }
    if (LIT(c, ",\"nq\":\"") && !string_of(c, C_NUMBER, &text)) {
        return false;
    }
    return LIT(c, ",\"f\":") && integer(c, &unused) && LIT(c, ",\"l\":") && integer(c, &unused) &&
           LIT(c, ",\"T\":") && integer(c, &f->trade_ms);
}

PART bool scan_trade(struct cursor *c, struct frame *f)
{
    f->kind = FRAME_TRADE;
    f->exec = (struct slice){NULL, 0};
    if (!integer(c, &f->event_ms) || !LIT(c, ",\"T\":") || !integer(c, &f->trade_ms) ||
        !LIT(c, ",\"s\":\"") || !string_of(c, C_SYMBOL, &f->symbol) || !LIT(c, ",\"t\":") ||
        !integer(c, &f->id) || !LIT(c, ",\"p\":\"") || !string_of(c, C_NUMBER, &f->price) ||
        !LIT(c, ",\"q\":\"") || !string_of(c, C_NUMBER, &f->qty)) {
        return false;
    }
    return !LIT(c, ",\"X\":\"") || string_of(c, C_SYMBOL, &f->exec);
}

bool frame_scan(const char *bytes, size_t n, struct frame *f)
{
    struct cursor c = {bytes, bytes + n};
    struct slice stream;
    const bool wrapped = LIT(&c, "{\"stream\":\"");
    if (wrapped) {
        // The stream's name ends in "@aggTrade" or "@trade": the capital T is not of the class.
        const char *quote =
            memchr(c.p, '"', (size_t)(c.end - c.p) < 48 ? (size_t)(c.end - c.p) : 48);
        if (quote == NULL || quote - c.p < 7) {
            return false;
        }
        if (same(quote - 5, "Trade", 5)) {
            const char *name_end = quote - 5;
            for (const char *p = c.p; p < name_end; p++) {
                if ((char_class[(unsigned char)*p] & C_STREAM) == 0) {
                    return false;
                }
            }
            c.p = quote + 1;
        } else if (!string_of(&c, C_STREAM, &stream)) {
            return false;
        }
        if (!LIT(&c, ",\"data\":")) {
            return false;
        }
    }
    if (LIT(&c, "{\"e\":\"aggTrade\",\"E\":")) {
        if (!scan_agg(&c, f)) {
            return false;
        }
    } else if (LIT(&c, "{\"e\":\"trade\",\"E\":")) {
        if (!scan_trade(&c, f)) {
            return false;
        }
    } else {
        return false;
    }
    f->market = 1;
    f->owner = NULL;
    if (!LIT(&c, ",\"m\":") || !boolean(&c, &f->maker) ||
        (LIT(&c, ",\"st\":") && !integer(&c, &f->market)) || !LIT(&c, "}") ||
        (wrapped && !LIT(&c, "}"))) {
        return false;
    }
    return c.p == c.end;
}

void frame_decode(const char *p, size_t n, struct frame_space *space, struct frame *out)
{
    if (!frame_scan(p, n, out) && (space == NULL || !frame_scan_depth(p, n, space, out))) {
        frame_parse_json(p, n, space, out);
    }
}
