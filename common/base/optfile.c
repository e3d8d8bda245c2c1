#include "common/base/optfile.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define NAME_MAX_BYTES 80

struct optfile {
    char path[512];
    json_t *values; // name -> string
};

// Is it NAME of a row, or NAME_FILE of a secret one?
static bool is_known(const struct opt_table *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct opt *o = &t->rows[i];
        const size_t n = strlen(o->name);
        if (strcmp(o->name, key) == 0 ||
            (o->secret && strncmp(o->name, key, n) == 0 && strcmp(key + n, "_FILE") == 0)) {
            return true;
        }
    }
    return false;
}

static json_t *as_text(const json_t *v)
{
    if (json_is_string(v)) {
        return json_string(json_string_value(v));
    }
    if (json_is_integer(v)) {
        char text[24];
        const size_t n = fmt_i64(text, (int64_t)json_integer_value(v));
        return json_stringn(text, n);
    }
    return json_is_boolean(v) ? json_string(json_is_true(v) ? "true" : "false") : NULL;
}

static int take(struct optfile *f, const struct opt_table *t, json_t *root, struct err *e)
{
    const char *key;
    json_t *v;
    json_object_foreach(root, key, v)
    {
        if (!is_known(t, key)) {
            return err_set(e, ERR_RANGE, "%.200s: '%.60s' is not an option", f->path, key);
        }
        json_t *text = as_text(v);
        if (text == NULL) {
            char *shown = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
            const int rc =
                err_set(e, ERR_SYNTAX, "%.120s: %.60s: %.30s is no string, whole number or boolean",
                        f->path, key, shown != NULL ? shown : "it");
            free(shown);
            return rc;
        }
        json_object_set_new(f->values, key, text);
    }
    return 0;
}

struct optfile *optfile_read(const char *path, const struct opt_table *t, struct err *e)
{
    json_error_t why;
    struct optfile *f = xcalloc(1, sizeof *f);
    str_copy(f->path, sizeof f->path, path);
    f->values = json_object();
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    int rc = 0;
    if (root == NULL) {
        rc = err_set(e, ERR_SYNTAX, "%.120s: %.80s (line %d)", path, why.text, why.line);
    } else if (!json_is_object(root)) {
        rc = err_set(e, ERR_SYNTAX, "%.200s: not a JSON object", path);
    } else {
        rc = take(f, t, root, e);
    }
    json_decref(root);
    if (rc != 0) {
        optfile_free(f);
        return NULL;
    }
    return f;
}

void optfile_free(struct optfile *f)
{
    if (f != NULL) {
        json_decref(f->values);
        free(f);
    }
}

static bool is_set(const char *name)
{
    const char *v = opt_system_getenv(NULL, name);
    return v != NULL && v[0] != '\0';
}

// NAME and NAME_FILE are one option: when the environment has either, the file's is not looked at.
static bool environment_has(const char *name)
{
    char other[NAME_MAX_BYTES];
    if (is_set(name)) {
        return true;
    }
    if (str_ends(name, "_FILE")) {
        str_copyn(other, sizeof other, name, strlen(name) - strlen("_FILE"));
    } else {
        str_fmt(other, sizeof other, "%s_FILE", name);
    }
    return is_set(other);
}

const char *optfile_getenv(void *arg, const char *name)
{
    const struct optfile *f = arg;
    if (environment_has(name)) {
        return opt_system_getenv(NULL, name);
    }
    return json_string_value(json_object_get(f->values, name));
}

int optfile_explain(const struct optfile *f, struct err *e)
{
    char name[NAME_MAX_BYTES];
    const size_t n = strcspn(e->text, ":");
    str_copyn(name, sizeof name, e->text, n);
    if (json_object_get(f->values, name) != NULL && !environment_has(name)) {
        return err_prefix(e, "%.100s", f->path);
    }
    return e->code;
}
