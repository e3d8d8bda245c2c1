#ifndef IO_WS_URL_H
#define IO_WS_URL_H
// ws://host[:port][/path][?query] and wss://. An IPv6 host stands in [].

#include <stdbool.h>

#include "common/base/err.h"

// libwebsockets 4.1 cuts a longer request line without a word.
#define WS_URL_MAX 2000

struct ws_url {
    bool tls;
    char host[256];        // without []
    char host_header[264]; // with the port when it is not the usual one
    int port;
    const char *path; // into the URL that was parsed, query included; "/" when there is none
};
int ws_url_parse(const char *url, struct ws_url *out, struct err *e) MUST_CHECK;

#endif
