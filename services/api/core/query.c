// The query string of a request, checked against its route's row.

#include <string.h>

#include "services/api/core/route.h"

#include "common/base/clock.h"
#include "common/base/str.h"

int symbol_find(const char *s, const struct instrument *ins, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_ieq(s, ins[i].name) || str_ieq(s, ins[i].symbol)) {
            return (int)i;
        }
    }
    return -1;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Percent-decodes s[n] into out[size]. false: a bad escape, a NUL, or too long.
static bool decode(const char *s, size_t n, char *out, size_t size)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0) {
                return false;
            }
            c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
            i += 2;
        }
        if (c == 0 || k + 1 >= size) {
            return false;
        }
        out[k++] = (char)c;
    }
    out[k] = '\0';
    return true;
}

// "60,300,900" into list[]; *num = how many.
static int take_list(const struct param *p, const char *v, int64_t *list, int64_t *num,
                     struct err *e)
{
    int64_t n = 0;
    for (const char *s = v;; s++) {
        const size_t len = strcspn(s, ",");
        int64_t one;
        bool ok =
            n < PARAM_LIST_MAX && parse_i64(s, len, &one) == 0 && one >= p->min && one <= p->max;
        for (int64_t i = 0; ok && i < n; i++) {
            ok = list[i] != one;
        }
        if (!ok) {
            return err_set(e, ERR_RANGE,
                           "%s: '%.40s' is not a list of 1 to %d different whole numbers from "
                           "%lld to %lld, comma separated",
                           p->name, v, PARAM_LIST_MAX, (long long)p->min, (long long)p->max);
        }
        list[n++] = one;
        s += len;
        if (*s == '\0') {
            break;
        }
    }
    for (int64_t i = n; i < PARAM_LIST_MAX; i++) {
        list[i] = 0;
    }
    *num = n;
    return 0;
}

static int bad_symbol(const char *v, const struct instrument *ins, size_t n, struct err *e)
{
    char list[160] = "";
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!str_fmt(list + at, sizeof list - at, "%s%s", i ? ", " : "", ins[i].name)) {
            break;
        }
        at += strlen(list + at);
    }
    return err_set(e, ERR_RANGE, "symbol: '%.40s' is not configured (allowed: %s)", v, list);
}

static int take(const struct param *p, const char *v, const struct instrument *ins, size_t n,
                struct query *out, int64_t *num, struct err *e)
{
    switch (p->type) {
    case PARAM_SYMBOL: {
        int i = symbol_find(v, ins, n);
        if (i < 0) {
            return bad_symbol(v, ins, n, e);
        }
        out->instrument = (size_t)i;
        out->symbol_given = true;
        return 0;
    }
    case PARAM_INT:
        if (parse_i64(v, strlen(v), num) != 0 || *num < p->min || *num > p->max) {
            return err_set(e, ERR_RANGE, "%s: '%.40s' is not a whole number from %lld to %lld",
                           p->name, v, (long long)p->min, (long long)p->max);
        }
        return 0;
    case PARAM_CHOICE: {
        char list[80] = "";
        size_t at = 0;
        for (size_t i = 0; p->choices[i]; i++) {
            if (strcmp(v, p->choices[i]) == 0) {
                *num = (int64_t)i;
                return 0;
            }
            (void)str_fmt(list + at, sizeof list - at, "%s%s", i ? ", " : "", p->choices[i]);
            at += strlen(list + at);
        }
        return err_set(e, ERR_RANGE, "%s: '%.40s' is not one of %s", p->name, v, list);
    }
    case PARAM_DAY:
        if (parse_day(v, strlen(v), num) != 0) {
            return err_set(e, ERR_SYNTAX, "%s: '%.40s' is not a date YYYY-MM-DD", p->name, v);
        }
        return 0;
    case PARAM_LIST:
        return take_list(p, v, out->list, num, e);
    }
    return ERR_SYNTAX;
}

static int unknown_param(const struct route *r, const char *name, struct err *e)
{
    char list[120] = "none";
    size_t at = 0;
    for (const struct param *p = r->param; p->name; p++) {
        (void)str_fmt(list + at, sizeof list - at, "%s%s", at ? ", " : "", p->name);
        at += strlen(list + at);
    }
    return err_set(e, ERR_SYNTAX, "unknown parameter '%.40s' (allowed: %s)", name, list);
}

int route_query(const struct route *r, const char *query, const struct instrument *ins, size_t n,
                struct query *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    out->route = r;
    bool seen[ROUTE_PARAMS] = {false};
    for (size_t i = 0; i < ROUTE_PARAMS && r->param[i].name; i++) {
        const struct param *p = &r->param[i];
        out->num[i] = -1;
        if (p->def && take(p, p->def, ins, n, out, &out->num[i], e) != 0) {
            return ERR_STATE; // our own default
        }
    }
    const char *s = query ? query : "";
    if (strlen(s) > QUERY_MAX) {
        return err_set(e, ERR_LIMIT, "query: %zu bytes are more than the %d allowed", strlen(s),
                       QUERY_MAX);
    }
    while (*s) {
        size_t len = strcspn(s, "&");
        size_t eq = 0;
        while (eq < len && s[eq] != '=') {
            eq++;
        }
        char name[48], value[64];
        if (!decode(s, eq, name, sizeof name)) {
            return err_set(e, ERR_SYNTAX, "query: '%.*s' is not a parameter name",
                           (int)(eq < 40 ? eq : 40), s);
        }
        const char *v = eq < len ? s + eq + 1 : s + len;
        size_t vn = (size_t)(s + len - v);
        s += len + (s[len] == '&');
        if (len == 0 || name[0] == '_') {
            continue;
        }
        size_t i = 0;
        while (r->param[i].name && strcmp(r->param[i].name, name) != 0) {
            i++;
        }
        if (!r->param[i].name) {
            return unknown_param(r, name, e);
        }
        if (seen[i]) {
            return err_set(e, ERR_SYNTAX, "%s: given more than once (allowed: once)", name);
        }
        seen[i] = true;
        if (!decode(v, vn, value, sizeof value)) {
            return err_set(e, ERR_SYNTAX,
                           "%s: '%.*s' is not readable (allowed: percent-encoding, 63 bytes)", name,
                           (int)(vn < 40 ? vn : 40), v);
        }
        int rc = take(&r->param[i], value, ins, n, out, &out->num[i], e);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
