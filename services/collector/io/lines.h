#ifndef COLLECTOR_LINES_H
#define COLLECTOR_LINES_H
// A local feed of lines `<receive time in ns> <JSON>` (the time may be missing), as recorders write
// them: a unix socket that is connected to, or a file that is followed as it grows.
//
//   unix:///run/feed.sock   stream socket; its end ends the feed (the link opens it again)
//   /data/feed.jsonl        from its beginning; at its end it is looked at every poll_ms. A file
//                           that was cut or replaced is read from its beginning again
//   a FIFO                  like a file without an end

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/io/loop.h"

struct lines;
struct lines_opts {
    struct loop *loop;
    const char *path; // copied
    size_t max_line;
    int64_t poll_ms;
    void (*on_open)(void *arg); // later, never from inside lines_open()
    // One line without its end and without the time in front. rx_us: that time, else the clock.
    void (*on_line)(void *arg, const char *p, size_t n, int64_t rx_us);
    void (*on_oversize)(void *arg, size_t n);     // a line over the limit was left out
    void (*on_close)(void *arg, const char *why); // once; `l` is dead and freed then
    void *arg;
};
// NULL with e when the path is neither form.
struct lines *lines_open(const struct lines_opts *o, struct err *e);
// Ends it; on_close is not called. Allowed inside every callback. NULL is fine.
void lines_close(struct lines *l);
void lines_pause(struct lines *l, bool paused);

#endif
