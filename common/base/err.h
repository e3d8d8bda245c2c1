#ifndef COMMON_ERR_H
#define COMMON_ERR_H
// How a failure travels up: a negative code as the return value, and a reason in a caller-owned
// struct err, detail first, context put in front of it on the way up ("REDIS_URL: port 99999 is
// not in 1..65535"). Nothing below the layer that decides writes a log line.

#define MUST_CHECK __attribute__((warn_unused_result))

enum err_code {
    ERR_NONE = 0,
    ERR_SYNTAX = -1,    // not of the expected form
    ERR_RANGE = -2,     // of the form, but outside the allowed values
    ERR_OVERFLOW = -3,  // does not fit the integer that would hold it
    ERR_PRECISION = -4, // more decimals than the scale holds
    ERR_LIMIT = -5,     // a configured bound was reached
    ERR_CLOSED = -6,    // the connection is not up
    ERR_TIMEOUT = -7,
    ERR_IO = -8,    // the system or a library said no
    ERR_STATE = -9, // not allowed now (a fence, a mismatch)
};

struct err {
    int code;       // one of enum err_code
    char text[240]; // a whole sentence fragment, no newline; "" when code is 0
};

// Sets code and reason; the text is cut to fit. Returns `code`, so `return err_set(...)` works.
// `e` may be NULL (the caller wants only the code).
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// Puts "<context>: " in front of the reason. Returns the code that was there.
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// The stable name of a code ("syntax", "range", ...), for log fields and metrics labels.
const char *err_name(int code);

#endif
