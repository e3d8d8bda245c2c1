#include "services/api/io/pages.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "services/api/io/tag.h"

#define PAGE_MAX ((size_t)4 << 20)

struct pages {
    size_t n;
    struct {
        struct buf text;
        struct page page;
    } at[];
};

struct pages *pages_new(void)
{
    struct pages *p = xcalloc(1, sizeof *p + routes_n * sizeof p->at[0]);
    p->n = routes_n;
    for (size_t i = 0; i < p->n; i++) {
        struct buf *b = &p->at[i].text;
        buf_init(b, PAGE_MAX);
        if (routes[i].page == NULL) {
            continue;
        }
        routes[i].page(b);
        p->at[i].page.text = (struct slice){buf_ptr(b), buf_len(b)};
        tag_text(p->at[i].page.tag, tag_of(buf_ptr(b), buf_len(b)), "");
    }
    return p;
}

void pages_free(struct pages *p)
{
    for (size_t i = 0; p != NULL && i < p->n; i++) {
        buf_release(&p->at[i].text);
    }
    free(p);
}

const struct page *pages_get(const struct pages *p, const struct route *r)
{
    const size_t i = route_index(r);
    return p != NULL && i < p->n && p->at[i].page.text.n > 0 ? &p->at[i].page : NULL;
}
