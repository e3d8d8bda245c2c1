#ifndef COLLECTOR_IO_RECORD_H
#define COLLECTOR_IO_RECORD_H
// Writes what the venue sends to files, as it came (common/feed/record.h says how). A thread of its
// own packs and writes; the loop only copies into a bounded queue, so the feed never waits for a
// disk. What the queue has no room for, or the disk does not take, is dropped and counted, and the
// file says that something is missing there.
//
// All of it may be called with NULL for the recorder: nothing is recorded.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"

struct recorder;

struct recorder_opts {
    const char *dir;   // copied; RECORD_DIR
    const char *venue; // copied
    struct clock clock;
    uint64_t max_bytes;   // of all files of this venue
    uint64_t queue_bytes; // that wait for the disk
    int64_t period_ms;    // a new file at each multiple of it, from 00:00 UTC on
    int64_t flush_ms;     // 0 = 500: what was received so long ago is in the file
};
struct recorder *recorder_new(const struct recorder_opts *o);
// Writes what waits, for at most wait_ms, and ends the files.
void recorder_free(struct recorder *r, int64_t wait_ms);

// A connection. Its handle, or -1: too many, or nothing is recorded; -1 is fine below.
int recorder_open(struct recorder *r, const char *kind, const char *url, bool simulated,
                  int64_t rx_us);
void recorder_message(struct recorder *r, int h, int64_t rx_us, const char *p, size_t n);
// Something was not received: the file says so.
void recorder_cut(struct recorder *r, int h, int64_t rx_us, const char *why);
void recorder_close(struct recorder *r, int h, int64_t rx_us, const char *why);
// An answer of REST. The body is JSON; url is without a query's secrets.
void recorder_rest(struct recorder *r, bool simulated, int64_t rx_us, const char *url,
                   const char *p, size_t n);

// Logs when recording pauses and when it goes on. About every second.
void recorder_tick(struct recorder *r);

struct recorder_stats {
    bool on, paused;
    char why[160];          // of the pause
    char file[160];         // written last, below the folder
    uint64_t bytes, lines;  // written by this process; packed bytes
    uint64_t dropped;       // messages
    uint64_t kept, deleted; // bytes of all files of the venue; files that had to go
    uint64_t queued;        // bytes
};
void recorder_stats(struct recorder *r, struct recorder_stats *out);

#endif
