#include "services/api/core/rhash.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct rhash {
    atomic_size_t refs;
    size_t n;
    struct rfield field[]; // ascending by name; the texts follow in the same block
};

struct pair {
    struct slice name, value;
    size_t order; // later wins
};

static int name_cmp(const char *a, size_t an, const char *b, size_t bn)
{
    size_t n = an < bn ? an : bn;
    int c = n > 0 ? memcmp(a, b, n) : 0;
    return c != 0 ? c : (an > bn) - (an < bn);
}

static int pair_cmp(const void *pa, const void *pb)
{
    const struct pair *a = pa, *b = pb;
    int c = name_cmp(a->name.p, a->name.n, b->name.p, b->name.n);
    return c != 0 ? c : (a->order > b->order) - (a->order < b->order);
}

static struct rhash *build(const struct pair *p, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += p[i].name.n + p[i].value.n + 2;
    }
    struct rhash *h = xmalloc(sizeof *h + n * sizeof h->field[0] + bytes);
    atomic_init(&h->refs, 1);
    h->n = n;
    char *text = (char *)&h->field[n];
    for (size_t i = 0; i < n; i++) {
        struct rfield *f = &h->field[i];
        f->name = text;
        f->nlen = p[i].name.n;
        memcpy(text, p[i].name.p, f->nlen);
        text[f->nlen] = '\0';
        text += f->nlen + 1;
        f->value = text;
        f->vlen = p[i].value.n;
        if (f->vlen > 0) {
            memcpy(text, p[i].value.p, f->vlen);
        }
        text[f->vlen] = '\0';
        text += f->vlen + 1;
    }
    return h;
}

static size_t sort_pairs(struct pair *p, const struct slice *kv, size_t pairs)
{
    bool sorted = true;
    for (size_t i = 0; i < pairs; i++) {
        p[i] = (struct pair){kv[2 * i], kv[2 * i + 1], i};
        sorted = sorted && (i == 0 || name_cmp(p[i - 1].name.p, p[i - 1].name.n, p[i].name.p,
                                               p[i].name.n) < 0);
    }
    if (sorted) {
        return pairs;
    }
    qsort(p, pairs, sizeof *p, pair_cmp);
    size_t n = 0;
    for (size_t i = 0; i < pairs; i++) {
        bool again = i + 1 < pairs &&
                     name_cmp(p[i].name.p, p[i].name.n, p[i + 1].name.p, p[i + 1].name.n) == 0;
        if (!again) {
            p[n++] = p[i];
        }
    }
    return n;
}

struct rhash *rhash_new(const struct slice *kv, size_t pairs)
{
    struct pair *p = xmalloc((pairs + 1) * sizeof *p);
    size_t n = sort_pairs(p, kv, pairs);
    struct rhash *h = build(p, n);
    free(p);
    return h;
}

struct rhash *rhash_patch(const struct rhash *base, const struct slice *kv, size_t pairs)
{
    size_t old = rhash_count(base);
    struct pair *over = xmalloc((pairs + 1) * sizeof *over);
    struct pair *all = xmalloc((old + pairs + 1) * sizeof *all);
    size_t m = sort_pairs(over, kv, pairs), n = 0, i = 0, j = 0;
    while (i < old || j < m) {
        int c = 1;
        if (i < old) {
            const struct rfield *f = &base->field[i];
            c = j < m ? name_cmp(f->name, f->nlen, over[j].name.p, over[j].name.n) : -1;
            if (c < 0) {
                all[n++] = (struct pair){{f->name, f->nlen}, {f->value, f->vlen}, 0};
                i++;
                continue;
            }
        }
        if (c == 0) {
            i++;
        }
        if (over[j].value.p) {
            all[n++] = over[j];
        }
        j++;
    }
    struct rhash *h = build(all, n);
    free(all);
    free(over);
    return h;
}

struct rhash *rhash_ref(struct rhash *h)
{
    if (h) {
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    }
    return h;
}

void rhash_unref(struct rhash *h)
{
    if (h && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1) {
        free(h);
    }
}

size_t rhash_count(const struct rhash *h)
{
    return h ? h->n : 0;
}

const struct rfield *rhash_at(const struct rhash *h, size_t i)
{
    return &h->field[i];
}

const struct rfield *rhash_find(const struct rhash *h, const char *name)
{
    size_t len = strlen(name), lo = 0, hi = rhash_count(h);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct rfield *f = &h->field[mid];
        int c = name_cmp(f->name, f->nlen, name, len);
        if (c == 0) {
            return f;
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

const char *rhash_get(const struct rhash *h, const char *name)
{
    const struct rfield *f = rhash_find(h, name);
    return f ? f->value : "";
}

int64_t rhash_i64(const struct rhash *h, const char *name, int64_t dflt)
{
    const struct rfield *f = rhash_find(h, name);
    int64_t v = 0;
    return f && parse_i64(f->value, f->vlen, &v) == 0 ? v : dflt;
}

bool rhash_equal(const struct rhash *a, const struct rhash *b)
{
    if (a == b) {
        return true;
    }
    if (rhash_count(a) != rhash_count(b)) {
        return false;
    }
    for (size_t i = 0; i < rhash_count(a); i++) {
        const struct rfield *x = &a->field[i], *y = &b->field[i];
        if (x->nlen != y->nlen || x->vlen != y->vlen || memcmp(x->name, y->name, x->nlen) != 0 ||
            memcmp(x->value, y->value, x->vlen) != 0) {
            return false;
        }
    }
    return true;
}
