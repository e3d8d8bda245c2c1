#ifndef IO_BOOT_H
#define IO_BOOT_H
// What the main() of every service does before its wiring and after its teardown, in one place:
//
//   int main(int argc, char **argv)
//   {
//       static struct config cfg;
//       struct boot b = {.table = &config_table, .values = &cfg, .log_level = cfg.log_level,
//                        .instance = cfg.instance, .check = config_check};
//       int rc = boot_begin(&b, argc, argv);
//       if (rc >= 0) {
//           return rc; // --help, --print-options, --health, or a bad configuration (2)
//       }
//       struct app app = {0};
//       struct err e;
//       struct service_opts so = {.loop = b.loop, .name = "context", .instance = cfg.instance,
//       ...}; struct service *s = service_new(&so, &e); if (!s || app_start(&app, ..., &e)) {
//           return boot_fail(&b, s, &e);
//       }
//       boot_run(&b, s); // "process_up", then the loop until the service is done
//       app_stop(&app);
//       return boot_end(&b, s); // "process_down", frees service and loop
//   }

#include "common/base/err.h"
#include "common/base/opt.h"
#include "common/io/loop.h"
#include "common/io/service.h"

struct boot {
    const struct opt_table *table; // borrowed; table->program is the service's name in the log
    void *values;                  // the struct the table fills; must outlive boot_end()
    const char *log_level;         // field of *values: "INFO"; NULL = INFO
    const char *instance;          // field of *values, read after check(); NULL = ""
    // Rules across options, defaults that depend on others (instance = venue), parsing of text
    // such as REDIS_URL. ERR_* with e naming the variable. NULL = none.
    int (*check)(void *values, struct err *e);

    // Option that names a JSON file with values for the others (see optfile.h); NULL = none.
    const char *file_option;

    int port; // public port, set before boot_run(): field "port" of process_up; 0 = none

    // Filled by boot_begin():
    struct loop *loop; // owned
    int first_operand; // index into argv, or argc
};

// Parses options, answers --help, --print-options and --health, starts the log, ignores SIGPIPE,
// makes the loop on the system clock. Returns -1 to go on, else the exit code (0, or 2 after the
// reason went to stderr). Connects to nothing.
int boot_begin(struct boot *b, int argc, char **argv);
// Logs process_up (version, pid, health_port, port, options) and runs the loop until
// service_done().
void boot_run(struct boot *b, struct service *s);
// Logs process_down, frees service and loop, returns the exit code.
int boot_end(struct boot *b, struct service *s);
// A start that failed after boot_begin() (port in use ...): logs start_failed, frees service (may
// be NULL) and loop, returns 1.
int boot_fail(struct boot *b, struct service *s, const struct err *e);

#endif
