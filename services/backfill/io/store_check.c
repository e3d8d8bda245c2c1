#include "services/backfill/io/store_work.h"

int store_child_check(struct child *c, struct err *e)
{
    return store_day_load(&c->day, c->dir, e);
}
