#include "services/api/core/schema.h"

SCHEMA(age, "Age", YES("redis_up", "the gateway is connected to Redis"),
       INT_("data_age_ms", "since what is shown was last known to equal Redis"));

SCHEMA(who, "Instrument", TEXT("instrument", "venue:symbol"),
       YES("simulated", "the market is simulated: exchange-sim, no venue"));

SCHEMA(error, "Error", TEXT("error", "what, the given value, what is allowed"));

SCHEMA(coverage_ratio, "CoverageRatio", NUM_("today", "proven share of the day so far, 0 to 1"),
       NUM_("prev", "of the previous day"), NUM_("or", "of the opening range"));

void schema_type_text(const struct member *m, struct buf *out)
{
    static const char *const words[] = {
        [M_BOOL] = "boolean",       [M_INT] = "integer",  [M_NUM] = "number",
        [M_TEXT] = "text",          [M_TIME] = "time",    [M_DAY] = "date",
        [M_ID] = "integer or text", [M_ANY] = "any JSON", [M_OBJECT] = "object",
        [M_LIST] = "list",          [M_SPREAD] = "",
    };
    if (m->type == M_LIST) {
        buf_adds(out, "list of ");
        buf_adds(out, m->of != NULL ? m->of->name : words[m->item]);
    } else if (m->type == M_OBJECT) {
        buf_adds(out, m->of->name);
    } else {
        buf_adds(out, words[m->type]);
    }
    if (m->null) {
        buf_adds(out, " or null");
    }
    if (m->absent) {
        buf_adds(out, ", may be missing");
    }
}
