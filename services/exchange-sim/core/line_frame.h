#ifndef SIM_CORE_LINE_FRAME_H
#define SIM_CORE_LINE_FRAME_H
// Recorded frames that are no trades of Binance; see line.h.

#include "services/exchange-sim/core/line.h"

// `data` is the object without envelope, `stream` the envelope's name ("" none).
enum line_kind line_frame_event(struct slice data, struct slice stream,
                                const struct line_sink *sink, const char **why);
// "<url> -> <stamp>: <body>": a REST snapshot when the URL asks for one.
enum line_kind line_frame_request(struct slice line, const struct line_sink *sink);
// The answer of a URL: a book, or the units of symbols.
enum line_kind line_frame_rest(struct slice url, struct slice body, const struct line_sink *sink);

#endif
