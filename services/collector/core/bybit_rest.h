#ifndef COLLECTOR_BYBIT_REST_H
#define COLLECTOR_BYBIT_REST_H
// Bybit v5 linear: the bodies of its REST.

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/market/instrument.h"
#include "services/collector/core/exinfo.h"
#include "services/collector/core/overlap.h"

// Every body: {"retCode":0,"retMsg":"OK","result":{..},"retExtInfo":{},"time":<ms>}. retCode
// counts, whatever the status of HTTP was.

#define BYBIT_CURSOR_MAX 256

// /v5/market/instruments-info: fills *ins (as exinfo_find()). 1 = found; 0 = not in this body, then
// cursor names the next page, "" = there is none; ERR_*.
int bybit_instrument_find(const char *body, size_t n, struct instrument *ins, struct exinfo *out,
                          char cursor[BYBIT_CURSOR_MAX], struct err *e) MUST_CHECK;
// /v5/market/time.
int bybit_server_time(const char *body, size_t n, int64_t *ms, struct err *e) MUST_CHECK;
// /v5/market/recent-trade into row[max], newest first. *n_rows rows; slices live until the tree
// is released with bybit_recent_release(). Any row that can not be read refuses the whole body: a
// page with a row left out would prove what it does not show.
int bybit_recent_parse(const char *body, size_t n, const char *symbol, struct overlap_row *row,
                       size_t max, size_t *n_rows, void **tree, struct err *e) MUST_CHECK;
void bybit_recent_release(void *tree);

#endif
