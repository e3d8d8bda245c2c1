#ifndef API_ROWS_H
#define API_ROWS_H
// The volume profile as rows, read from the text of :profile:<day>, made coarser on demand.

#include <stddef.h>
#include <stdint.h>

#include "common/base/json.h"
#include "services/api/core/snap.h"

struct row {
    int64_t bin; // floor(price / bin size)
    int64_t buy, sell, trades;
};

// Ticks per bin of the day shown; only with units.
int64_t rows_bin_ticks(const struct snap *s);
// Ascending rows of the profile; *out is new, free() it. Fields that are not what a profile holds
// are left out. Returns how many; 0 (and NULL) without units or profile.
size_t rows_read(const struct snap *s, struct row **out);
// The smallest integer m for which the n rows, joined by floor(bin / m), are at most `max` rows.
// max >= 1. (Beyond 512 tries: a size that fits while the size below it does not.)
int64_t rows_multiple(const struct row *r, size_t n, size_t max);
// Joins them in place (bin becomes the index at the coarser size). Returns how many are left.
size_t rows_join(struct row *r, size_t n, int64_t multiple);

// Members "volume_profile":[{price,volume,buy_vol,sell_vol}], "profile_bin", "profile_bins".
// max_rows 0 = all bins.
void rows_write(const struct snap *s, int64_t max_rows, struct jw *w);
// {price,volume,buy_vol,sell_vol} of one row at `bin_ticks` per bin, into an open object.
void row_members(const struct snap *s, const struct row *r, int64_t bin_ticks, struct jw *w);

#endif
