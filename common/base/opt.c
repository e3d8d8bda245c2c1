#include "common/base/opt.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define NOTES_MAX 16384
#define SECRET_FILE_MAX 4096

const char *opt_system_getenv(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

void opt_result_release(struct opt_result *r)
{
    buf_release(&r->notes);
}

// ---- one value --------------------------------------------------------------------------------

// The value as a message may show it: short, printable, never a secret.
static const char *shown(const struct opt *row, const char *value, char out[64])
{
    if (row->secret) {
        return "***";
    }
    bool whole = str_copy(out, 60, value);
    for (char *p = out; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F) {
            *p = '?';
        }
    }
    if (!whole) {
        memcpy(out + strlen(out), "...", 4);
    }
    return out;
}

static void milli_text(char out[DEC_TEXT], int64_t v)
{
    dec_format(out, v, 3, 0);
}

// "a whole number from 1 to 5": what the row takes, for messages, --help and README.
static void allowed(const struct opt *row, struct buf *b)
{
    char lo[DEC_TEXT];
    char hi[DEC_TEXT];
    switch (row->type) {
    case OPT_INT:
        buf_addf(b, "a whole number from %lld to %lld", (long long)row->min, (long long)row->max);
        break;
    case OPT_MILLI:
        milli_text(lo, row->min);
        milli_text(hi, row->max);
        buf_addf(b, "a number from %s to %s with at most 3 decimals", lo, hi);
        break;
    case OPT_BOOL:
        buf_adds(b, "true or false");
        break;
    case OPT_STR:
        buf_addf(b, "printable text of %s %zu bytes", row->def && *row->def ? "1 to" : "at most",
                 row->size - 1);
        break;
    case OPT_CHOICE:
        buf_adds(b, "one of");
        for (size_t i = 0; row->choices[i]; i++) {
            buf_addf(b, "%s %s", i ? "," : "", row->choices[i]);
        }
        break;
    case OPT_DEC:
        buf_addf(b, "a positive decimal with at most %d decimals", DEC_MAX_SCALE);
        break;
    case OPT_LIST:
        buf_addf(b, "a comma-separated list of at most %zu bytes", row->size - 1);
        break;
    case OPT_OLD:
        buf_adds(b, "anything (ignored)");
        break;
    }
}

static int refuse(const struct opt *row, const char *name, const char *value, int code,
                  struct err *e)
{
    struct buf b;
    char text[64];
    buf_init(&b, 1024);
    allowed(row, &b);
    err_set(e, code, "%s: '%s' is not %s", name, shown(row, value, text), buf_cstr(&b));
    buf_release(&b);
    return code;
}

static int parse_bool(const char *s, bool *out)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < 4; i++) {
        if (str_ieq(s, yes[i]) || str_ieq(s, no[i])) {
            *out = str_ieq(s, yes[i]);
            return 0;
        }
    }
    return ERR_SYNTAX;
}

static bool list_ok(const char *s)
{
    if (*s == '\0') {
        return true;
    }
    bool empty = true; // the element in hand holds nothing but blanks
    for (;; s++) {
        if (*s == ',' || *s == '\0') {
            if (empty) {
                return false;
            }
            empty = true;
            if (*s == '\0') {
                return true;
            }
        } else if (*s != ' ') {
            empty = false;
        }
    }
}

static bool printable(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7F) {
            return false;
        }
    }
    return true;
}

static int store_text(const struct opt *row, char *field, const char *value)
{
    return printable(value) && str_copy(field, row->size, value) ? 0 : ERR_RANGE;
}

static int store_int(const struct opt *row, void *field, int rc, int64_t v)
{
    if (rc == 0 && (v < row->min || v > row->max)) {
        rc = ERR_RANGE;
    }
    if (rc == 0) {
        memcpy(field, &v, sizeof v);
    }
    return rc == ERR_OVERFLOW ? ERR_RANGE : rc == ERR_PRECISION ? ERR_SYNTAX : rc;
}

static int store_choice(const struct opt *row, char *field, const char *value)
{
    for (size_t i = 0; row->choices[i]; i++) {
        if (str_ieq(row->choices[i], value)) {
            return str_copy(field, row->size, row->choices[i]) ? 0 : ERR_RANGE;
        }
    }
    return ERR_RANGE;
}

// Parses `value` into the row's field. 0 or ERR_SYNTAX/ERR_RANGE.
static int store(const struct opt *row, void *out, const char *value)
{
    char *field = (char *)out + row->offset;
    int64_t v = 0;
    int rc;
    switch (row->type) {
    case OPT_INT:
        rc = parse_i64(value, strlen(value), &v);
        return store_int(row, field, rc, v);
    case OPT_MILLI:
        rc = dec_parse(value, strlen(value), 3, &v, NULL);
        return store_int(row, field, rc, v);
    case OPT_BOOL: {
        bool yes = false;
        rc = parse_bool(value, &yes);
        if (rc == 0) {
            memcpy(field, &yes, sizeof yes);
        }
        return rc;
    }
    case OPT_STR:
        if (*value == '\0' && row->def && *row->def) {
            return ERR_RANGE;
        }
        return store_text(row, field, value);
    case OPT_CHOICE:
        return store_choice(row, field, value);
    case OPT_DEC:
        // Unset ("" by default) stays possible: it means unknown.
        if (*value == '\0' && !(row->def && *row->def)) {
            return store_text(row, field, value);
        }
        rc = dec_parse(value, strlen(value), DEC_MAX_SCALE, &v, NULL);
        if (rc == ERR_SYNTAX) {
            return rc;
        }
        return rc || v <= 0 ? ERR_RANGE : store_text(row, field, value);
    case OPT_LIST:
        return list_ok(value) ? store_text(row, field, value) : ERR_SYNTAX;
    case OPT_OLD:
        return 0;
    }
    return ERR_SYNTAX;
}

static int set(const struct opt *row, const char *name, void *out, const char *value, struct err *e)
{
    int rc = store(row, out, value);
    if (rc) {
        return refuse(row, name, value, rc, e);
    }
    if (row->secret) {
        log_add_secret(value);
    }
    return 0;
}

// ---- where values come from -------------------------------------------------------------------

static void check_table(const struct opt_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct opt *r = &t->rows[i];
        bool wide = r->type == OPT_INT || r->type == OPT_MILLI;
        if ((wide && r->size != sizeof(int64_t)) ||
            (r->type == OPT_BOOL && r->size != sizeof(bool)) ||
            (r->type == OPT_CHOICE && !r->choices)) {
            FATAL("option %s: the field does not fit the type", r->name);
        }
    }
}

static int load_defaults(const struct opt_table *t, void *out, struct err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct opt *r = &t->rows[i];
        bool text = r->type == OPT_STR || r->type == OPT_LIST || r->type == OPT_DEC;
        const char *def = r->def ? r->def : text ? "" : NULL;
        if (r->type == OPT_OLD || !def) {
            continue;
        }
        // Not by set(): a default is in the documentation, so it is no secret.
        int rc = store(r, out, def);
        if (rc) {
            return refuse(r, r->name, def, rc, e); // a mistake in the table
        }
    }
    return 0;
}

// A secret from a file: its whole content without one trailing line end.
static int load_file(const struct opt *row, const char *name, const char *path, void *out,
                     struct err *e)
{
    char text[SECRET_FILE_MAX + 1];
    FILE *f = fopen(path, "re");
    if (!f) {
        return err_set(e, ERR_RANGE, "%s: cannot read '%s'", name, path);
    }
    size_t n = fread(text, 1, sizeof text, f);
    bool bad = ferror(f) != 0;
    fclose(f);
    if (bad) {
        return err_set(e, ERR_RANGE, "%s: cannot read '%s'", name, path);
    }
    if (n > SECRET_FILE_MAX) {
        return err_set(e, ERR_RANGE, "%s: '%s' holds more than %d bytes", name, path,
                       SECRET_FILE_MAX);
    }
    if (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    if (n > 0 && text[n - 1] == '\r') {
        n--;
    }
    text[n] = '\0';
    if (memchr(text, '\0', n)) {
        return err_set(e, ERR_SYNTAX, "%s: '%s' holds a NUL byte", name, path);
    }
    return set(row, name, out, text, e);
}

static int load_env(const struct opt_table *t, void *out, opt_getenv_fn getenv_fn, void *arg,
                    struct opt_result *res, struct err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct opt *r = &t->rows[i];
        const char *value = getenv_fn(arg, r->name);
        // Set but empty counts as not set, as `VAR= program` and compose files mean it.
        if (value && *value == '\0') {
            value = NULL;
        }
        if (r->type == OPT_OLD) {
            if (value) {
                buf_addf(&res->notes, "%s: %s", r->name, r->text);
                buf_addc(&res->notes, '\0');
            }
            continue;
        }
        char file_name[128];
        const char *path = NULL;
        if (r->secret && str_fmt(file_name, sizeof file_name, "%s_FILE", r->name)) {
            path = getenv_fn(arg, file_name);
        }
        int rc = 0;
        if (path && *path) {
            if (value) {
                return err_set(e, ERR_SYNTAX, "%s: %s is set too; give one of them", file_name,
                               r->name);
            }
            rc = load_file(r, file_name, path, out, e);
        } else if (value) {
            rc = set(r, r->name, out, value, e);
        }
        if (rc) {
            return rc;
        }
    }
    return 0;
}

// The row of the flag in arg ("--name" or "--name=value"); *value behind '=' or NULL.
static const struct opt *find_flag(const struct opt_table *t, const char *arg, const char **value)
{
    const char *eq = strchr(arg, '=');
    struct slice name = {arg, eq ? (size_t)(eq - arg) : strlen(arg)};
    *value = eq ? eq + 1 : NULL;
    for (size_t i = 0; i < t->n; i++) {
        if (t->rows[i].flag && slice_eq(name, t->rows[i].flag)) {
            return &t->rows[i];
        }
    }
    return NULL;
}

static int load_flags(const struct opt_table *t, void *out, int argc, char **argv,
                      struct opt_result *res, struct err *e)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        const char *arg = argv[i++];
        if (strcmp(arg, "--") == 0) {
            break;
        }
        if (strcmp(arg, "--help") == 0) {
            res->help = true;
            continue;
        }
        if (strcmp(arg, "--print-options") == 0) {
            res->print_options = true;
            continue;
        }
        if (strcmp(arg, "--health") == 0) {
            res->health = true;
            continue;
        }
        const char *value;
        const struct opt *row = find_flag(t, arg, &value);
        if (!row) {
            struct opt plain = {0};
            char text[64];
            return err_set(e, ERR_SYNTAX, "%s: no such flag (--help lists them)",
                           shown(&plain, arg, text));
        }
        if (!value && row->type == OPT_BOOL) {
            value = "true";
        } else if (!value) {
            if (i == argc) {
                return err_set(e, ERR_SYNTAX, "%s: needs a value", row->flag);
            }
            value = argv[i++];
        }
        int rc = set(row, row->flag, out, value, e);
        if (rc) {
            return rc;
        }
        if (row->type == OPT_OLD) {
            buf_addf(&res->notes, "%s: %s", row->flag, row->text);
            buf_addc(&res->notes, '\0');
        }
    }
    if (i < argc && !t->operands) {
        struct opt plain = {0};
        char text[64];
        return err_set(e, ERR_SYNTAX, "'%s': operands are not taken", shown(&plain, argv[i], text));
    }
    res->first_operand = i;
    return 0;
}

int opt_load(const struct opt_table *t, void *out, opt_getenv_fn getenv_fn, void *getenv_arg,
             int argc, char **argv, struct opt_result *res, struct err *e)
{
    *res = (struct opt_result){.first_operand = argc};
    buf_init(&res->notes, NOTES_MAX);
    check_table(t);
    int rc = load_defaults(t, out, e);
    // Flags first, for --help must work in a broken environment; then again on top of it.
    if (rc == 0) {
        rc = load_flags(t, out, argc, argv, res, e);
    }
    if (rc || res->help || res->print_options) {
        return rc;
    }
    buf_clear(&res->notes);
    rc = load_env(t, out, getenv_fn, getenv_arg, res, e);
    return rc ? rc : load_flags(t, out, argc, argv, res, e);
}

// ---- what the table prints --------------------------------------------------------------------

void opt_print_help(const struct opt_table *t, FILE *f)
{
    fprintf(f, "%s: %s\n\nusage: %s [flags]%s%s\n\n", t->program, t->summary, t->program,
            t->operands ? " " : "", t->operands ? t->operands : "");
    fprintf(
        f,
        "  --help\n      This text.\n  --print-options\n      The table as Markdown.\n"
        "  --health\n      Ask the running program's health port; ends with 0 when it answers.\n");
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < t->n; i++) {
        const struct opt *r = &t->rows[i];
        fprintf(f, "  %s", r->name);
        if (r->flag) {
            fprintf(f, ", %s%s", r->flag, r->type == OPT_BOOL ? "" : " VALUE");
        }
        fprintf(f, "\n      %s\n", r->text);
        if (r->type == OPT_OLD) {
            continue;
        }
        buf_clear(&b);
        allowed(r, &b);
        if (r->def && *r->def) {
            buf_addf(&b, "; default %s%s%s", r->def, r->unit ? " " : "", r->unit ? r->unit : "");
        }
        fprintf(f, "      %s%s\n", buf_cstr(&b),
                r->secret ? "; secret, also from the file named by the variable + _FILE" : "");
    }
    buf_release(&b);
}

// Table cells may not hold the column separator.
static void put_cell(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '|') {
            fputc('\\', f);
        }
        fputc(*s, f);
    }
}

void opt_print_markdown(const struct opt_table *t, FILE *f)
{
    fprintf(f, "| variable | default | allowed | meaning |\n|---|---|---|---|\n");
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < t->n; i++) {
        const struct opt *r = &t->rows[i];
        fprintf(f, "| `%s`", r->name);
        if (r->secret) {
            fprintf(f, ", `%s_FILE`", r->name);
        }
        if (r->flag) {
            fprintf(f, ", `%s`", r->flag);
        }
        fprintf(f, " | ");
        if (r->def && *r->def) {
            fputc('`', f);
            put_cell(f, r->def);
            fprintf(f, "`%s%s", r->unit ? " " : "", r->unit ? r->unit : "");
        }
        fprintf(f, " | ");
        buf_clear(&b);
        allowed(r, &b);
        put_cell(f, buf_cstr(&b));
        fprintf(f, " | ");
        put_cell(f, r->text);
        fprintf(f, "%s |\n", r->secret ? " Secret." : "");
    }
    buf_release(&b);
}

void opt_describe(const struct opt_table *t, const void *values, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    for (size_t i = 0; i < t->n; i++) {
        const struct opt *r = &t->rows[i];
        const char *field = (const char *)values + r->offset;
        int64_t v;
        bool yes;
        char text[DEC_TEXT];
        switch (r->type) {
        case OPT_INT:
            memcpy(&v, field, sizeof v);
            jw_kint(&w, r->name, v);
            break;
        case OPT_MILLI:
            memcpy(&v, field, sizeof v);
            milli_text(text, v);
            jw_kraw(&w, r->name, text);
            break;
        case OPT_BOOL:
            memcpy(&yes, field, sizeof yes);
            jw_kbool(&w, r->name, yes);
            break;
        case OPT_STR:
        case OPT_CHOICE:
        case OPT_DEC:
        case OPT_LIST:
            jw_kstr(&w, r->name, r->secret && *field ? "***" : field);
            break;
        case OPT_OLD:
            break;
        }
    }
    jw_end_obj(&w);
}
