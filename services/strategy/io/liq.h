#ifndef STRATEGY_IO_LIQ_H
#define STRATEGY_IO_LIQ_H
// :liquidations of one instrument -> :liquidation_clusters, on a connection of its own.

#include "common/io/redis.h"
#include "common/market/instrument.h"

struct liqs;
struct liqs_opts {
    struct loop *loop;
    struct redis_url url;
    struct instrument ins; // venue and symbol
    const char *bin;       // LIQUIDATION_BIN_SIZE; borrowed
};
struct liqs *liqs_new(const struct liqs_opts *o);
void liqs_free(struct liqs *q);

#endif
