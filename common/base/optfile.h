#ifndef COMMON_OPTFILE_H
#define COMMON_OPTFILE_H
// A configuration file under the environment: a JSON object whose keys are names of the option
// table (NAME, and NAME_FILE of secrets), its values strings, whole numbers or booleans.
//
//   {"SYMBOLS": "BTCUSDT,ETHUSDT", "MAX_QUEUE": 20000, "DEPTH_ENABLED": false}
//
// The environment wins. A key that the table does not have is refused, and a value is judged by the
// table as if it stood in the environment; the message names the file then.

#include "common/base/err.h"
#include "common/base/opt.h"

struct optfile;

// NULL with e: not readable, no JSON object, an unknown key, a value of another type. Free with
// optfile_free().
struct optfile *optfile_read(const char *path, const struct opt_table *t, struct err *e) MUST_CHECK;
void optfile_free(struct optfile *f);

// opt_getenv_fn; arg is a struct optfile.
const char *optfile_getenv(void *arg, const char *name);
// Puts the file's name in front of an error of opt_load() that begins with an option that the file
// set. Returns the error's code.
int optfile_explain(const struct optfile *f, struct err *e);

#endif
