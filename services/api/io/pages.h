#ifndef API_PAGES_H
#define API_PAGES_H
// The routes that are pages, rendered once.

#include "common/base/buf.h"
#include "services/api/core/route.h"

struct page {
    struct slice text;
    char tag[24]; // of an ETag, without its quotes
};
struct pages;
struct pages *pages_new(void);
void pages_free(struct pages *p);
// The page of a route; NULL when it is none.
const struct page *pages_get(const struct pages *p, const struct route *r);

#endif
