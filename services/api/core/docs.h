#ifndef API_DOCS_H
#define API_DOCS_H
// The interface described from its own tables: routes, schemas, push channels.

#include "common/base/buf.h"

void page_openapi(struct buf *out); // OpenAPI 3.1
void page_docs(struct buf *out);    // HTML without script, nothing loaded from anywhere

// What a client may say over the WebSocket.
struct ws_words {
    const char *op, *example, *text;
};
extern const struct ws_words ws_words[];
extern const size_t ws_words_n;
// How a channel's values come: "state", "rows", "entries".
const char *ws_kind_text(int kind);

#endif
