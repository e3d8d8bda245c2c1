// The text of a set of ids. What is accepted prints as something that reads back to the same text.

#include "common/base/buf.h"
#include "common/market/idset.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = fuzz_copy(data, size);
    struct idset a, b;
    struct buf ta, tb;
    idset_init(&a, 64);
    idset_init(&b, 64);
    buf_init(&ta, (size_t)1 << 20);
    buf_init(&tb, (size_t)1 << 20);
    if (idset_parse(&a, s, size) == 0) {
        CHECK(a.n <= 64);
        for (size_t i = 0; i < a.n; i++) {
            CHECK(a.span[i].lo <= a.span[i].hi);
            CHECK(i == 0 || a.span[i - 1].hi < a.span[i].lo);
        }
        idset_format(&a, &ta);
        CHECK(idset_parse(&b, buf_ptr(&ta), buf_len(&ta)) == 0);
        idset_format(&b, &tb);
        CHECK(buf_len(&ta) == buf_len(&tb) &&
              memcmp(buf_ptr(&ta), buf_ptr(&tb), buf_len(&ta)) == 0);
        if (a.n > 0) {
            CHECK(idset_has(&a, a.span[0].lo) && idset_has(&a, a.span[a.n - 1].hi));
        }
    } else {
        CHECK(a.n == 0);
    }
    idset_release(&a);
    idset_release(&b);
    buf_release(&ta);
    buf_release(&tb);
    free(s);
    return 0;
}
