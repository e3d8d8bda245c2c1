#ifndef MARKET_SESSION_H
#define MARKET_SESSION_H
// Trading session of the UTC day: London [08:00, 12:00), New York overlap [13:00, 17:00), else off.

#include <stdbool.h>
#include <stdint.h>

enum session { SESSION_OFF, SESSION_LONDON, SESSION_OVERLAP };

enum session session_at(int64_t ts_ms);
const char *session_name(enum session s);          // "off" "london" "overlap"
const char *session_strategy_name(enum session s); // "waiting_for_session" "london" "overlap"
// First instant > ts_ms at which session_at() changes.
int64_t session_next_change_ms(int64_t ts_ms);
// The next London or overlap window that begins after ts_ms.
enum session session_next_active(int64_t ts_ms, int64_t *starts_ms);
// Start and end of a window on the day of ts_ms.
void session_window(enum session s, int64_t ts_ms, int64_t *start_ms, int64_t *end_ms);

#endif
