"""SQL on Parquet files through the same library that backfill uses, by ctypes."""

import ctypes

from stack import BIN


class Result(ctypes.Structure):
    _fields_ = [("columns", ctypes.c_uint64), ("rows", ctypes.c_uint64), ("changed", ctypes.c_uint64),
                ("data", ctypes.c_void_p), ("error", ctypes.c_char_p), ("internal", ctypes.c_void_p)]


def query(sql):
    """Rows of texts."""
    lib = ctypes.CDLL(str(next(p / "lib" / "libduckdb.so" for p in BIN.parents
                               if (p / "lib" / "libduckdb.so").exists())))
    for name in ("column_count", "row_count"):
        getattr(lib, f"duckdb_{name}").restype = ctypes.c_uint64
    lib.duckdb_value_varchar.restype = ctypes.c_char_p
    lib.duckdb_value_varchar.argtypes = [ctypes.POINTER(Result), ctypes.c_uint64, ctypes.c_uint64]
    lib.duckdb_result_error.restype = ctypes.c_char_p
    db, con, out = ctypes.c_void_p(), ctypes.c_void_p(), Result()
    assert lib.duckdb_open(None, ctypes.byref(db)) == 0
    assert lib.duckdb_connect(db, ctypes.byref(con)) == 0
    try:
        if lib.duckdb_query(con, sql.encode(), ctypes.byref(out)) != 0:
            raise AssertionError(lib.duckdb_result_error(ctypes.byref(out)).decode())
        rows, columns = lib.duckdb_row_count(ctypes.byref(out)), lib.duckdb_column_count(ctypes.byref(out))
        return [[(lib.duckdb_value_varchar(ctypes.byref(out), c, r) or b"").decode()
                 for c in range(columns)] for r in range(rows)]
    finally:
        lib.duckdb_destroy_result(ctypes.byref(out))
        lib.duckdb_disconnect(ctypes.byref(con))
        lib.duckdb_close(ctypes.byref(db))
