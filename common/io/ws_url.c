#include "common/io/ws_url.h"

#include <string.h>

#include "common/base/str.h"

int ws_url_parse(const char *url, struct ws_url *a, struct err *e)
{
    size_t n = strlen(url);
    const char *p = url;
    if (str_starts(p, "ws://")) {
        p += 5;
    } else if (str_starts(p, "wss://")) {
        a->tls = true;
        p += 6;
    } else {
        return err_set(e, ERR_SYNTAX, "'%.100s' is neither ws:// nor wss://", url);
    }
    if (n > WS_URL_MAX) {
        return err_set(e, ERR_RANGE, "a URL of more than %d bytes", WS_URL_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (url[i] <= ' ' || url[i] > '~') {
            return err_set(e, ERR_SYNTAX, "'%.100s' holds a byte that no URL has", url);
        }
    }
    size_t an = strcspn(p, "/?#");
    const char *path = p + an;
    if (*path != '\0' && *path != '/') {
        return err_set(e, ERR_SYNTAX, "'%.100s' has no path before its query", url);
    }
    a->path = *path ? path : "/";
    const char *host = p;
    size_t hn = an;
    const char *port = NULL;
    if (*p == '[') {
        const char *close = memchr(p, ']', an);
        if (!close) {
            return err_set(e, ERR_SYNTAX, "'%.100s': the '[' is not closed", url);
        }
        host = p + 1;
        hn = (size_t)(close - host);
        port = close + 1 < p + an ? close + 1 : NULL;
    } else {
        port = memchr(p, ':', an);
        hn = port ? (size_t)(port - p) : an;
    }
    a->port = a->tls ? 443 : 80;
    if (port) {
        int64_t v = 0;
        size_t pn = (size_t)(p + an - port);
        if (*port != ':' || parse_i64(port + 1, pn - 1, &v) || v < 1 || v > 65535) {
            return err_set(e, ERR_RANGE, "'%.100s': the port is not a number from 1 to 65535", url);
        }
        a->port = (int)v;
    }
    if (hn == 0 || memchr(host, '@', hn) || !str_copyn(a->host, sizeof a->host, host, hn)) {
        return err_set(e, ERR_SYNTAX, "'%.100s' has no usable host", url);
    }
    // The Host header names the port only when it is not the usual one.
    size_t shown = a->port == (a->tls ? 443 : 80) && port ? (size_t)(port - p) : an;
    str_copyn(a->host_header, sizeof a->host_header, p, shown);
    return 0;
}
