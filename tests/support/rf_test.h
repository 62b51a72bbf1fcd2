/* SPDX-License-Identifier: MIT */
/* The test macros. By default they are Criterion's. With RF_TEST_PLAIN the same sources build into a
 * plain program that runs every test in one process, because Criterion cannot run under
 * ThreadSanitizer and hides leaks from LeakSanitizer. Use Test(suite, name) and the cr_assert
 * macros below only. */
#ifndef RF_TEST_H
#define RF_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef RF_TEST_PLAIN

#include <criterion/criterion.h>

#else

struct rf_test_case {
    const char *suite, *name;
    void (*run)(void);
    struct rf_test_case *next;
};
extern struct rf_test_case *rf_test_first; /* defined in plain_main.c */

/* Optional arguments such as .timeout are accepted and unused here. */
#define Test(test_suite, test_name, ...)                                                           \
    static void rf_test_##test_suite##_##test_name(void);                                          \
    __attribute__((constructor)) static void rf_add_##test_suite##_##test_name(void)               \
    {                                                                                              \
        static struct rf_test_case test_case = {#test_suite, #test_name,                           \
                                                rf_test_##test_suite##_##test_name, NULL};         \
        test_case.next = rf_test_first;                                                            \
        rf_test_first = &test_case;                                                                \
    }                                                                                              \
    static void rf_test_##test_suite##_##test_name(void)

#define TestSuite(test_suite, ...) struct rf_suite_##test_suite

#define RF_TEST_FAIL(text)                                                                         \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, text);                                  \
        abort();                                                                                   \
    } while (0)
#define cr_assert(condition, ...)                                                                  \
    do {                                                                                           \
        if (!(condition))                                                                          \
            RF_TEST_FAIL(#condition);                                                              \
    } while (0)
#define cr_assert_eq(a, b, ...)           cr_assert((a) == (b))
#define cr_assert_neq(a, b, ...)          cr_assert((a) != (b))
#define cr_assert_lt(a, b, ...)           cr_assert((a) < (b))
#define cr_assert_leq(a, b, ...)          cr_assert((a) <= (b))
#define cr_assert_gt(a, b, ...)           cr_assert((a) > (b))
#define cr_assert_geq(a, b, ...)          cr_assert((a) >= (b))
#define cr_assert_not(condition, ...)     cr_assert(!(condition))
#define cr_assert_null(pointer, ...)      cr_assert((pointer) == NULL)
#define cr_assert_not_null(pointer, ...)  cr_assert((pointer) != NULL)
#define cr_assert_str_eq(a, b, ...)       cr_assert(strcmp((a), (b)) == 0)
#define cr_assert_str_neq(a, b, ...)      cr_assert(strcmp((a), (b)) != 0)
#define cr_assert_arr_eq(a, b, size, ...) cr_assert(memcmp((a), (b), (size)) == 0)
#define cr_assert_float_eq(a, b, e, ...)  cr_assert((a) - (b) <= (e) && (b) - (a) <= (e))
#define cr_assert_fail(...)               RF_TEST_FAIL("failed")

#endif
#endif
