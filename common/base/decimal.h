#ifndef COMMON_DECIMAL_H
#define COMMON_DECIMAL_H
// Exact decimals: text <-> integer at a scale. "65000.10" at scale 3 is 65000100.
//
//   valid:   "0" "65000.10" "3.66e+06" "-1.5" "1E3" ".5" "5."
//   invalid: "" "." "+1" "1e" "0x10" "1,5" " 1" "NaN" "1e999"
//
// Source of the rules: metrics definitions, "Arithmetic": a value prints back exactly as it came
// when it has no exponent, and a value with more (non-zero) decimals than the scale is refused,
// never rounded.

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define DEC_MAX_SCALE 10
#define DEC_TEXT 48 // bytes that hold any formatted value with its NUL

// Parses all of s[n]. *out = value * 10^scale; *decimals (may be NULL) = digits after the point
// as written (after applying an exponent; trailing zeros count: "1.50" has 2).
// 0, ERR_SYNTAX, ERR_OVERFLOW (also for an exponent beyond +-99), or ERR_PRECISION (non-zero digits
// beyond `scale`, 0..18).
int dec_parse(const char *s, size_t n, int scale, int64_t *out, int *decimals) MUST_CHECK;

// Decimals a value needs: "0.10" -> 1, "0.001" -> 3, "1" -> 0. ERR_* as above; at most 18.
int dec_places(const char *s, size_t n, int *places) MUST_CHECK;

// v * 10^-scale as text with at least `min_places` decimals and no trailing zeros beyond them:
// (6164000, 2, 1) -> "61640.0"; (125157600, 5, 3) -> "1251.576"; (5, 3, 0) -> "0.005".
// NUL-terminated; returns the length. scale 0..18, min_places 0..24 (above scale: padded with
// zeros); anything else is a mistake of the caller and aborts.
size_t dec_format(char out[DEC_TEXT], int64_t v, int scale, int min_places);

int64_t pow10_i64(int exponent); // 0..18

#endif
