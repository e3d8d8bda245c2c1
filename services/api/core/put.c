#include <string.h>

#include "services/api/core/answer.h"

#include "common/base/clock.h"
#include "services/api/core/jscan.h"

void put_num(struct jw *w, const char *key, const char *text)
{
    jw_kraw(w, key, text && json_number_text(text, strlen(text)) ? text : NULL);
}

void put_field(struct jw *w, const char *key, const struct rhash *h, const char *field)
{
    put_num(w, key, rhash_get(h, field));
}

void put_ts(struct jw *w, const char *key, int64_t ms)
{
    char text[32];
    // iso_ms() is for four-digit years.
    if (ms < 0 || ms > INT64_C(253402300799999)) {
        jw_kstr(w, key, NULL);
        return;
    }
    iso_ms(ms, text);
    jw_kstr(w, key, text);
}

void put_ts_field(struct jw *w, const char *key, const struct rhash *h, const char *field)
{
    put_ts(w, key, rhash_i64(h, field, -1));
}

void put_str_field(struct jw *w, const char *key, const struct rhash *h, const char *field)
{
    const char *s = rhash_get(h, field);
    jw_kstr(w, key, *s ? s : NULL);
}

void put_json(struct jw *w, const char *key, struct slice json)
{
    jw_key(w, key);
    if (json.p && jscan_is_json(json.p, json.n)) {
        buf_add(w->out, json.p, json.n);
        w->has[w->depth] = true;
        w->after_key = false;
    } else {
        jw_null(w);
    }
}
