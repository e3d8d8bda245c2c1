#ifndef SIM_CORE_REQUESTS_H
#define SIM_CORE_REQUESTS_H
// What was asked of the venue over HTTP, and what it answered: a line each, so that a test can
// prove that nothing was fetched twice and nothing beyond the budget.
//
//   n,wall_ms,method,path?query,status,fault,weight,rows,first_id,last_id,bytes
//
// rows, first_id and last_id of an answer of aggTrades (0,-1,-1 else); fault: "" or what an order
// made of the answer. Commas in a query are written as blanks.

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"

#define REQUESTS_MAX ((size_t)32 << 20)

struct request {
    int64_t wall_ms;
    const char *method, *path, *query, *fault;
    int status;
    int64_t weight; // of the minute so far; -1 not told
    struct slice body;
};

struct requests {
    struct buf text;
    int64_t n;
    bool full; // later ones are not kept
};

void requests_init(struct requests *r);
void requests_release(struct requests *r);
void requests_add(struct requests *r, const struct request *q);

#endif
