// links: collector
// tsan: yes
// The recorder: its thread against the loop's calls, a queue that overflows, a folder that can not
// be written and then can, files that others put there.

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/str.h"
#include "common/feed/record.h"
#include "services/collector/io/record.h"

#define MAX_BYTES (UINT64_C(1) << 20)

static void fail(const char *what)
{
    fprintf(stderr, "collector_record: %s\n", what);
    exit(1);
}

static char *text(size_t *n, const char *path)
{
    static char bytes[1 << 24];
    gzFile f = gzopen(path, "rb");
    if (f == NULL) {
        fail(path);
    }
    int got;
    *n = 0;
    while (*n < sizeof bytes && (got = gzread(f, bytes + *n, (unsigned)(sizeof bytes - *n))) > 0) {
        *n += (size_t)got;
    }
    gzclose(f);
    return bytes;
}

struct seen {
    uint64_t frames, opens, closes, dropped, files, bytes;
};

static bool slice_has(struct slice s, const char *what)
{
    return memmem(s.p, s.n, what, strlen(what)) != NULL;
}

static void read_file(const char *path, struct seen *s)
{
    size_t n;
    const char *p = text(&n, path), *end = p + n;
    while (p < end) {
        struct record_line l;
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (nl == NULL) {
            fail("half a line at the end of a file that was ended");
        }
        const enum record_line_kind kind = record_line_parse(p, (size_t)(nl - p), &l);
        s->frames += kind == RECORD_FRAME ? 1 : 0;
        s->opens += kind == RECORD_OPEN ? 1 : 0;
        s->closes += kind == RECORD_CLOSE ? 1 : 0;
        s->dropped += slice_has(l.json, "\"why\":\"dropped\"") ? 1 : 0;
        if (kind == RECORD_BAD) {
            fail("a line that is none");
        }
        p = nl + 1;
    }
}

// All files below dir; `read`: and what they hold.
static void look(const char *dir, struct seen *s, bool read)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[512];
        struct stat st;
        str_fmt(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) != 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            look(path, s, read);
        } else if (str_ends(path, ".raw.gz")) {
            s->files++;
            s->bytes += (uint64_t)st.st_size;
            if (read) {
                read_file(path, s);
            }
        }
    }
    if (d != NULL) {
        closedir(d);
    }
}

static struct recorder *begin_with(const char *dir, uint64_t queue, uint64_t max_bytes)
{
    struct recorder *r = recorder_new(&(struct recorder_opts){.dir = dir,
                                                              .venue = "bybit",
                                                              .clock = clock_system(),
                                                              .max_bytes = max_bytes,
                                                              .queue_bytes = queue,
                                                              .period_ms = 3600000,
                                                              .flush_ms = 50});
    if (r == NULL) {
        fail("no recorder");
    }
    return r;
}

static struct recorder *begin(const char *dir, uint64_t queue)
{
    return begin_with(dir, queue, MAX_BYTES);
}

static int64_t now_us(void)
{
    const struct clock c = clock_system();
    return c.wall_us(c.arg);
}

// Bytes that do not pack well.
static size_t make_frame(char *out, size_t size, unsigned *seed)
{
    size_t n = (size_t)snprintf(out, size, "{\"x\":\"");
    while (n < size - 3) {
        *seed = *seed * 1664525U + 1013904223U;
        out[n++] = (char)('a' + (*seed >> 24) % 26);
    }
    memcpy(out + n, "\"}", 3);
    return n + 2;
}

static void everything_arrives(const char *dir)
{
    struct recorder_stats st;
    struct seen s = {0};
    unsigned seed = 1;
    char frame[200];
    struct recorder *r = begin(dir, 8 << 20);
    int h[3];
    for (int i = 0; i < 3; i++) {
        h[i] = recorder_open(r, "linear", "ws://x", true, now_us());
    }
    for (int i = 0; i < 3000; i++) {
        recorder_message(r, h[i % 3], now_us(), frame, make_frame(frame, sizeof frame, &seed));
        recorder_stats(r, &st);
    }
    recorder_cut(r, h[1], now_us(), "oversize");
    recorder_rest(r, true, now_us(), "http://x/depth", "{}", 2);
    for (int i = 0; i < 3; i++) {
        recorder_close(r, h[i], now_us(), "end");
    }
    recorder_free(r, 5000);
    look(dir, &s, true);
    if (s.frames != 3000 || s.files < 4 || s.opens != s.files + 1 || s.closes != s.opens) {
        fprintf(stderr, "%llu frames, %llu files\n", (unsigned long long)s.frames,
                (unsigned long long)s.files);
        fail("not all that was received is there");
    }
}

static void an_overflow_is_told(const char *dir)
{
    struct recorder_stats st;
    struct seen s = {0};
    static char frame[65536];
    unsigned seed = 2;
    // Room for all of it: a folder that is full makes it pause, and then the mark has no file.
    const uint64_t room = UINT64_C(64) << 20;
    struct recorder *r = begin_with(dir, 1 << 20, room);
    const int h = recorder_open(r, "linear", "ws://x", true, now_us());
    const size_t n = make_frame(frame, sizeof frame, &seed);
    uint64_t sent = 0;
    do { // until something did not fit, and something fits again
        recorder_message(r, h, now_us(), frame, n);
        sent++;
        recorder_stats(r, &st);
    } while (st.dropped == 0 && sent < 100000);
    const uint64_t lost = st.dropped;
    while (st.queued > 0) {
        usleep(10000);
        recorder_stats(r, &st);
    }
    recorder_message(r, h, now_us(), "{}", 2);
    recorder_free(r, 5000);
    look(dir, &s, true);
    if (lost == 0 || s.dropped == 0 || s.bytes > room) {
        fprintf(stderr, "%llu sent, %llu lost, %llu told, %llu bytes kept\n",
                (unsigned long long)sent, (unsigned long long)lost, (unsigned long long)s.dropped,
                (unsigned long long)s.bytes);
        fail("no overflow, one that no file tells of, or more kept than allowed");
    }
}

static void a_folder_that_can_not_be_written(const char *dir)
{
    struct recorder_stats st;
    struct seen s = {0};
    char path[256];
    str_fmt(path, sizeof path, "%s/file", dir);
    const int fd = open(path, O_CREAT | O_WRONLY, 0644);
    close(fd);
    struct recorder *r = begin(path, 1 << 20); // a file stands where the folder should be
    const int h = recorder_open(r, "linear", "ws://x", true, now_us());
    recorder_message(r, h, now_us(), "{}", 2);
    do {
        usleep(10000);
        recorder_stats(r, &st);
    } while (!st.paused || st.dropped == 0);
    unlink(path);
    do { // tried again after some seconds
        recorder_message(r, h, now_us(), "{}", 2);
        usleep(20000);
        recorder_stats(r, &st);
    } while (st.paused);
    recorder_close(r, h, now_us(), "end");
    recorder_free(r, 5000);
    look(path, &s, true);
    if (s.frames == 0 || s.opens != 1 || s.closes != 1) {
        fail("it did not go on");
    }
}

static void only_ours_are_deleted(const char *dir)
{
    char path[512], other[512];
    struct seen s = {0};
    unsigned seed = 3;
    static char frame[20000];
    str_fmt(path, sizeof path, "%s/venue=bybit/2020-01-01", dir);
    if (mkdir(path, 0755) != 0) {
        fail(path);
    }
    str_fmt(other, sizeof other, "%s/mine.raw.gz", path);
    close(open(other, O_CREAT | O_WRONLY, 0644));
    str_fmt(path, sizeof path, "%s/venue=bybit/2020-01-01/00-linear-1577836800000.raw.gz", dir);
    close(open(path, O_CREAT | O_WRONLY, 0644));
    struct recorder *r = begin(dir, 8 << 20);
    const int h = recorder_open(r, "linear", "ws://x", true, now_us());
    for (int i = 0; i < 200; i++) {
        recorder_message(r, h, now_us(), frame, make_frame(frame, sizeof frame, &seed));
    }
    recorder_free(r, 5000);
    look(dir, &s, false);
    if (access(other, F_OK) != 0 || access(path, F_OK) == 0 || s.bytes > MAX_BYTES ||
        s.bytes < MAX_BYTES / 2) {
        fail("what was kept is not what should have been");
    }
}

int main(void)
{
    char dir[] = "/tmp/bc4-record-XXXXXX", sub[64], command[96];
    if (mkdtemp(dir) == NULL) {
        fail("mkdtemp");
    }
    str_fmt(sub, sizeof sub, "%s/a", dir);
    everything_arrives(sub);
    an_overflow_is_told(sub);
    only_ours_are_deleted(sub);
    a_folder_that_can_not_be_written(dir);
    str_fmt(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
