#ifndef BACKFILL_PROGRESS_H
#define BACKFILL_PROGRESS_H
// How far a backfill is, in chunks (WALK_LIMIT ids) and trades, and how long it still takes: the
// rate of the last minute, not of all times, because a refusal or a change of source changes it.

#include <stdint.h>

#define PROGRESS_SAMPLES 32
#define PROGRESS_SAMPLE_MS 2000

struct progress {
    int64_t done, total; // trades; total < 0: not known yet
    int64_t at_ms[PROGRESS_SAMPLES], at_done[PROGRESS_SAMPLES];
    int n, next;
    int64_t moved_ms; // monotonic: the last time `done` grew
};

void progress_init(struct progress *p, int64_t mono_ms);
void progress_set(struct progress *p, int64_t mono_ms, int64_t done, int64_t total);
void progress_moved(struct progress *p, int64_t mono_ms); // something came, though not a trade yet
int64_t progress_percent(const struct progress *p);       // 0..100, cut; 100 only when all is done
int64_t progress_eta_s(const struct progress *p, int64_t mono_ms); // rounded up; -1 unknown
int64_t progress_idle_ms(const struct progress *p, int64_t mono_ms);

#endif
