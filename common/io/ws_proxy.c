#include "common/io/ws_proxy.h"

#include <string.h>
#include <strings.h>

#include "common/base/str.h"

static bool is_loopback(const char *host)
{
    return str_ieq(host, "localhost") || str_starts(host, "127.") || strcmp(host, "::1") == 0;
}

// Is host the name, or in the domain, that item[n] says? A leading dot makes no difference.
static bool is_named(const char *host, const char *item, size_t n)
{
    if (n > 0 && item[0] == '.') {
        item++;
        n--;
    }
    size_t hn = strlen(host);
    if (n == 0 || hn < n || strncasecmp(host + hn - n, item, n) != 0) {
        return false;
    }
    return hn == n || host[hn - n - 1] == '.';
}

static bool is_exempt(const char *host, const char *list)
{
    while (list && *list) {
        list += strspn(list, ", \t");
        size_t n = strcspn(list, ", \t");
        if ((n == 1 && *list == '*') || is_named(host, list, n)) {
            return true;
        }
        list += n;
    }
    return false;
}

static const char *first_set(opt_getenv_fn getenv_fn, void *arg, const char *const *names)
{
    for (; *names; names++) {
        const char *v = getenv_fn(arg, *names);
        if (v && *v) {
            return v;
        }
    }
    return NULL;
}

void ws_proxy_for(const struct ws_url *u, opt_getenv_fn getenv_fn, void *arg,
                  char out[WS_PROXY_MAX])
{
    static const char *const none[] = {"no_proxy", "NO_PROXY", NULL};
    static const char *const plain[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const tls[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
    str_copy(out, WS_PROXY_MAX, ":0");
    if (is_loopback(u->host) || is_exempt(u->host, first_set(getenv_fn, arg, none))) {
        return;
    }
    const char *p = first_set(getenv_fn, arg, u->tls ? tls : plain);
    if (!p) {
        return;
    }
    const char *scheme = strstr(p, "://");
    if (scheme) {
        if (!str_starts(p, "http://")) {
            return;
        }
        p = scheme + 3;
    }
    size_t n = strcspn(p, "/");
    const char *at = memrchr(p, '@', n);
    const char *host = at ? at + 1 : p;
    const char *colon = memchr(host, ':', (size_t)(p + n - host));
    if (!colon || colon == host || colon + 1 == p + n) {
        return;
    }
    if (!str_copyn(out, WS_PROXY_MAX, p, n)) {
        str_copy(out, WS_PROXY_MAX, ":0");
    }
}
