#ifndef IO_WS_PROXY_H
#define IO_WS_PROXY_H
// Which HTTP proxy a WebSocket goes through, by the variables that curl reads: https_proxy for
// wss://, http_proxy for ws://, all_proxy for both (lower case first, then upper case, but never
// HTTP_PROXY), unless no_proxy names the host or a domain it ends in, or is "*". Loopback hosts are
// always reached directly. libwebsockets alone would send every connection through http_proxy.

#include <stddef.h>

#include "common/base/opt.h"
#include "common/io/ws_url.h"

#define WS_PROXY_MAX 256

// Writes "[user:pass@]host:port" into out, ":0" for none: the form that lws_set_proxy() takes.
// A proxy of another scheme than http:// or without a port counts as none.
void ws_proxy_for(const struct ws_url *u, opt_getenv_fn getenv_fn, void *arg,
                  char out[WS_PROXY_MAX]);

#endif
