// The logger from several threads at once, with secrets added and lines flushed meanwhile.
// tsan: yes

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/str.h"

#define THREADS 4
#define LINES 3000

static void *writer(void *arg)
{
    const char *ev = arg;
    for (int i = 0; i < LINES; i++) {
        log_ev(LOG_INFO, ev, F_STR("s", "text with secret-3 in it"), F_INT("i", i));
        if (i % 100 == 0) {
            char secret[16];
            (void)str_fmt(secret, sizeof secret, "secret-%d", i / 100);
            log_add_secret(secret);
            log_flush();
        }
    }
    return NULL;
}

int main(void)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    log_init(f, clock_system(), "plain", "0", LOG_INFO);
    static char names[THREADS][8] = {"t0", "t1", "t2", "t3"};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, writer, names[i]) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    log_flush();
    log_init(NULL, clock_system(), "plain", "0", LOG_INFO);
    fclose(f);
    // Every line whole: begins with {"ts", ends with }.
    size_t lines = 0;
    int rc = 0;
    for (char *p = text; *p; lines++) {
        char *end = strchr(p, '\n');
        if (!end || !str_starts(p, "{\"ts\":") || end[-1] != '}') {
            fprintf(stderr, "torn line: %s\n", p);
            rc = 1;
            break;
        }
        p = end + 1;
    }
    if (lines < THREADS * LOG_BURST) {
        fprintf(stderr, "%zu lines\n", lines);
        rc = 1;
    }
    free(text);
    return rc;
}
