#ifndef API_SCHEMA_H
#define API_SCHEMA_H
// What the answers look like, member by member: one table per kind of object, from which the
// documentation is made and against which the tests hold every answer.

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

enum member_type {
    M_BOOL,
    M_INT,
    M_NUM,
    M_TEXT,
    M_TIME,   // ISO 8601, UTC, milliseconds
    M_DAY,    // YYYY-MM-DD
    M_ID,     // number or text: what the venue calls a trade by
    M_ANY,    // whatever JSON was stored
    M_OBJECT, // `of`
    M_LIST,   // of objects `of`, or of `item` where that is NULL
    M_SPREAD, // no member: those of `of` stand here
};

struct schema;
struct member {
    const char *name;
    enum member_type type, item;
    bool null;   // may be null: not known (yet)
    bool absent; // may be missing
    const struct schema *of;
    const char *text;
};
struct schema {
    const char *name; // unique
    const struct member *member;
    size_t n;
};

// One object of a schema: SCHEMA(price, "Price", NUM_("price", "..."), ...)
#define SCHEMA(id, title, ...)                                                                     \
    static const struct member id##_members[] = {__VA_ARGS__};                                     \
    const struct schema schema_##id = {title, id##_members,                                        \
                                       sizeof id##_members / sizeof id##_members[0]}

// Names that end with '_' may be null.
#define YES(n, t)                                                                                  \
    {                                                                                              \
        .name = (n), .type = M_BOOL, .text = (t)                                                   \
    }
#define INT(n, t)                                                                                  \
    {                                                                                              \
        .name = (n), .type = M_INT, .text = (t)                                                    \
    }
#define INT_(n, t)                                                                                 \
    {                                                                                              \
        .name = (n), .type = M_INT, .null = true, .text = (t)                                      \
    }
#define NUM(n, t)                                                                                  \
    {                                                                                              \
        .name = (n), .type = M_NUM, .text = (t)                                                    \
    }
#define NUM_(n, t)                                                                                 \
    {                                                                                              \
        .name = (n), .type = M_NUM, .null = true, .text = (t)                                      \
    }
#define TEXT(n, t)                                                                                 \
    {                                                                                              \
        .name = (n), .type = M_TEXT, .text = (t)                                                   \
    }
#define TEXT_(n, t)                                                                                \
    {                                                                                              \
        .name = (n), .type = M_TEXT, .null = true, .text = (t)                                     \
    }
#define TIME(n, t)                                                                                 \
    {                                                                                              \
        .name = (n), .type = M_TIME, .text = (t)                                                   \
    }
#define TIME_(n, t)                                                                                \
    {                                                                                              \
        .name = (n), .type = M_TIME, .null = true, .text = (t)                                     \
    }
#define DAY_(n, t)                                                                                 \
    {                                                                                              \
        .name = (n), .type = M_DAY, .null = true, .text = (t)                                      \
    }
#define ANY_(n, t)                                                                                 \
    {                                                                                              \
        .name = (n), .type = M_ANY, .null = true, .text = (t)                                      \
    }
#define OBJ(n, s, t)                                                                               \
    {                                                                                              \
        .name = (n), .type = M_OBJECT, .of = &schema_##s, .text = (t)                              \
    }
#define OBJ_(n, s, t)                                                                              \
    {                                                                                              \
        .name = (n), .type = M_OBJECT, .null = true, .of = &schema_##s, .text = (t)                \
    }
#define LIST(n, s, t)                                                                              \
    {                                                                                              \
        .name = (n), .type = M_LIST, .of = &schema_##s, .text = (t)                                \
    }
#define LIST_OF(n, i, t)                                                                           \
    {                                                                                              \
        .name = (n), .type = M_LIST, .item = (i), .text = (t)                                      \
    }
#define SPREAD(s)                                                                                  \
    {                                                                                              \
        .type = M_SPREAD, .of = &schema_##s                                                        \
    }
#define SOMETIMES(n, ty, t)                                                                        \
    {                                                                                              \
        .name = (n), .type = (ty), .absent = true, .text = (t)                                     \
    }

// The words of a type: "number or null", "list of Candle", "Levels".
void schema_type_text(const struct member *m, struct buf *out);

// ---- schema_common.c
extern const struct schema schema_age, schema_who, schema_error;
extern const struct schema schema_coverage_ratio;

// ---- schema_market.c
extern const struct schema schema_price, schema_price_answer, schema_levels, schema_levels_answer;
extern const struct schema schema_context, schema_mark, schema_mark_answer, schema_book;
extern const struct schema schema_coverage;
extern const struct schema schema_trade, schema_trades, schema_trades_range, schema_trades_stats;
extern const struct schema schema_events, schema_liquidations;
extern const struct schema schema_clusters, schema_support, schema_clusters_debug;

// ---- schema_state.c
extern const struct schema schema_health, schema_ready, schema_ws_health, schema_backfill;
extern const struct schema schema_metrics, schema_symbols;

// ---- schema_flow.c
extern const struct schema schema_cvd, schema_cvd_reset, schema_cvd_history;
extern const struct schema schema_delta, schema_delta_multi, schema_delta_history;

// ---- schema_strategy.c
extern const struct schema schema_strategy_status, schema_candles, schema_strategy_metrics;
extern const struct schema schema_diagnostics;
extern const struct schema schema_debug_vwap, schema_debug_poc, schema_debug_exchangeinfo;

#endif
