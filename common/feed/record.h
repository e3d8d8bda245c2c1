#ifndef FEED_RECORD_H
#define FEED_RECORD_H
// The form of own recordings, for the one that writes them and those that read them.
//
//   <dir>/venue=<venue>/<YYYY-MM-DD>/<HH>-<kind>-<start ms>.raw.gz
//
// A file holds one connection, or the REST answers (kind "rest"), one line a message:
//
//   1795394412345678000 {"rec":"open","venue":"bybit","kind":"linear","url":"wss://..",
//                        "simulated":false,"conn":"1795394412345-1","part":0}
//   1795394412400000000 {"topic":"publicTrade.BTCUSDT",...}           as received
//   1795394413000000000 {"rec":"rest","url":"https://..","body":{..}}  body as received
//   1795396800000000000 {"rec":"close","why":"rotated","dropped":0}
//
// The stamp is the wall clock of the receiver, in ns. Between an "open" and a "close" every message
// of the connection is there; part n + 1 of a connection goes on where part n was "rotated", in the
// next file. After any other "close", or where a file ends without one (a killed process),
// something may be missing. What is no marker is a message.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

#define RECORD_KIND_MAX 16
#define RECORD_CONN_MAX 40
#define RECORD_NAME_MAX 64
#define RECORD_KIND_REST "rest"
#define RECORD_WHY_ROTATED "rotated"

struct record_name {
    int64_t start_ms;
    char kind[RECORD_KIND_MAX]; // lower case letters
};

// "<HH>-<kind>-<start ms>.raw.gz"; false: the kind is not one, or the time has no name.
bool record_name_make(const struct record_name *n, char out[RECORD_NAME_MAX]);
// The strict inverse, in the folder of a day ("2026-11-22"): a file that was not named by
// record_name_make() for that day is not ours.
bool record_name_parse(const char *day, const char *file, struct record_name *out);

enum record_line_kind {
    RECORD_BAD,   // not a line of a recording
    RECORD_FRAME, // a message
    RECORD_OPEN,
    RECORD_CLOSE,
    RECORD_REST,
};

struct record_line {
    int64_t rx_ns;
    struct slice json; // behind the stamp; borrowed
    // RECORD_OPEN
    bool simulated;
    char kind[RECORD_KIND_MAX], conn[RECORD_CONN_MAX];
    int64_t part;
    // RECORD_CLOSE
    bool rotated;
    // RECORD_REST; borrowed
    struct slice url, body;
};

// One line without its end.
enum record_line_kind record_line_parse(const char *p, size_t n, struct record_line *out);

// ---- writing; each appends one whole line -------------------------------------------------------

// Line breaks of the message, which JSON allows between its tokens alone, become blanks.
void record_put_frame(struct buf *b, int64_t rx_us, const char *p, size_t n);
struct record_open {
    const char *venue, *kind, *url, *conn;
    int64_t part;
    bool simulated;
};
void record_put_open(struct buf *b, int64_t rx_us, const struct record_open *o);
void record_put_close(struct buf *b, int64_t rx_us, const char *why, uint64_t dropped);
void record_put_rest(struct buf *b, int64_t rx_us, const char *url, const char *body, size_t n);

#endif
