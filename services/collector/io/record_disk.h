#ifndef COLLECTOR_IO_RECORD_DISK_H
#define COLLECTOR_IO_RECORD_DISK_H
// The files of the recorder, used by its thread alone: gzip, one file per connection and period.
//
// What was written up to a flush can be read whatever happens to the process afterwards. When the
// disk takes no more (full, gone, not writable) every file ends where it last was whole, messages
// are counted as dropped, and new files are tried after a second, and
// after pauses that double.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_STREAMS 80 // connections at once, hand-overs included, and REST
#define RECORD_REST_STREAM 0

struct record_disk;
struct record_disk_opts {
    const char *dir, *venue; // copied
    uint64_t max_bytes;
    int64_t period_ms;
};
struct record_disk *record_disk_new(const struct record_disk_opts *o);
void record_disk_free(struct record_disk *d, int64_t wall_us); // ends the files

void record_disk_open(struct record_disk *d, int s, const char *kind, const char *url,
                      bool simulated, int64_t rx_us);
void record_disk_message(struct record_disk *d, int s, int64_t rx_us, const char *p, size_t n);
void record_disk_rest(struct record_disk *d, int s, int64_t rx_us, const char *url, const char *p,
                      size_t n);
// Messages are missing here.
void record_disk_cut(struct record_disk *d, int s, int64_t rx_us, const char *why,
                     uint64_t dropped);
void record_disk_close(struct record_disk *d, int s, int64_t rx_us, const char *why);
// Flushes, ends files whose period is over, tries again after a failure.
void record_disk_tick(struct record_disk *d, int64_t wall_us, int64_t mono_ms);

struct record_disk_stats {
    bool paused;
    char why[160], file[160];
    uint64_t bytes, lines, dropped, kept, deleted;
};
void record_disk_stats(const struct record_disk *d, struct record_disk_stats *out);

#endif
