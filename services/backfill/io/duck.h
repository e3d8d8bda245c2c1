#ifndef BACKFILL_DUCK_H
#define BACKFILL_DUCK_H
// The few functions of DuckDB's C library that the store needs, loaded when they are: the service
// builds and runs without the library, and only a short-lived child process ever maps it.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct duck_result { // as the library lays it out; passed by value to fetch_chunk
    uint64_t column_count, row_count, rows_changed;
    void *columns;
    char *error_message;
    void *internal;
};

struct duck {
    void *lib, *config, *db, *con;
    // names of the C API without their "duckdb_"
    int (*create_config)(void **out);
    int (*set_config)(void *config, const char *name, const char *value);
    void (*destroy_config)(void **config);
    int (*open_ext)(const char *path, void **db, void *config, char **error);
    int (*connect)(void *db, void **con);
    void (*disconnect)(void **con);
    void (*close)(void **db);
    void (*free)(void *p);
    int (*query)(void *con, const char *sql, struct duck_result *out);
    const char *(*result_error)(struct duck_result *r);
    void (*destroy_result)(struct duck_result *r);
    int (*prepare)(void *con, const char *sql, void **out);
    const char *(*prepare_error)(void *prepared);
    void (*destroy_prepare)(void **prepared);
    int (*execute_prepared_streaming)(void *prepared, struct duck_result *out);
    uint64_t (*row_count)(struct duck_result *r);
    char *(*value_varchar)(struct duck_result *r, uint64_t column, uint64_t row);
    int64_t (*value_int64)(struct duck_result *r, uint64_t column, uint64_t row);
    void *(*fetch_chunk)(struct duck_result r);
    uint64_t (*data_chunk_get_size)(void *chunk);
    void *(*data_chunk_get_vector)(void *chunk, uint64_t column);
    void *(*vector_get_data)(void *vector);
    uint64_t (*vector_size)(void);
    void *(*create_logical_type)(int type);
    void *(*create_decimal_type)(uint8_t width, uint8_t scale);
    void (*destroy_logical_type)(void **type);
    void *(*create_data_chunk)(void **types, uint64_t columns);
    void (*data_chunk_reset)(void *chunk);
    void (*data_chunk_set_size)(void *chunk, uint64_t n);
    void (*destroy_data_chunk)(void **chunk);
    int (*appender_create)(void *con, const char *schema, const char *table, void **out);
    int (*append_data_chunk)(void *appender, void *chunk);
    int (*appender_destroy)(void **appender);
};

enum { DUCK_UTINYINT = 6, DUCK_BIGINT = 5, DUCK_UBIGINT = 9, DUCK_UUID = 27 };

// Loads the library from `path`, or, when that is "", from where it usually is; opens a database in
// memory that uses one thread and so much memory, and asks nobody for extensions. 0 or ERR_*.
int duck_open(struct duck *d, const char *path, int64_t memory_mb, const char *temp_dir,
              struct err *e) MUST_CHECK;
void duck_close(struct duck *d);
// Runs one statement and drops its result.
int duck_run(struct duck *d, const char *sql, struct err *e) MUST_CHECK;
// Whole numbers of the first row of a small result, column by column.
int duck_numbers(struct duck *d, const char *sql, int64_t *out, size_t n, struct err *e) MUST_CHECK;

// The rows of a statement as they are made, one chunk at a time, on a connection of its own.
struct duck_scan {
    struct duck *d;
    void *con, *prepared;
    struct duck_result result;
    bool running;
    void *chunk; // the current one, or NULL
    size_t n;    // its rows
};
int duck_scan_open(struct duck_scan *s, struct duck *d, const char *sql, struct err *e) MUST_CHECK;
// 1 = the next chunk is there, 0 = the end, ERR_*.
int duck_scan_next(struct duck_scan *s, struct err *e) MUST_CHECK;
const void *duck_scan_column(const struct duck_scan *s, uint64_t column);
void duck_scan_close(struct duck_scan *s); // also of one that could not be opened

#endif
