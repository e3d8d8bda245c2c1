// The requests of an archive: CHECKSUM file, the file itself, and what their answers say.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "services/backfill/io/archive_in.h"

#define FILE_MAX ((size_t)1 << 30)
#define DOWNLOAD_MAX_MS INT64_C(86400000)
#define TOO_FREQUENT "too frequent"

static struct http_call *get(struct archive *x, struct http_req *q)
{
    const struct config *c = x->app->cfg;
    const int64_t ms = (archive_is_bybit(x) ? c->bybit.api_timeout_s : c->api_timeout_s) * 1000;
    q->timeout_ms = q->on_data != NULL ? DOWNLOAD_MAX_MS : ms;
    q->stall_ms = ms;
    q->arg = x;
    return http_get(x->app->files, q, &x->e);
}

static bool of_our_kind(const struct archive *x, const struct http_reply *r)
{
    return r->simulated == x->want.ins->simulated;
}

static bool on_file_data(void *arg, long status, const char *bytes, size_t n)
{
    struct archive *x = arg;
    if (status != 200 && status != 206) {
        if (x->said[0] == '\0') {
            str_copyn(x->said, sizeof x->said, bytes, n);
        }
        return true; // an error's text
    }
    // 200 although the rest was asked for: all of it comes.
    if (status == 200 && !x->fresh &&
        (ftruncate(x->fd, 0) != 0 || lseek(x->fd, 0, SEEK_SET) != 0)) {
        return false;
    }
    x->fresh = true;
    while (n > 0) {
        const ssize_t put = write(x->fd, bytes, n);
        if (put <= 0) {
            return false;
        }
        bytes += put;
        n -= (size_t)put;
        x->app->bytes += (uint64_t)put;
    }
    if (x->want.on_bytes != NULL) {
        x->want.on_bytes(x->want.arg);
    }
    return true;
}

// What the answer says about the venue as a whole. True: it refuses, and nobody asks for a while.
static bool is_refused(struct archive *x, const struct http_reply *r)
{
    struct app *a = x->app;
    const int64_t now = loop_mono_ms(a->loop);
    if (!archive_is_bybit(x) || r->err != 0) {
        return false;
    }
    // A 403 of a file that may not be read says nothing about the rate, one of the limit does.
    const bool rate = r->status == 429 || r->status == 418 ||
                      (r->status == 403 && strcasestr(x->said, TOO_FREQUENT) != NULL);
    if (rate && a->bybit_budget != NULL) {
        (void)budget_note(a->bybit_budget, r);
    }
    if (!breaker_is_refusal(r->status)) {
        if (r->status < 500) {
            breaker_good(&a->bybit_breaker);
        }
        return false;
    }
    a->refusals++;
    breaker_refused(&a->bybit_breaker, now, r->status,
                    r->retry_after_s >= 0 ? r->retry_after_s * 1000 : -1);
    return true;
}

static void refused(struct archive *x, long status)
{
    char text[160];
    const char *why = status == 451   ? "the venue does not serve the country of this address; use "
                                        "a proxy (https_proxy)"
                      : status == 403 ? "the venue refuses this address or its request rate"
                                      : "too many requests";
    str_fmt(text, sizeof text, "HTTP %ld: %s", status, why);
    log_ev(LOG_ERROR, "venue_refuses", F_STR("venue", venue_name(x->want.ins->venue)),
           F_INT("status", status), F_STR("why", text), F_STR("said", x->said));
    archive_give_up(x, SOURCE_ABSENT, text);
}

static void on_file(void *arg, const struct http_reply *r)
{
    struct archive *x = arg;
    char text[96];
    x->call = NULL;
    archive_close_file(x);
    if (r->err != 0) {
        archive_failed(x, r->why); // the part stays and is gone on with
    } else if (is_refused(x, r)) {
        refused(x, r->status);
    } else if (r->status == 404) {
        unlink(x->part);
        archive_give_up(x, SOURCE_ABSENT, "the venue has no archive of that day (404)");
    } else if (r->status == 304 && x->known) {
        unlink(x->part);
        archive_finish(x, SOURCE_SAME, "");
    } else if (r->status == 304 && x->whole) {
        unlink(x->part);
        x->kept = true;
        archive_parse_or_fail(x);
    } else if (r->status != 200 && r->status != 206) {
        if (r->status == 416) { // what is there can not be gone on with
            unlink(x->part);
        }
        str_fmt(text, sizeof text, "HTTP %ld", r->status);
        archive_failed(x, text);
    } else if (!of_our_kind(x, r)) {
        unlink(x->part);
        archive_finish(x, SOURCE_ABSENT, "the archive is not of the same kind, real or simulated");
    } else {
        struct stat st;
        if (x->whole || x->known) {
            log_ev(LOG_WARN, "archive_replaced", F_STR("file", x->name));
        }
        memset(&x->meta, 0, sizeof x->meta);
        str_copy(x->meta.etag, sizeof x->meta.etag, r->etag);
        str_copy(x->meta.last_modified, sizeof x->meta.last_modified, r->last_modified);
        x->meta.bytes = stat(x->part, &st) == 0 ? (int64_t)st.st_size : 0;
        if (!archive_begin_hashing(x, x->part, false)) {
            archive_failed(x, "the file is gone");
        }
    }
}

void archive_fetch(struct archive *x)
{
    struct stat st;
    char etag[120] = "", since[120] = "";
    const bool ask_if = archive_is_bybit(x) && (x->whole || x->known);
    archive_close_file(x);
    // A question whether there is a newer one is answered with all of it.
    x->fd = open(x->part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (ask_if ? O_TRUNC : 0), 0644);
    if (x->fd < 0 || fstat(x->fd, &st) != 0) {
        archive_finish(x, SOURCE_BAD, "BACKFILL_CACHE_DIR can not be written");
        return;
    }
    str_fmt(etag, sizeof etag, "If-None-Match: %s", x->meta.etag);
    str_fmt(since, sizeof since, "If-Modified-Since: %s", x->meta.last_modified);
    const char *const tag[] = {etag, NULL}, *const date[] = {since, NULL};
    struct http_req q = {.url = x->url,
                         .max_body = FILE_MAX,
                         .range_from = (int64_t)st.st_size,
                         .on_data = on_file_data,
                         .on_done = on_file};
    if (ask_if && x->meta.etag[0] != '\0') {
        q.headers = tag;
    } else if (ask_if && x->meta.last_modified[0] != '\0') {
        q.headers = date;
    }
    x->step = DOWNLOAD;
    x->fresh = false;
    x->said[0] = '\0';
    x->call = get(x, &q);
    if (x->call == NULL) {
        archive_close_file(x);
        archive_failed(x, x->e.text);
    }
}

static void on_checksum(void *arg, const struct http_reply *r)
{
    struct archive *x = arg;
    char text[96];
    x->call = NULL;
    if (r->err != 0) {
        archive_failed(x, r->why);
    } else if (r->status == 404) {
        archive_finish(x, SOURCE_ABSENT, "the venue has no archive of that day (404)");
    } else if (r->status != 200) {
        str_fmt(text, sizeof text, "CHECKSUM: HTTP %ld", r->status);
        archive_failed(x, text);
    } else if (!of_our_kind(x, r)) {
        archive_finish(x, SOURCE_ABSENT, "the archive is not of the same kind, real or simulated");
    } else if (!checksum_of(r->body, r->n, x->name, x->want_sha)) {
        archive_failed(x, "its CHECKSUM file does not name it");
    } else if (x->want.known_sha256 != NULL && strcmp(x->want.known_sha256, x->want_sha) == 0) {
        archive_finish(x, SOURCE_SAME, "");
    } else if (!archive_begin_hashing(x, x->path, true)) {
        archive_fetch(x);
    }
}

void archive_fetch_checksum(struct archive *x)
{
    char url[540];
    str_fmt(url, sizeof url, "%s.CHECKSUM", x->url);
    x->step = CHECKSUM;
    x->call = get(x, &(struct http_req){.url = url, .max_body = 4096, .on_done = on_checksum});
    if (x->call == NULL) {
        archive_failed(x, x->e.text);
    }
}
