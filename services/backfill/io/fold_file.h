#ifndef BACKFILL_FOLD_FILE_H
#define BACKFILL_FOLD_FILE_H
// Name of the summary that belongs to what a day's folder holds now; shared by service and child.

#include <stdbool.h>

#include "services/backfill/io/store_day.h"

// False: the folder holds no part, or one whose sum is not beside it.
bool fold_file_path(const char *dir, char out[STORE_PATH]);

#endif
