#ifndef BACKFILL_STORE_INNER_H
#define BACKFILL_STORE_INNER_H
// What store.c (children that write) and store_read.c (children that read) share, and nobody else.

#include <sys/types.h>

#include "common/base/buf.h"
#include "services/backfill/io/store.h"

#define READERS 16
#define WRITERS 64
#define CHILDREN 64

struct event;

struct writer {
    struct store *store;
    struct instrument ins;
    int64_t day_ms;
    char source[32];
    pid_t pid; // 0: none
    int fd;
    struct event *ev;
    struct buf queue;
    uint64_t rows;
    bool closing;
};

struct reader {
    struct store *store;
    struct source_day q;
    pid_t pid; // 0: there is nothing to read
    int fd;
    struct event *ev;
    struct timer *absent;
    char *bytes;
    size_t n; // of an unfinished row
    uint64_t rows;
    bool active, paused, promised;
};

struct ended {
    pid_t pid; // 0: free
    struct instrument ins;
    int64_t day_ms;
};

struct store {
    struct store_opts o;
    struct reader reader[READERS];
    struct writer writer[WRITERS];
    struct writer *last; // the writer of the row before
    struct ended ended[CHILDREN];
    struct timer *reap;
    bool off;
};

// A child with one end of a pipe as its standard input (it writes parts) or output (source NULL: it
// reads). -1 when it can not start.
pid_t store_spawn(struct store *s, const struct instrument *ins, int64_t day_ms, const char *source,
                  const char *sha256, int *fd);
// How a child ended: told, and whether there is a library at all.
void store_judge(struct store *s, int status);
void store_read_free(struct store *s);

#endif
