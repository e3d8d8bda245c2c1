// Plays a corpus folder through a target, then mutations of it with a fixed seed, the same on every
// machine and compiler: what `make test` runs where there is no libFuzzer. The input of a crash is
// left in the folder given as the last argument.
//
//   fuzz_X CORPUS MUTATIONS SEED CRASHES

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/rng.h"

#define FILES_MAX 4096
#define INPUT_MAX ((size_t)1 << 16)

struct input {
    uint8_t *p;
    size_t n;
};

static struct input corpus[FILES_MAX];
static size_t corpus_n;
static uint8_t now[2 * INPUT_MAX];
static size_t now_n;
static char crash_path[512];

// Only what a signal handler may call.
static void on_crash(int sig)
{
    const int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0) {
        const ssize_t written = write(fd, now, now_n);
        (void)written;
        close(fd);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_corpus(const char *dir)
{
    struct dirent **names;
    const int n = scandir(dir, &names, NULL, by_name);
    CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        char path[1024];
        if (names[i]->d_name[0] != '.' && corpus_n < FILES_MAX &&
            str_fmt(path, sizeof path, "%s/%s", dir, names[i]->d_name)) {
            FILE *f = fopen(path, "rb");
            CHECK(f != NULL);
            struct input *in = &corpus[corpus_n++];
            in->p = xmalloc(INPUT_MAX);
            in->n = fread(in->p, 1, INPUT_MAX, f);
            fclose(f);
        }
        free(names[i]);
    }
    free(names);
    CHECK(corpus_n > 0);
}

static void run(void)
{
    LLVMFuzzerTestOneInput(now, now_n);
}

static void insert(size_t at, const void *bytes, size_t n)
{
    if (now_n + n > INPUT_MAX) {
        return;
    }
    memmove(now + at + n, now + at, now_n - at);
    memcpy(now + at, bytes, n);
    now_n += n;
}

static void cut(size_t at, size_t n)
{
    memmove(now + at, now + at + n, now_n - at - n);
    now_n -= n;
}

static void mutate(struct rng *r)
{
    static const char *const odd[] = {"-1",
                                      "0",
                                      "9223372036854775807",
                                      "18446744073709551616",
                                      "1e99",
                                      "NaN",
                                      "null",
                                      "{}",
                                      "[]",
                                      "\"",
                                      "\\u0000",
                                      "\xff\xfe",
                                      ",",
                                      ":",
                                      " ",
                                      "\n",
                                      "true",
                                      "-",
                                      "00000000000000000000",
                                      "0.00000000000000000001",
                                      "~",
                                      "\\",
                                      "}",
                                      "]"};
    const size_t at = (size_t)rng_below(r, now_n + 1);
    const size_t left = now_n - at;
    switch (rng_below(r, 8)) {
    case 0:
        if (left > 0) {
            now[at] ^= (uint8_t)(1U << rng_below(r, 8));
        }
        break;
    case 1:
        if (left > 0) {
            now[at] = (uint8_t)rng_next(r);
        }
        break;
    case 2:
        cut(at, (size_t)rng_below(r, (left < 16 ? left : 16) + 1));
        break;
    case 3: {
        const char *s = odd[rng_below(r, sizeof odd / sizeof odd[0])];
        insert(at, s, strlen(s));
        break;
    }
    case 4: { // a part of this one once more
        uint8_t part[64];
        const size_t n = (size_t)rng_below(r, (left < sizeof part ? left : sizeof part) + 1);
        memcpy(part, now + at, n);
        insert((size_t)rng_below(r, now_n + 1), part, n);
        break;
    }
    case 5: { // a part of another one
        const struct input *in = &corpus[rng_below(r, corpus_n)];
        const size_t from = (size_t)rng_below(r, in->n + 1);
        const size_t max = in->n - from < 128 ? in->n - from : 128;
        insert(at, in->p + from, (size_t)rng_below(r, max + 1));
        break;
    }
    case 6: // a digit changes
        for (size_t i = at; i < now_n; i++) {
            if (now[i] >= '0' && now[i] <= '9') {
                now[i] = (uint8_t)('0' + rng_below(r, 10));
                break;
            }
        }
        break;
    default:
        now_n = at; // cut off
        break;
    }
}

int main(int argc, char **argv)
{
    int64_t mutations, seed;
    if (argc != 5 || parse_i64(argv[2], strlen(argv[2]), &mutations) != 0 ||
        parse_i64(argv[3], strlen(argv[3]), &seed) != 0) {
        fprintf(stderr, "usage: %s CORPUS MUTATIONS SEED CRASHES\n", argv[0]);
        return 2;
    }
    const char *name = strrchr(argv[0], '/');
    CHECK(str_fmt(crash_path, sizeof crash_path, "%s/%s", argv[4], name ? name + 1 : argv[0]));
    read_corpus(argv[1]);
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    signal(SIGFPE, on_crash);
    for (size_t i = 0; i < corpus_n; i++) {
        memcpy(now, corpus[i].p, corpus[i].n);
        now_n = corpus[i].n;
        run();
    }
    struct rng r = {(uint64_t)seed};
    for (int64_t i = 0; i < mutations; i++) {
        const struct input *in = &corpus[rng_below(&r, corpus_n)];
        memcpy(now, in->p, in->n);
        now_n = in->n;
        for (uint64_t k = 1 + rng_below(&r, 6); k > 0; k--) {
            mutate(&r);
        }
        run();
    }
    for (size_t i = 0; i < corpus_n; i++) {
        free(corpus[i].p);
    }
    printf("%s: %zu inputs, %lld mutations\n", name ? name + 1 : argv[0], corpus_n,
           (long long)mutations);
    return 0;
}
