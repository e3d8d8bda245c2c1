#include "services/collector/io/record_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/feed/record.h"
#include "services/collector/core/record_rules.h"

#define PACKED 65536
#define LEVEL 4           // a third of the time of the usual 6, files a few per cent larger
#define RETRY_MIN_MS 1000 // before the first attempt after a failure; doubles
#define RETRY_MAX_MS 60000
#define GOOD_MS 60000 // without a failure: the next one is a first again
#define LINE_MAX_BYTES ((size_t)256 << 20)
#define FILES_MAX 100000 // of a venue that are looked at
#define GZIP 16          // of windowBits

struct stream {
    bool used;      // the connection is open
    bool simulated; //
    bool packing;   // z is live and fd is open
    char kind[RECORD_KIND_MAX], conn[RECORD_CONN_MAX];
    char url[512];
    int64_t part; // of this file, or of the next one; skips one where messages are missing
    int fd;
    z_stream z;
    bool dirty;            // bytes since the last flush
    uint64_t bytes, whole; // of the file; up to the last flush
    int64_t began_ms;      // its name
    char path[400];
};

struct record_disk {
    char root[320]; // <dir>/venue=<venue>
    size_t dir_n;   // of it: <dir>
    uint64_t max_bytes;
    int64_t period_ms;
    struct stream stream[RECORD_STREAMS];
    size_t files; // being written
    uint64_t conns;
    struct buf line;
    unsigned char packed[PACKED];
    int64_t mono_ms, failed_ms, retry_ms;
    bool measured; // stats.kept is known
    struct record_disk_stats stats;
};

// ---- what is kept ------------------------------------------------------------------------------

struct found {
    struct record_file file;
    char path[32 + RECORD_NAME_MAX]; // below root
};

static bool is_held(const struct record_disk *d, const char *path)
{
    const size_t root = strlen(d->root) + 1;
    for (size_t i = 0; i < RECORD_STREAMS; i++) {
        const struct stream *s = &d->stream[i];
        if (s->packing && strcmp(s->path + root, path) == 0) {
            return true;
        }
    }
    return false;
}

static size_t list_day(const struct record_disk *d, const char *day, struct found *f, size_t room)
{
    char path[sizeof d->root + 32];
    size_t n = 0;
    const struct dirent *e;
    if (!str_fmt(path, sizeof path, "%s/%s", d->root, day)) {
        return 0;
    }
    DIR *dir = opendir(path);
    while (dir != NULL && n < room && (e = readdir(dir)) != NULL) {
        struct record_name name;
        struct stat st;
        if (!record_name_parse(day, e->d_name, &name) ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
            continue;
        }
        f[n] = (struct found){.file = {.start_ms = name.start_ms, .bytes = (uint64_t)st.st_size}};
        str_fmt(f[n].path, sizeof f[n].path, "%s/%s", day, e->d_name);
        f[n].file.held = is_held(d, f[n].path);
        n++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n;
}

// All files of the venue that are ours; nothing else is ever looked at. Returns how many.
static size_t list_all(const struct record_disk *d, struct found *f)
{
    int64_t day_ms;
    size_t n = 0;
    const struct dirent *e;
    DIR *dir = opendir(d->root);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (parse_day(e->d_name, strlen(e->d_name), &day_ms) == 0) {
            n += list_day(d, e->d_name, f + n, FILES_MAX - n);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n;
}

// Measures what is kept, and deletes the oldest until `more` bytes fit. False: they never will.
static bool make_room(struct record_disk *d, uint64_t more)
{
    struct found *found = xcalloc(FILES_MAX, sizeof *found);
    const size_t n = list_all(d, found);
    struct record_file *file = xcalloc(n + 1, sizeof *file);
    bool fits;
    d->stats.kept = 0;
    for (size_t i = 0; i < n; i++) {
        file[i] = found[i].file;
        file[i].name = i;
        d->stats.kept += file[i].bytes;
    }
    const size_t victims = record_victims(file, n, d->max_bytes, more, &fits);
    for (size_t i = 0; i < victims; i++) {
        char path[sizeof d->root + sizeof found->path];
        const char *name = found[file[i].name].path;
        if (!file[i].held && str_fmt(path, sizeof path, "%s/%s", d->root, name) &&
            unlink(path) == 0) {
            d->stats.kept -= file[i].bytes;
            d->stats.deleted++;
            *strrchr(path, '/') = '\0';
            (void)rmdir(path); // when it was the last one of its day
        }
    }
    free(file);
    free(found);
    d->measured = true;
    return fits && d->stats.kept + more <= d->max_bytes;
}

// ---- one file ----------------------------------------------------------------------------------

static void drop_file(struct record_disk *d, struct stream *s)
{
    if (s->packing) {
        deflateEnd(&s->z);
        close(s->fd);
        s->packing = false;
        d->files--;
    }
}

// The disk takes nothing any more: every file ends where it last was whole.
static void fail(struct record_disk *d, const char *what)
{
    for (size_t i = 0; i < RECORD_STREAMS; i++) {
        struct stream *s = &d->stream[i];
        if (s->packing) {
            if (s->whole > 0 ? ftruncate(s->fd, (off_t)s->whole) == 0 : unlink(s->path) == 0) {
                d->stats.kept -= s->bytes - s->whole;
            }
            drop_file(d, s);
            s->part++;
        }
    }
    str_fmt(d->stats.why, sizeof d->stats.why, "%s", what);
    d->stats.paused = true;
    const bool again = d->retry_ms > 0 && d->mono_ms - d->failed_ms < d->retry_ms + GOOD_MS;
    const int64_t longer = d->retry_ms * 2 < RETRY_MAX_MS ? d->retry_ms * 2 : RETRY_MAX_MS;
    d->retry_ms = again ? longer : RETRY_MIN_MS;
    d->failed_ms = d->mono_ms;
}

static bool write_all(struct record_disk *d, struct stream *s, const unsigned char *p, size_t n)
{
    if ((!d->measured || d->stats.kept + n > d->max_bytes) && !make_room(d, n)) {
        fail(d, "RECORD_MAX_BYTES leaves no room for the files being written");
        return false;
    }
    while (n > 0) {
        const ssize_t got = write(s->fd, p, n);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            fail(d, got == 0 ? "nothing was written" : strerror(errno));
            return false;
        }
        p += got;
        n -= (size_t)got;
        s->bytes += (uint64_t)got;
        d->stats.bytes += (uint64_t)got;
        d->stats.kept += (uint64_t)got;
    }
    return true;
}

static bool pack(struct record_disk *d, struct stream *s, const char *p, size_t n, int flush)
{
    int rc;
    memcpy(&s->z.next_in, &p, sizeof p); // zlib's field is not const, it only reads
    s->z.avail_in = (unsigned)n;
    do {
        s->z.next_out = d->packed;
        s->z.avail_out = PACKED;
        rc = deflate(&s->z, flush);
        const size_t got = PACKED - s->z.avail_out;
        if (got > 0 && !write_all(d, s, d->packed, got)) {
            return false;
        }
    } while (s->z.avail_out == 0 && rc == Z_OK);
    s->dirty = flush == Z_NO_FLUSH;
    s->whole = flush == Z_NO_FLUSH ? s->whole : s->bytes;
    return true;
}

static bool pack_line(struct record_disk *d, struct stream *s)
{
    const bool good =
        !d->line.failed && pack(d, s, buf_ptr(&d->line), buf_len(&d->line), Z_NO_FLUSH);
    d->stats.lines += good ? 1 : 0;
    return good;
}

static void end_file(struct record_disk *d, struct stream *s, int64_t rx_us, const char *why,
                     uint64_t dropped)
{
    buf_clear(&d->line);
    record_put_close(&d->line, rx_us, why, dropped);
    if (pack(d, s, buf_ptr(&d->line), buf_len(&d->line), Z_FINISH)) {
        drop_file(d, s);
        s->part++;
    }
}

static bool make_folders(struct record_disk *d, const char *path)
{
    char part[sizeof d->stream->path];
    for (const char *p = path + d->dir_n; p != NULL; p = strchr(p + 1, '/')) {
        if (p > path && *p == '/') {
            str_copyn(part, sizeof part, path, (size_t)(p - path));
            if (mkdir(part, 0777) != 0 && errno != EEXIST) {
                return false;
            }
        }
    }
    return true;
}

// A new file, named after rx_us or the first ms behind it that is free.
static int create(struct record_disk *d, struct stream *s, int64_t rx_us)
{
    struct record_name name = {.start_ms = rx_us / 1000};
    char day[16], file[RECORD_NAME_MAX];
    str_copy(name.kind, sizeof name.kind, s->kind);
    for (int tries = 0; tries < 1000; tries++, name.start_ms++) {
        iso_day(name.start_ms, day);
        if (!record_name_make(&name, file) ||
            !str_fmt(s->path, sizeof s->path, "%s/%s/%s", d->root, day, file)) {
            errno = EINVAL;
            return -1;
        }
        if (!make_folders(d, s->path)) {
            return -1;
        }
        const int fd = open(s->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            s->began_ms = name.start_ms;
            return fd;
        }
    }
    return -1;
}

static void put_open(struct record_disk *d, const struct stream *s, int64_t rx_us)
{
    buf_clear(&d->line);
    record_put_open(&d->line, rx_us,
                    &(struct record_open){.venue = strrchr(d->root, '=') + 1,
                                          .kind = s->kind,
                                          .url = s->url,
                                          .conn = s->conn,
                                          .part = s->part,
                                          .simulated = s->simulated});
}

static void begin_file(struct record_disk *d, struct stream *s, int64_t rx_us)
{
    char why[160];
    s->fd = create(d, s, rx_us);
    if (s->fd < 0) {
        str_fmt(why, sizeof why, "%.120s: %.30s", s->path, strerror(errno));
        fail(d, why);
        return;
    }
    memset(&s->z, 0, sizeof s->z);
    if (deflateInit2(&s->z, LEVEL, Z_DEFLATED, MAX_WBITS + GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        FATAL("deflateInit2");
    }
    s->packing = true;
    s->bytes = s->whole = 0;
    d->files++;
    put_open(d, s, rx_us);
    if (pack_line(d, s) && pack(d, s, "", 0, Z_SYNC_FLUSH)) {
        d->stats.paused = false;
        str_copy(d->stats.file, sizeof d->stats.file, s->path + d->dir_n + 1);
    }
}

static void rotate(struct record_disk *d, struct stream *s, int64_t now_us)
{
    const uint64_t limit = record_file_limit(d->max_bytes, d->files);
    if (s->packing && record_ends(s->began_ms, s->bytes, now_us / 1000, d->period_ms, limit)) {
        end_file(d, s, now_us, RECORD_WHY_ROTATED, 0);
    }
}

// The file of the stream is there and may take a line of rx_us. False: the line is dropped.
static bool ready(struct record_disk *d, struct stream *s, int64_t rx_us)
{
    rotate(d, s, rx_us);
    const bool waits = d->stats.paused && d->mono_ms - d->failed_ms < d->retry_ms;
    if (s->used && !s->packing && !waits) {
        begin_file(d, s, rx_us);
    }
    return s->packing;
}

// ---- what happens ------------------------------------------------------------------------------

void record_disk_open(struct record_disk *d, int at, const char *kind, const char *url,
                      bool simulated, int64_t rx_us)
{
    struct stream *s = &d->stream[at];
    drop_file(d, s); // its end was never told
    *s = (struct stream){.used = true, .simulated = simulated};
    str_copy(s->kind, sizeof s->kind, kind);
    str_copy(s->url, sizeof s->url, url);
    str_fmt(s->conn, sizeof s->conn, "%lld-%llu", (long long)(rx_us / 1000),
            (unsigned long long)++d->conns);
    (void)ready(d, s, rx_us);
}

static void drop_line(struct record_disk *d, struct stream *s)
{
    d->stats.dropped++;
    s->part++; // the next file does not go on where the last one ended
}

static void take_line(struct record_disk *d, struct stream *s)
{
    if (!pack_line(d, s)) {
        drop_line(d, s);
    }
}

void record_disk_message(struct record_disk *d, int at, int64_t rx_us, const char *p, size_t n)
{
    struct stream *s = &d->stream[at];
    if (!ready(d, s, rx_us)) {
        drop_line(d, s);
        return;
    }
    buf_clear(&d->line);
    record_put_frame(&d->line, rx_us, p, n);
    take_line(d, s);
}

void record_disk_rest(struct record_disk *d, int at, int64_t rx_us, const char *url, const char *p,
                      size_t n)
{
    struct stream *s = &d->stream[at];
    if (!ready(d, s, rx_us)) {
        drop_line(d, s);
        return;
    }
    buf_clear(&d->line);
    record_put_rest(&d->line, rx_us, url, p, n);
    take_line(d, s);
}

void record_disk_cut(struct record_disk *d, int at, int64_t rx_us, const char *why,
                     uint64_t dropped)
{
    struct stream *s = &d->stream[at];
    s->part++;
    if (!s->packing) {
        return;
    }
    buf_clear(&d->line);
    record_put_close(&d->line, rx_us, why, dropped);
    if (pack_line(d, s)) {
        put_open(d, s, rx_us);
        (void)pack_line(d, s);
    }
}

void record_disk_close(struct record_disk *d, int at, int64_t rx_us, const char *why)
{
    struct stream *s = &d->stream[at];
    if (s->packing) {
        end_file(d, s, rx_us, why, 0);
    }
    s->used = false;
}

void record_disk_tick(struct record_disk *d, int64_t wall_us, int64_t mono_ms)
{
    d->mono_ms = mono_ms;
    for (size_t i = 0; i < RECORD_STREAMS; i++) {
        struct stream *s = &d->stream[i];
        rotate(d, s, wall_us); // the next file is begun by the next message
        if (s->packing && s->dirty) {
            (void)pack(d, s, "", 0, Z_SYNC_FLUSH);
        }
    }
}

void record_disk_stats(const struct record_disk *d, struct record_disk_stats *out)
{
    *out = d->stats;
}

// ---- life --------------------------------------------------------------------------------------

struct record_disk *record_disk_new(const struct record_disk_opts *o)
{
    struct record_disk *d = xcalloc(1, sizeof *d);
    d->max_bytes = o->max_bytes;
    d->period_ms = o->period_ms;
    d->dir_n = strlen(o->dir);
    buf_init(&d->line, LINE_MAX_BYTES);
    if (!str_fmt(d->root, sizeof d->root, "%s/venue=%s", o->dir, o->venue)) {
        FATAL("RECORD_DIR: the path is too long");
    }
    return d;
}

void record_disk_free(struct record_disk *d, int64_t wall_us)
{
    for (size_t i = 0; i < RECORD_STREAMS; i++) {
        if (d->stream[i].packing) {
            end_file(d, &d->stream[i], wall_us, "process ends", 0);
        }
    }
    buf_release(&d->line);
    free(d);
}
