// links: api
// What a WebSocket client sends, cut into pieces of the size that the first byte tells.

#include "services/api/core/wsproto.h"
#include "tests/fuzz/fuzz.h"

#define MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wsin w;
    if (size == 0) {
        return 0;
    }
    const size_t piece = (size_t)data[0] + 1;
    const uint8_t *at = data + 1;
    size_t left = size - 1;
    int rc = 0;
    wsin_init(&w, MAX);
    while (left > 0 && rc >= 0) {
        size_t room = 0;
        char *to = wsin_room(&w, &room);
        CHECK(to != NULL && room > 0);
        size_t n = left < piece ? left : piece;
        n = n < room ? n : room;
        memcpy(to, at, n);
        wsin_took(&w, n);
        at += n;
        left -= n;
        enum ws_op op;
        const char *p;
        size_t len;
        while ((rc = wsin_next(&w, &op, &p, &len)) == 1) {
            CHECK(op == WS_TEXT || op == WS_CLOSE || op == WS_PING || op == WS_PONG);
            CHECK(len <= MAX && (op == WS_TEXT || len <= 125));
            char *copy = fuzz_copy((const uint8_t *)p, len); // reads all of it
            for (size_t i = 0; op == WS_TEXT && i < len;) {
                const size_t step = utf8_len(copy + i, len - i);
                CHECK(step > 0); // text is UTF-8, or the client is told so
                i += step;
            }
            free(copy);
        }
        CHECK(rc == 0 || (rc <= -1000 && rc > -5000));
    }
    wsin_release(&w);
    return 0;
}
