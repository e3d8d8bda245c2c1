#include "common/io/boot.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/optfile.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "common/io/probe.h"

#define DESCRIBE_MAX (64 * 1024)

static int refuse(struct opt_result *res, const struct err *e)
{
    opt_result_release(res);
    fprintf(stderr, "%s\n", e->text);
    return 2;
}

// Old names that were set: one line each, so an operator learns that they do nothing.
static void tell_notes(const struct buf *notes)
{
    const char *p = buf_ptr(notes);
    const char *end = p + buf_len(notes);
    while (p < end) {
        size_t n = strnlen(p, (size_t)(end - p));
        char line[256];
        str_copyn(line, sizeof line, p, n);
        log_ev(LOG_WARN, "option_ignored", F_STR("note", line));
        p += n + 1;
    }
}

static int load_options(struct boot *b, int argc, char **argv, struct opt_result *res,
                        struct err *e)
{
    const char *path = b->file_option ? opt_system_getenv(NULL, b->file_option) : NULL;
    if (path == NULL || path[0] == '\0') {
        return opt_load(b->table, b->values, opt_system_getenv, NULL, argc, argv, res, e);
    }
    struct optfile *f = optfile_read(path, b->table, e);
    if (f == NULL) {
        return err_prefix(e, "%s", b->file_option);
    }
    int rc = opt_load(b->table, b->values, optfile_getenv, f, argc, argv, res, e);
    if (rc != 0) {
        rc = optfile_explain(f, e);
    }
    optfile_free(f);
    return rc;
}

int boot_begin(struct boot *b, int argc, char **argv)
{
    struct opt_result res = {0};
    struct err e = {0};
    if (load_options(b, argc, argv, &res, &e)) {
        return refuse(&res, &e);
    }
    if (res.help || res.print_options) {
        if (res.help) {
            opt_print_help(b->table, stdout);
        } else {
            opt_print_markdown(b->table, stdout);
        }
        opt_result_release(&res);
        return fflush(stdout) ? 1 : 0;
    }
    if (res.health) {
        opt_result_release(&res);
        return probe_main(b->table, b->values);
    }
    enum log_level level = LOG_INFO;
    if (b->log_level && log_parse_level(b->log_level, &level)) {
        err_set(&e, ERR_RANGE, "LOG_LEVEL: '%.40s' is not one of ERROR, WARN, INFO, DEBUG",
                b->log_level);
        return refuse(&res, &e);
    }
    if (b->check && b->check(b->values, &e)) {
        return refuse(&res, &e);
    }
    // A peer that closes while we write must be an error of that write, not the end of us.
    signal(SIGPIPE, SIG_IGN);
    struct clock clock = clock_system();
    log_init(stderr, clock, b->table->program, b->instance ? b->instance : "", level);
    tell_notes(&res.notes);
    b->first_operand = res.first_operand;
    opt_result_release(&res);
    b->loop = loop_new(clock);
    return -1;
}

void boot_run(struct boot *b, struct service *s)
{
    struct buf text;
    buf_init(&text, DESCRIBE_MAX);
    opt_describe(b->table, b->values, &text);
    const char *options = text.failed ? NULL : buf_cstr(&text);
    char port[16];
    (void)str_fmt(port, sizeof port, "%d", b->port);
    log_ev(LOG_INFO, "process_up", F_STR("version", bc_version), F_INT("pid", getpid()),
           F_INT("health_port", service_http_port(s)), F_RAW("port", b->port > 0 ? port : NULL),
           F_RAW("options", options));
    buf_release(&text);
    service_run(s);
}

static int leave(struct boot *b, struct service *s, int code)
{
    if (s) {
        service_free(s);
    }
    loop_free(b->loop);
    b->loop = NULL;
    log_flush();
    return code;
}

int boot_end(struct boot *b, struct service *s)
{
    int code = service_exit_code(s);
    log_ev(LOG_INFO, "process_down", F_INT("exit_code", code));
    return leave(b, s, code);
}

int boot_fail(struct boot *b, struct service *s, const struct err *e)
{
    log_ev(LOG_ERROR, "start_failed", F_STR("why", e->text));
    return leave(b, s, 1);
}
