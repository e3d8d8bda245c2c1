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
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    // build/bin/backfill -> build/lib; a build with a sanitizer lies one or two folders deeper.
    for (int up = 0; up < 4 && slash != NULL; up++) {
        *slash = '\0';
        str_fmt(near, sizeof near, "%s/lib/libduckdb.so", self);
        void *lib = dlopen(near, RTLD_NOW | RTLD_LOCAL);
        if (lib != NULL) {
            return lib;
        }
        slash = strrchr(self, '/');
    }
    return dlopen("libduckdb.so", RTLD_NOW | RTLD_LOCAL);
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

int duck_run(struct duck *d, const char *sql, struct err *e)
{
    struct duck_result r;
    memset(&r, 0, sizeof r);
    const int rc = d->query(d->con, sql, &r);
    if (rc != 0) {
        const char *why = d->result_error(&r);
        err_set(e, ERR_IO, "%.200s", why != NULL ? why : "the statement failed");
        char *nl = strchr(e->text, '\n');
        if (nl != NULL) {
            *nl = '\0';
        }
    }
    d->destroy_result(&r);
    return rc != 0 ? ERR_IO : 0;
}
