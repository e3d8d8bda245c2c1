#ifndef BACKFILL_ARCHIVE_IN_H
#define BACKFILL_ARCHIVE_IN_H
// Shared by archive.c (life, files) and archive_get.c (requests) alone.

#include "services/backfill/core/digest.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/archive_meta.h"
#include "services/backfill/io/archive_parse.h"

enum step { IDLE, ASKING, CHECKSUM, HASHING, DOWNLOAD, PARSING, PAUSE, HOPELESS };

struct archive {
    struct app *app;
    struct source_day want;
    enum step step;
    struct timer *timer;
    struct http_call *call;
    int fd;
    int tries;
    bool kept;     // the file being hashed or parsed was on disk before
    bool whole;    // Bybit: and it is what once came
    bool known;    // Bybit: the asker has all of the version that .meta names
    bool fresh;    // the answer's first bytes have come
    char name[96]; // BTCUSDT-aggTrades-2026-11-21.zip
    char url[512]; // of the file
    char path[512], part[520], meta_path[520];
    char want_sha[DIGEST_HEX];
    struct archive_meta meta;
    char said[200]; // of an error's text
    struct digest *digest;
    struct archive_parse *parse;
    struct err e;
};

static inline bool archive_is_bybit(const struct archive *x)
{
    return x->want.ins->venue == VENUE_BYBIT;
}

// ---- archive.c
void archive_close_file(struct archive *x);
void archive_set_aside(const char *path); // renamed to PATH.bad
// Begins reading a file on disk; false: it is not there.
bool archive_begin_hashing(struct archive *x, const char *path, bool kept);
void archive_parse_or_fail(struct archive *x);
void archive_finish(struct archive *x, enum source_end end, const char *why);
// Tries again later, or gives up.
void archive_failed(struct archive *x, const char *why);
// The venue can not be asked, or says no: a file of it that is whole is used all the same.
void archive_give_up(struct archive *x, enum source_end end, const char *why);

// ---- archive_get.c
void archive_fetch(struct archive *x);
void archive_fetch_checksum(struct archive *x);

#endif
