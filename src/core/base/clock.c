/* SPDX-License-Identifier: MIT */
/* The two clocks and RFC 3339 times. Dates are worked out with the proleptic Gregorian calendar in
 * integers, so neither time zone files nor the locale have a say, and every function may be called
 * on any thread. Times before 1970 and after 2554 do not fit in unsigned nanoseconds: the parser
 * refuses them. It does not know leap seconds: second 60 is read as the second after 59. */
#include "core/base/clock.h"

#include <string.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t read_clock(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t rfi_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t rfi_clock_ms(void)
{
    return rfi_clock_ns() / UINT64_C(1000000);
}

uint64_t rfi_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* Days since 1970-01-01. Years are counted from March, so that a leap day comes last. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t shifted = days + 719468;
    uint64_t era = shifted / 146097;
    uint64_t day_of_era = shifted % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    *day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

/* `count` digits, with zeros in front. */
static char *put_digits(char *to, unsigned value, unsigned count)
{
    for (unsigned i = count; i-- > 0; value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + count;
}

/* The two digits of a number below 100 and the mark behind them. */
static char *put_part(char *to, unsigned value, char mark)
{
    to = put_digits(to, value, 2);
    *to++ = mark;
    return to;
}

/* By hand, since every message on the Rust wire bears a time. */
size_t rfi_timestamp_format(uint64_t wall_ns, char out[RFI_TIMESTAMP_SIZE])
{
    uint64_t seconds = wall_ns / NS_PER_S;
    unsigned fraction = (unsigned)(wall_ns % NS_PER_S);
    unsigned of_day = (unsigned)(seconds % 86400);
    unsigned year, month, day;
    char *to = out;
    date_from_days(seconds / 86400, &year, &month, &day);
    to = put_digits(to, year, 4);
    *to++ = '-';
    to = put_part(to, month, '-');
    to = put_part(to, day, 'T');
    to = put_part(to, of_day / 3600, ':');
    to = put_part(to, of_day / 60 % 60, ':');
    to = put_digits(to, of_day % 60, 2);
    if (fraction != 0) {
        bool is_micro = fraction % 1000 == 0;
        bool is_milli = fraction % 1000000 == 0;
        *to++ = '.';
        to = is_milli   ? put_digits(to, fraction / 1000000, 3)
             : is_micro ? put_digits(to, fraction / 1000, 6)
                        : put_digits(to, fraction, 9);
    }
    *to++ = 'Z';
    *to = '\0';
    return (size_t)(to - out);
}

struct cursor {
    const char *at;
    const char *end;
};

static bool take_digits(struct cursor *in, unsigned count, unsigned *out)
{
    if ((size_t)(in->end - in->at) < count)
        return false;
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        char c = in->at[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (unsigned)(c - '0');
    }
    in->at += count;
    *out = value;
    return true;
}

static bool take_one_of(struct cursor *in, const char *set)
{
    if (in->at == in->end || *in->at == '\0' || strchr(set, *in->at) == NULL)
        return false;
    in->at++;
    return true;
}

static bool take_fraction(struct cursor *in, uint64_t *out_ns)
{
    uint64_t ns = 0, unit = NS_PER_S;
    const char *first = in->at;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        unit /= 10; /* 0 from the tenth digit on, which cuts there */
        ns += (uint64_t)(*in->at - '0') * unit;
    }
    *out_ns = ns;
    return in->at > first;
}

/* Reads up to the end of the text. */
static bool take_zone(struct cursor *in, int64_t *out_seconds)
{
    *out_seconds = 0;
    size_t left = (size_t)(in->end - in->at);
    if (left == 4 && memcmp(in->at, " UTC", 4) == 0)
        return true;
    if (take_one_of(in, "Zz"))
        return in->at == in->end;
    bool is_west = left > 0 && *in->at == '-';
    unsigned hours, minutes;
    if (!take_one_of(in, "+-") || !take_digits(in, 2, &hours))
        return false;
    (void)take_one_of(in, ":"); /* optional */
    if (!take_digits(in, 2, &minutes) || hours > 23 || minutes > 59 || in->at != in->end)
        return false;
    int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *out_seconds = is_west ? -seconds : seconds;
    return true;
}

static bool is_date(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    unsigned length = lengths[month - 1] + (month == 2 && is_leap ? 1U : 0U);
    return day <= length;
}

bool rfi_timestamp_parse(const char *text, size_t size, uint64_t *out_wall_ns)
{
    struct cursor in = {text, text + size};
    unsigned year, month, day, hour, minute, second;
    if (!take_digits(&in, 4, &year) || !take_one_of(&in, "-") || !take_digits(&in, 2, &month) ||
        !take_one_of(&in, "-") || !take_digits(&in, 2, &day) || !take_one_of(&in, "T "))
        return false;
    if (!take_digits(&in, 2, &hour) || !take_one_of(&in, ":") || !take_digits(&in, 2, &minute) ||
        !take_one_of(&in, ":") || !take_digits(&in, 2, &second))
        return false;
    if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 60)
        return false;
    uint64_t fraction_ns = 0;
    if (take_one_of(&in, ".") && !take_fraction(&in, &fraction_ns))
        return false;
    int64_t offset_seconds;
    if (!take_zone(&in, &offset_seconds))
        return false;
    int64_t seconds = days_from_date(year, month, day) * 86400 + (int64_t)hour * 3600 +
                      (int64_t)minute * 60 + (int64_t)second - offset_seconds;
    uint64_t wall_ns;
    if (seconds < 0 || __builtin_mul_overflow((uint64_t)seconds, NS_PER_S, &wall_ns) ||
        __builtin_add_overflow(wall_ns, fraction_ns, &wall_ns))
        return false;
    *out_wall_ns = wall_ns;
    return true;
}
