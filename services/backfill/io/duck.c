#include "services/backfill/io/duck.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/str.h"

static void *load(const char *path)
{
    char self[480], near[520];
    if (path[0] != '\0') {
        return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    }
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    // build/bin/backfill -> build/lib; a build with a sanitizer lies one or two folders deeper.
    for (int up = 0; up < 4 && slash != NULL; up++) {
        *slash = '\0';
        str_fmt(near, sizeof near, "%s/lib/libduckdb.so", self);
        void *lib = dlopen(near, RTLD_LAZY | RTLD_LOCAL);
        if (lib != NULL) {
            return lib;
        }
        slash = strrchr(self, '/');
    }
    return dlopen("libduckdb.so", RTLD_LAZY | RTLD_LOCAL);
}

static int bind_all(struct duck *d, struct err *e)
{
    const struct {
        const char *name;
        void *slot;
    } row[] = {
        {"create_config", &d->create_config},
        {"set_config", &d->set_config},
        {"destroy_config", &d->destroy_config},
        {"open_ext", &d->open_ext},
        {"connect", &d->connect},
        {"disconnect", &d->disconnect},
        {"close", &d->close},
        {"free", &d->free},
        {"query", &d->query},
        {"result_error", &d->result_error},
        {"destroy_result", &d->destroy_result},
        {"prepare", &d->prepare},
        {"prepare_error", &d->prepare_error},
        {"destroy_prepare", &d->destroy_prepare},
        {"execute_prepared_streaming", &d->execute_prepared_streaming},
        {"row_count", &d->row_count},
        {"value_varchar", &d->value_varchar},
        {"value_int64", &d->value_int64},
        {"fetch_chunk", &d->fetch_chunk},
        {"data_chunk_get_size", &d->data_chunk_get_size},
        {"data_chunk_get_vector", &d->data_chunk_get_vector},
        {"vector_get_data", &d->vector_get_data},
        {"vector_size", &d->vector_size},
        {"create_logical_type", &d->create_logical_type},
        {"create_decimal_type", &d->create_decimal_type},
        {"destroy_logical_type", &d->destroy_logical_type},
        {"create_data_chunk", &d->create_data_chunk},
        {"data_chunk_reset", &d->data_chunk_reset},
        {"data_chunk_set_size", &d->data_chunk_set_size},
        {"destroy_data_chunk", &d->destroy_data_chunk},
        {"appender_create", &d->appender_create},
        {"append_data_chunk", &d->append_data_chunk},
        {"appender_destroy", &d->appender_destroy},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char name[64];
        str_fmt(name, sizeof name, "duckdb_%s", row[i].name);
        void *f = dlsym(d->lib, name);
        if (f == NULL) {
            return err_set(e, ERR_IO, "libduckdb has no %s", name);
        }
        memcpy(row[i].slot, &f, sizeof f); // ISO C knows no cast between the two kinds of pointer
    }
    return 0;
}

int duck_open(struct duck *d, const char *path, int64_t memory_mb, const char *temp_dir,
              struct err *e)
{
    char memory[32], *why = NULL;
    memset(d, 0, sizeof *d);
    d->lib = load(path);
    if (d->lib == NULL) {
        return err_set(e, ERR_IO, "libduckdb can not be loaded: %s", dlerror());
    }
    if (bind_all(d, e) != 0) {
        return ERR_IO;
    }
    str_fmt(memory, sizeof memory, "%lldMB", (long long)memory_mb);
    const char *const set[][2] = {{"threads", "1"},
                                  {"memory_limit", memory},
                                  {"temp_directory", temp_dir},
                                  {"autoinstall_known_extensions", "false"},
                                  {"autoload_known_extensions", "false"}};
    if (d->create_config(&d->config) != 0) {
        return err_set(e, ERR_IO, "libduckdb: no configuration");
    }
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        if (d->set_config(d->config, set[i][0], set[i][1]) != 0) {
            return err_set(e, ERR_IO, "libduckdb refuses %s", set[i][0]);
        }
    }
    if (d->open_ext(NULL, &d->db, d->config, &why) != 0 || d->connect(d->db, &d->con) != 0) {
        return err_set(e, ERR_IO, "libduckdb: %s", why != NULL ? why : "can not be opened");
    }
    return 0;
}

void duck_close(struct duck *d)
{
    if (d->con != NULL) {
        d->disconnect(&d->con);
    }
    if (d->db != NULL) {
        d->close(&d->db);
    }
    if (d->config != NULL) {
        d->destroy_config(&d->config);
    }
}

// The first line of what the library says.
static int refused(struct err *e, const char *why)
{
    err_set(e, ERR_IO, "%.200s", why != NULL ? why : "the statement failed");
    char *nl = strchr(e->text, '\n');
    if (nl != NULL) {
        *nl = '\0';
    }
    return ERR_IO;
}

int duck_run(struct duck *d, const char *sql, struct err *e)
{
    struct duck_result r;
    memset(&r, 0, sizeof r);
    const int rc = d->query(d->con, sql, &r) != 0 ? refused(e, d->result_error(&r)) : 0;
    d->destroy_result(&r);
    return rc;
}

int duck_numbers(struct duck *d, const char *sql, int64_t *out, size_t n, struct err *e)
{
    struct duck_result r;
    memset(&r, 0, sizeof r);
    const int rc = d->query(d->con, sql, &r) != 0 ? refused(e, d->result_error(&r)) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        out[i] = d->value_int64(&r, i, 0);
    }
    d->destroy_result(&r);
    return rc;
}

// ---- scans
// ---------------------------------------------------------------------------------------

int duck_scan_open(struct duck_scan *s, struct duck *d, const char *sql, struct err *e)
{
    memset(s, 0, sizeof *s);
    s->d = d;
    if (d->connect(d->db, &s->con) != 0) {
        return err_set(e, ERR_IO, "libduckdb: no connection");
    }
    if (d->prepare(s->con, sql, &s->prepared) != 0) {
        return refused(e, s->prepared != NULL ? d->prepare_error(s->prepared) : NULL);
    }
    s->running = true;
    return d->execute_prepared_streaming(s->prepared, &s->result) != 0
               ? refused(e, d->result_error(&s->result))
               : 0;
}

int duck_scan_next(struct duck_scan *s, struct err *e)
{
    do {
        if (s->chunk != NULL) {
            s->d->destroy_data_chunk(&s->chunk);
        }
        s->chunk = s->d->fetch_chunk(s->result);
        if (s->chunk == NULL) {
            const char *why = s->d->result_error(&s->result);
            return why != NULL && why[0] != '\0' ? refused(e, why) : 0;
        }
        s->n = (size_t)s->d->data_chunk_get_size(s->chunk);
    } while (s->n == 0);
    return 1;
}

const void *duck_scan_column(const struct duck_scan *s, uint64_t column)
{
    return s->d->vector_get_data(s->d->data_chunk_get_vector(s->chunk, column));
}

void duck_scan_close(struct duck_scan *s)
{
    if (s->chunk != NULL) {
        s->d->destroy_data_chunk(&s->chunk);
    }
    if (s->running) {
        s->d->destroy_result(&s->result);
    }
    if (s->prepared != NULL) {
        s->d->destroy_prepare(&s->prepared);
    }
    if (s->con != NULL) {
        s->d->disconnect(&s->con);
    }
    memset(s, 0, sizeof *s);
}
