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

static int parse_port(const char *s, size_t n, int *port, struct err *e)
{
    int64_t v = 0;
    if (parse_i64(s, n, &v) || v < 1 || v > 65535) {
        return err_set(e, ERR_RANGE, "port '%.*s' is not a number from 1 to 65535",
                       (int)(n > 40 ? 40 : n), s);
    }
    *port = (int)v;
    return 0;
}

// "host[:port]" or "[v6][:port]".
static int parse_node(const char *s, size_t n, int default_port, struct redis_node *out,
                      struct err *e)
{
    const char *port = NULL, *host = s;
    size_t hn = n;
    if (n > 0 && s[0] == '[') { // an IPv6 address
        const char *close = memchr(s, ']', n);
        if (!close || (close + 1 < s + n && close[1] != ':')) {
            return err_set(e, ERR_SYNTAX, "the '[' of the host is not closed");
        }
        host = s + 1;
        hn = (size_t)(close - host);
        port = close + 1 < s + n ? close + 2 : NULL;
    } else {
        const char *colon = memchr(s, ':', n);
        if (colon) {
            hn = (size_t)(colon - s);
            port = colon + 1;
        }
    }
    out->port = default_port;
    if (port) {
        int rc = parse_port(port, (size_t)(s + n - port), &out->port, e);
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
    return decode("host", host, hn, out->host, sizeof out->host, e);
}

static int parse_nodes(const char *s, size_t n, int default_port, struct redis_url *u,
                       struct err *e)
{
    for (;;) {
        const char *comma = memchr(s, ',', n);
        const size_t len = comma ? (size_t)(comma - s) : n;
        if (u->n_nodes == REDIS_NODES) {
            return err_set(e, ERR_RANGE, "more than %d hosts", REDIS_NODES);
        }
        int rc = parse_node(s, len, default_port, &u->node[u->n_nodes++], e);
        if (rc || !comma) {
            return rc;
        }
        n -= len + 1;
        s = comma + 1;
    }
}

static int parse_master(const char *s, size_t n, struct redis_url *u, struct err *e)
{
    if (n == 0 || n >= sizeof u->master) {
        return err_set(e, ERR_SYNTAX, "a Sentinel URL ends with /<name of the master>[/db]");
    }
    for (size_t i = 0; i < n; i++) { // as Sentinel allows them
        if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= 'A' && s[i] <= 'Z') &&
            !(s[i] >= '0' && s[i] <= '9') && !strchr(".-_", s[i])) {
            return err_set(e, ERR_SYNTAX, "the name of the master may hold A-Z a-z 0-9 . - _");
        }
    }
    str_copyn(u->master, sizeof u->master, s, n);
    return 0;
}

// What stands behind the scheme: [user:pass@]hosts[/path].
static int parse_tcp(const char *s, size_t n, struct redis_url *u, struct err *e)
{
    const char *slash = memchr(s, '/', n);
    size_t an = slash ? (size_t)(slash - s) : n;
    const char *path = slash ? slash + 1 : s + n;
    size_t pn = (size_t)(s + n - path);
    int rc = 0;
    if (u->kind == REDIS_SENTINEL) {
        const char *second = memchr(path, '/', pn);
        rc = parse_master(path, second ? (size_t)(second - path) : pn, u, e);
        pn = second ? pn - (size_t)(second + 1 - path) : 0;
        path = second ? second + 1 : s + n;
    } else if (u->kind == REDIS_CLUSTER && pn > 0 && !(pn == 1 && path[0] == '0')) {
        rc = err_set(e, ERR_SYNTAX, "a cluster has database 0 alone");
    }
    rc = rc || pn == 0 ? rc : parse_db(path, pn, u, e);
    if (rc) {
        return rc;
    }
    const char *at = memrchr(s, '@', an);
    if (at) {
        rc = parse_userinfo(s, (size_t)(at - s), u, e);
        if (rc) {
            return rc;
        }
        an -= (size_t)(at + 1 - s);
        s = at + 1;
    }
    if (u->kind != REDIS_SINGLE) {
        return parse_nodes(s, an, u->kind == REDIS_SENTINEL ? 26379 : 6379, u, e);
    }
    struct redis_node one = {.port = 0};
    rc = parse_node(s, an, 6379, &one, e);
    str_copy(u->host, sizeof u->host, one.host);
    u->port = one.port;
    return rc;
}

int redis_url_parse(const char *s, struct redis_url *out, struct err *e)
{
    struct redis_url u = {0};
    int rc;
    if (str_starts(s, "redis://")) {
        rc = parse_tcp(s + 8, strlen(s + 8), &u, e);
    } else if (str_starts(s, "redis+sentinel://")) {
        u.kind = REDIS_SENTINEL;
        rc = parse_tcp(s + 17, strlen(s + 17), &u, e);
    } else if (str_starts(s, "redis+cluster://")) {
        u.kind = REDIS_CLUSTER;
        rc = parse_tcp(s + 16, strlen(s + 16), &u, e);
    } else if (str_starts(s, "unix://")) {
        rc = parse_unix(s + 7, strlen(s + 7), &u, e);
    } else if (str_starts(s, "rediss://")) {
        rc = err_set(e, ERR_SYNTAX,
                     "rediss:// (TLS) is not supported: put a TLS proxy such as stunnel beside it");
    } else {
        rc = err_set(e, ERR_SYNTAX,
                     "must begin with redis://, unix://, redis+sentinel:// or redis+cluster://");
    }
    if (rc == 0) {
        *out = u;
    }
    return rc;
}

static void show_node(const struct redis_node *n, char *out, size_t size)
{
    const bool v6 = strchr(n->host, ':') != NULL;
    str_fmt(out, size, "%s%s%s:%d", v6 ? "[" : "", n->host, v6 ? "]" : "", n->port);
}

void redis_url_show(const struct redis_url *u, char *out, size_t size)
{
    const char *who = u->user;
    const char *secret = u->pass[0] ? ":***" : "";
    char host[160];
    if (u->is_unix) {
        char db[16] = "";
        if (u->db) {
            str_fmt(db, sizeof db, "?db=%d", u->db);
        }
        str_fmt(out, size, "unix://%s%s%s%s%s", who, secret, who[0] || secret[0] ? "@" : "",
                u->host, db);
        return;
    }
    if (u->kind == REDIS_SINGLE) {
        struct redis_node one = {.port = u->port};
        str_copy(one.host, sizeof one.host, u->host);
        show_node(&one, host, sizeof host);
        str_fmt(out, size, "redis://%s%s%s%s/%d", who, secret, who[0] || secret[0] ? "@" : "", host,
                u->db);
        return;
    }
    // The first host stands for all of them.
    show_node(&u->node[0], host, sizeof host);
    str_fmt(out, size, "redis+%s://%s%s%s%s%s%s%s",
            u->kind == REDIS_SENTINEL ? "sentinel" : "cluster", who, secret,
            who[0] || secret[0] ? "@" : "", host, u->n_nodes > 1 ? ",..." : "",
            u->master[0] ? "/" : "", u->master);
}
