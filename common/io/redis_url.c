// REDIS_URL. Strict: what is not understood is refused with the reason, because a typing error in
// the address of the only store must not become "connects to localhost".

#include "common/base/str.h"
#include "common/io/redis.h"

#include <stdio.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(const char *what, const char *s, size_t n, char *out, size_t size, struct err *e)
{
    size_t o = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            int hi = i + 2 < n ? hex(s[i + 1]) : -1;
            int lo = i + 2 < n ? hex(s[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                return err_set(e, ERR_SYNTAX, "%%-escape in the %s is not two hex digits", what);
            }
            c = (char)(hi * 16 + lo);
            i += 2;
        }
        if (c == '\0') {
            return err_set(e, ERR_SYNTAX, "a NUL byte in the %s", what);
        }
        if (o + 1 >= size) {
            return err_set(e, ERR_RANGE, "the %s is longer than %zu bytes", what, size - 1);
        }
        out[o++] = c;
    }
    out[o] = '\0';
    return 0;
}

static int parse_userinfo(const char *s, size_t n, struct redis_url *u, struct err *e)
{
    const char *colon = memchr(s, ':', n);
    size_t un = colon ? (size_t)(colon - s) : n;
    int rc = decode("user", s, un, u->user, sizeof u->user, e);
    if (rc == 0 && colon) {
        rc = decode("password", colon + 1, n - un - 1, u->pass, sizeof u->pass, e);
    }
    if (rc == 0 && u->user[0] && !u->pass[0]) {
        rc = err_set(e, ERR_SYNTAX, "a user without a password");
    }
    return rc;
}

static int parse_db(const char *s, size_t n, struct redis_url *u, struct err *e)
{
    int64_t v = 0;
    if (parse_i64(s, n, &v) || v < 0 || v > 65535) {
        return err_set(e, ERR_RANGE, "database '%.*s' is not a number from 0 to 65535",
                       (int)(n > 40 ? 40 : n), s);
    }
    u->db = (int)v;
    return 0;
}

static int parse_unix(const char *s, size_t n, struct redis_url *u, struct err *e)
{
    u->is_unix = true;
    const char *slash = memchr(s, '/', n);
    if (!slash) {
        return err_set(e, ERR_SYNTAX, "unix:// needs an absolute socket path");
    }
    if (slash != s) {
        if (slash[-1] != '@') {
            return err_set(e, ERR_SYNTAX, "unix:// needs an absolute socket path");
        }
        int rc = parse_userinfo(s, (size_t)(slash - 1 - s), u, e);
        if (rc) {
            return rc;
        }
    }
    n -= (size_t)(slash - s);
    const char *query = memchr(slash, '?', n);
    size_t pn = query ? (size_t)(query - slash) : n;
    if (query) {
        const char *q = query + 1;
        size_t qn = n - pn - 1;
        if (qn < 4 || memcmp(q, "db=", 3) != 0) {
            return err_set(e, ERR_SYNTAX, "only ?db=N may follow a socket path");
        }
        int rc = parse_db(q + 3, qn - 3, u, e);
        if (rc) {
            return rc;
        }
    }
    // 107 bytes is what the kernel takes.
    return decode("socket path", slash, pn, u->host, 108, e);
}

static int parse_port(const char *s, size_t n, struct redis_url *u, struct err *e)
{
    int64_t v = 0;
    if (parse_i64(s, n, &v) || v < 1 || v > 65535) {
        return err_set(e, ERR_RANGE, "port '%.*s' is not a number from 1 to 65535",
                       (int)(n > 40 ? 40 : n), s);
    }
    u->port = (int)v;
    return 0;
}

static int parse_tcp(const char *s, size_t n, struct redis_url *u, struct err *e)
{
    u->port = 6379;
    const char *slash = memchr(s, '/', n);
    size_t an = slash ? (size_t)(slash - s) : n; // [user:pass@]host[:port]
    if (slash && n - an > 1) {
        int rc = parse_db(slash + 1, n - an - 1, u, e);
        if (rc) {
            return rc;
        }
    }
    const char *at = memrchr(s, '@', an);
    if (at) {
        int rc = parse_userinfo(s, (size_t)(at - s), u, e);
        if (rc) {
            return rc;
        }
        an -= (size_t)(at + 1 - s);
        s = at + 1;
    }
    const char *port = NULL;
    size_t hn = an;
    const char *host = s;
    if (an > 0 && s[0] == '[') { // an IPv6 address
        const char *close = memchr(s, ']', an);
        if (!close || (close + 1 < s + an && close[1] != ':')) {
            return err_set(e, ERR_SYNTAX, "the '[' of the host is not closed");
        }
        host = s + 1;
        hn = (size_t)(close - host);
        port = close + 1 < s + an ? close + 2 : NULL;
    } else {
        const char *colon = memchr(s, ':', an);
        if (colon) {
            hn = (size_t)(colon - s);
            port = colon + 1;
        }
    }
    if (port) {
        int rc = parse_port(port, (size_t)(s + an - port), u, e);
        if (rc) {
            return rc;
        }
    }
    if (hn == 0) {
        return err_set(e, ERR_SYNTAX, "the host is empty");
    }
    for (size_t i = 0; i < hn; i++) {
        if ((unsigned char)host[i] <= ' ' || strchr("?#%\\\"'", host[i])) {
            return err_set(e, ERR_SYNTAX, "the host holds a character that no host name has");
        }
    }
    return decode("host", host, hn, u->host, sizeof u->host, e);
}

int redis_url_parse(const char *s, struct redis_url *out, struct err *e)
{
    struct redis_url u = {0};
    int rc;
    if (str_starts(s, "redis://")) {
        rc = parse_tcp(s + 8, strlen(s + 8), &u, e);
    } else if (str_starts(s, "unix://")) {
        rc = parse_unix(s + 7, strlen(s + 7), &u, e);
    } else if (str_starts(s, "rediss://")) {
        rc = err_set(e, ERR_SYNTAX,
                     "rediss:// (TLS) is not supported: put a TLS proxy such as stunnel beside it");
    } else {
        rc = err_set(e, ERR_SYNTAX, "must begin with redis:// or unix://");
    }
    if (rc == 0) {
        *out = u;
    }
    return rc;
}

void redis_url_show(const struct redis_url *u, char *out, size_t size)
{
    const char *who = u->user;
    const char *secret = u->pass[0] ? ":***@" : "";
    if (u->is_unix) {
        char db[16] = "";
        if (u->db) {
            str_fmt(db, sizeof db, "?db=%d", u->db);
        }
        str_fmt(out, size, "unix://%s%s%s%s", who, secret, u->host, db);
        return;
    }
    bool v6 = strchr(u->host, ':') != NULL;
    str_fmt(out, size, "redis://%s%s%s%s%s:%d/%d", who, secret, v6 ? "[" : "", u->host,
            v6 ? "]" : "", u->port, u->db);
}
