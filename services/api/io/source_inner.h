#ifndef API_SOURCE_INNER_H
#define API_SOURCE_INNER_H
// What the two files of the source share: source.c (what changed is read and published),
// source_sweep.c (versions and health hashes are compared once in a while).

#include "services/api/io/patch.h"
#include "services/api/io/source.h"

#define SERVICES_MAX 64
#define BIT(sec) (1u << (sec))
#define DAY_SECTIONS (BIT(SEC_DAY) | BIT(SEC_PREV) | BIT(SEC_PROFILE))
#define FOOTPRINTS (BIT(SEC_FOOT_1M) | BIT(SEC_FOOT_5M))
// What no notice and no version told is healed by reading everything once in a while.
#define SOURCE_RELOAD_MS 60000
#define N_BULK 7 // hashes too large to be read again for each trade

struct bulk {
    struct patch due, sent; // fields to read, fields being read
    int64_t ver;            // of the last notice
};

struct inst {
    struct source *src;
    size_t i;
    const struct instrument *who;
    struct snap *cur; // what was published last; a reference
    unsigned dirty;   // sections to read again
    unsigned sent;    // sections of the read under way, read as a whole
    struct bulk bulk[N_BULK];
    bool busy;              // a read is under way
    int64_t next_bulky_ms;  // not before this moment are bulky sections read again
    char day[16], prev[16]; // days the sections of cur are of; "" unknown
};

// One question of a sweep.
struct look {
    struct source *src;
    size_t inst, what; // version `what` of an instrument; inst = n: health of service `what`
};

struct source {
    struct source_opts o;
    struct redis *redis;
    struct subscriber *sub;
    struct timer *sweep, *later, *soon;
    struct redis_tx *tx;
    struct inst *inst;
    size_t n;
    bool sweeping, sweep_failed;
    struct look *look;
    size_t looks_left; // questions without an answer
    int64_t sweep_sent_ms;
    int64_t reload_ms;              // when everything is read again, if nothing else makes it so
    char service[SERVICES_MAX][96]; // members of bc4:services during a sweep
    struct rhash *health[SERVICES_MAX];
    size_t services;
};

// "bc4:{instrument}:<tail>" of a section.
void source_section_key(const struct inst *in, enum section sec, char key[KEY_MAX]);
// Makes `snap` the instrument's newest; takes the reference.
void source_publish_take(struct inst *in, struct snap *snap);
// Asks for what is due, of every instrument or of those whose sections were marked.
void source_read_due(struct source *s);
// Everything is to be read again.
void source_all_dirty(struct source *s);
// Before the first sweep, and at the end.
void source_sweep_init(struct source *s);
void source_sweep_release(struct source *s);
// Timer callback, every API_SWEEP_MS: compares versions, reads health hashes. arg: struct source.
void source_sweep(void *arg);

#endif
