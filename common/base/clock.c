#include "common/base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

static int64_t system_wall_us(void *arg)
{
    (void)arg;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t system_mono_ms(void *arg)
{
    (void)arg;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct clock clock_system(void)
{
    return (struct clock){.wall_us = system_wall_us, .mono_ms = system_mono_ms, .arg = NULL};
}

static int64_t fake_wall_us(void *arg)
{
    return ((struct fake_clock *)arg)->wall_us;
}

static int64_t fake_mono_ms(void *arg)
{
    return ((struct fake_clock *)arg)->mono_ms;
}

struct clock clock_fake(struct fake_clock *f)
{
    return (struct clock){.wall_us = fake_wall_us, .mono_ms = fake_mono_ms, .arg = f};
}

// Days since 1970-01-01, floor.
static int64_t day_number(int64_t ts_ms)
{
    int64_t day = ts_ms / MS_PER_DAY;
    return ts_ms % MS_PER_DAY < 0 ? day - 1 : day;
}

int64_t day_start_ms(int64_t ts_ms)
{
    int64_t start;
    if (__builtin_mul_overflow(day_number(ts_ms), MS_PER_DAY, &start)) {
        return INT64_MIN; // only within a day of INT64_MIN
    }
    return start;
}

// What four digits of year can say: 0000-01-01T00:00:00.000 .. 9999-12-31T23:59:59.999.
#define FIRST_MS INT64_C(-62167219200000)
#define LAST_MS INT64_C(253402300799999)

// Howard Hinnant's days-to-civil method: the year is counted from March, so the leap day is the
// last of it, in eras of 400 years (146097 days).
static void civil(int64_t day, int *year, int *month, int *mday)
{
    int64_t z = day + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *mday = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static int64_t days_from_civil(int64_t year, int64_t month, int64_t mday)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + mday - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static char *put(char *p, int v, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        p[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return p + digits;
}

static int64_t clip(int64_t ts_ms)
{
    return ts_ms < FIRST_MS ? FIRST_MS : ts_ms > LAST_MS ? LAST_MS : ts_ms;
}

static char *put_day(char *p, int64_t day)
{
    int year;
    int month;
    int mday;
    civil(day, &year, &month, &mday);
    p = put(p, year, 4);
    *p++ = '-';
    p = put(p, month, 2);
    *p++ = '-';
    return put(p, mday, 2);
}

void iso_ms(int64_t ts_ms, char out[32])
{
    ts_ms = clip(ts_ms);
    int64_t day = day_number(ts_ms);
    int ms = (int)(ts_ms - day * MS_PER_DAY);
    char *p = put_day(out, day);
    *p++ = 'T';
    p = put(p, ms / 3600000, 2);
    *p++ = ':';
    p = put(p, ms / 60000 % 60, 2);
    *p++ = ':';
    p = put(p, ms / 1000 % 60, 2);
    *p++ = '.';
    p = put(p, ms % 1000, 3);
    memcpy(p, "+00:00", 7);
}

void iso_day(int64_t ts_ms, char out[16])
{
    *put_day(out, day_number(clip(ts_ms))) = '\0';
}

static bool take(const char *s, size_t digits, int64_t *out)
{
    int64_t v = 0;
    for (size_t i = 0; i < digits; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        v = v * 10 + (s[i] - '0');
    }
    *out = v;
    return true;
}

int parse_day(const char *s, size_t n, int64_t *out_ms)
{
    int64_t year;
    int64_t month;
    int64_t mday;
    if (n != 10 || s[4] != '-' || s[7] != '-' || !take(s, 4, &year) || !take(s + 5, 2, &month) ||
        !take(s + 8, 2, &mday) || month < 1 || month > 12 || mday < 1 || mday > 31) {
        return -1;
    }
    // A day that the month does not have (02-30) comes back as another one.
    int64_t ms = days_from_civil(year, month, mday) * MS_PER_DAY;
    char back[16];
    iso_day(ms, back);
    if (memcmp(back, s, 10) != 0) {
        return -1;
    }
    *out_ms = ms;
    return 0;
}
