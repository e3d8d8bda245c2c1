#ifndef COLLECTOR_IO_DEPTH_H
#define COLLECTOR_IO_DEPTH_H
// What depth.c (frames, snapshots) and book.c (:book) share of the order books.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/collector/core/depth.h"
#include "services/collector/core/pace.h"
#include "services/collector/io/app.h"

#define DEPTH_RATE_SEC 60

struct depths;

// The book of one lane.
struct book_lane {
    struct depths *all;
    struct lane *lane;
    struct depth core;
    enum depth_state told; // in the log

    // :book
    char key[KEY_MAX], topic[KEY_MAX];
    bool dirty, busy;        // something to write; a write is under way
    enum depth_state stored; // as last written
    int64_t written_ms;      // monotonic
    int64_t hold_until_ms;   // Redis refused the last write
    uint64_t writes, write_failures;
    int64_t ver;

    // events a second, for the rate
    uint32_t per_s[DEPTH_RATE_SEC];
    size_t slot, slots;
    uint64_t counted;
};

struct depths {
    struct app *app;
    struct book_lane *one;
    size_t n;
    struct depth_space space;
    struct redis_tx *tx;
    struct buf bids, asks;
    struct timer *write_timer;

    // snapshots: one request at a time for all books
    struct http *http;
    struct http_call *call;
    struct book_lane *asking; // whose request is asked for or under way
    struct timer *fetch_timer;
    struct frame_space *levels;
    struct pace pace;
    int64_t rest_until_ms; // monotonic: the budget said so
    int limit;             // as the venue knows them
    size_t turn;
    bool stopped;
};

// Writes :book of this lane if there is news, it is time, and nothing is under way.
void book_pump(struct book_lane *o);
void book_mark(struct book_lane *o); // there is news

#endif
