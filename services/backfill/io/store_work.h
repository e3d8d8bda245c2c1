#ifndef BACKFILL_STORE_WORK_H
#define BACKFILL_STORE_WORK_H
// What the store's child process is made of; nothing outside it includes this.

#include "common/base/buf.h"
#include "services/backfill/io/duck.h"
#include "services/backfill/io/store_child.h"
#include "services/backfill/io/store_day.h"

#define SQL_MAX ((size_t)4 << 20)

struct child {
    struct duck d;
    const char *dir, *lib, *source, *sha256;
    enum venue venue;
    int64_t price_scale, qty_scale, memory_mb;
    struct store_day day;
};

// What the rows of one part are, found by reading them.
struct part_facts {
    int64_t rows, first_id, last_id, first_ms, last_ms;
    bool sorted, by_id; // in set order, by (ts_ms, id); ids ascend, too
    int64_t copies;     // ids told twice in a row
    int64_t holes;      // places where an id does not follow the one before
    int64_t missing;    // ids there
};

// ---- store_parts.c
void sql_quote(struct buf *b, const char *s);
// Runs what `sql` holds and empties it.
int sql_run(struct child *c, struct buf *sql, struct err *e) MUST_CHECK;
// Rows of all parts as (ts_ms, id, price, qty, buy [, uid, flags]) at the child's scales; a value
// that does not fit them ends the statement.
void sql_parts(const struct child *c, struct buf *b);
// A trade once, of the relation `from` with those columns.
void sql_once(const struct child *c, struct buf *b, const char *from);
bool part_is_whole(const struct child *c, int number); // its SHA-256 is the one beside it
bool part_sum(const struct child *c, int number, const char *file);
// Set aside as .bad, with its entry in c->day.
void part_set_aside(struct child *c, size_t i, const char *why);
void part_remove(struct child *c, size_t i);
int part_facts(struct child *c, const char *file, struct part_facts *f, struct err *e) MUST_CHECK;
// The entry of a part that day.json does not know, from the part itself.
int part_learn(struct child *c, struct store_part *p, struct err *e) MUST_CHECK;
void part_take_facts(struct store_part *p, const struct part_facts *f);

// ---- store_write.c, store_scan.c, store_check.c
int store_child_write(struct child *c, struct err *e) MUST_CHECK;
int store_child_read(struct child *c, struct err *e) MUST_CHECK;
int store_child_check(struct child *c, struct err *e) MUST_CHECK;
int store_child_repair(struct child *c, struct err *e) MUST_CHECK;

#endif
