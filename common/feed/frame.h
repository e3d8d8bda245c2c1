#ifndef FEED_FRAME_H
#define FEED_FRAME_H
// One message of the venue, decoded. Two decoders fill the same struct: scan.c knows the two hot
// shapes byte by byte and refuses everything else, frame_json.c takes what scan.c refused through
// jansson. Whatever both accept they decode alike (differential test).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

#define FRAME_LEVELS_MAX 16384 // of one message, both sides together
#define FRAME_ROWS_MAX 1024    // trades of one message on the hot path

enum frame_kind {
    FRAME_MALFORMED, // not JSON, or an event we know with fields missing or of another type
    FRAME_CONTROL,   // answer to SUBSCRIBE and the like, pong
    FRAME_OTHER,     // a well-formed event nobody asked for
    FRAME_SHUTDOWN,  // the venue is about to close this connection
    FRAME_AGG_TRADE,
    FRAME_TRADE,       // Binance's single fill ("@trade")
    FRAME_UID_TRADE,   // Bybit: named by a UUID
    FRAME_BOOK,        // changes of the order book, or the whole of it
    FRAME_LIQUIDATION, // one forced order
    FRAME_MARK,        // mark price, index, funding, open interest: whatever the message told
};

struct frame_level {
    struct slice price, qty; // absolute quantity; "0" in any spelling removes the level
};

enum frame_price_kind { PRICE_FILL, PRICE_BANKRUPTCY }; // of a liquidation

// One event. Slices point into the message's bytes, or into what `owner` keeps, and live until
// frame_release(). Only the members of its kind hold.
struct frame {
    enum frame_kind kind;
    struct slice symbol;
    int64_t event_ms; // E, ts; >= 0
    int64_t trade_ms; // T of the trade, the liquidation, the book (transaction time, cts); >= 0
    int64_t market;   // st: 1 = USD-M (also when absent), 2 = COIN-M

    // trades, and price, qty, maker of a liquidation (price: PRICE_FILL the average fill; qty: what
    // was executed; maker: the forced order sold, so a long was liquidated)
    struct slice price, qty;
    struct slice order_price; // of a liquidation: what the order asked for; empty when not told
    struct slice exec;        // X of a single fill; empty when absent
    struct slice uid;         // UUID of FRAME_UID_TRADE, 36 bytes
    int64_t id;               // a or t; >= 0; -1 for FRAME_UID_TRADE
    int64_t seq;              // -1 absent
    bool maker;               // the aggressor sold (Binance m=true; Bybit S=Sell)
    uint8_t flags;            // enum trade_flag
    enum frame_price_kind price_kind;

    // book
    const struct frame_level *bids, *asks;
    size_t n_bids, n_asks;
    bool snapshot;                      // the whole book, or a part whose rest is empty
    int64_t first_id, last_id, prev_id; // U, u, pu (Bybit: u, u, -1)

    // mark: empty = not told by this message
    struct slice mark, index, settle, funding, last_price, open_interest, open_interest_value;
    int64_t next_funding_ms; // -1 not told
    int64_t funding_hours;   // -1 not told

    // FRAME_CONTROL: the venue refused request `seq` (-1: no number of ours), and why. The others
    // leave denied false.
    bool denied;
    struct slice reason;
    // FRAME_MALFORMED of a venue whose ids prove nothing: a trade may have been lost with it, at
    // trade_ms, else some time up to event_ms (-1 = not known either); symbol empty = whose is not
    // known.
    bool hides_trade;

    void *owner; // jansson tree, NULL on the hot path
};

// One trade of a message that carries several.
struct frame_row {
    int64_t trade_ms, seq;
    struct slice price, qty, uid;
    bool maker;
    uint8_t flags;
};

// Room for the levels or the trades of one message; one per link.
struct frame_space {
    struct frame_level level[FRAME_LEVELS_MAX];
    struct frame_row row[FRAME_ROWS_MAX];
};

// The hot path of Binance. True when p[n] is one of the known trade shapes, whole and exact; *out
// is filled.
bool frame_scan(const char *p, size_t n, struct frame *out);
// The same for depthUpdate.
bool frame_scan_depth(const char *p, size_t n, struct frame_space *space, struct frame *out);
// And for the answer of /fapi/v1/depth, which becomes a FRAME_BOOK with snapshot set and without a
// symbol.
bool frame_scan_snapshot(const char *p, size_t n, struct frame_space *space, struct frame *out);

// Everything else. Always fills *out (kind says what came of it).
void frame_parse_json(const char *p, size_t n, struct frame_space *space, struct frame *out);
void frame_release(struct frame *f);
// That answer, by the scanner or else by jansson: FRAME_BOOK or FRAME_MALFORMED.
void frame_decode_snapshot(const char *p, size_t n, struct frame_space *space, struct frame *out);

// frame_scan(), and what it refuses through the others.
void frame_decode(const char *p, size_t n, struct frame_space *space, struct frame *out);
// The same for a message that may be a list of events: sink is called once per event, in order. A
// frame lives for its call.
typedef void (*frame_sink)(void *arg, const struct frame *f);
void frame_decode_each(const char *p, size_t n, struct frame_space *space, frame_sink sink,
                       void *arg);

#endif
