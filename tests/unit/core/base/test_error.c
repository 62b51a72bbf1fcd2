/* SPDX-License-Identifier: MIT */
#include "core/base/diag.h"
#include "support/rf_test.h"

Test(error, every_error_has_a_name_and_a_text)
{
    for (int i = 0; i < RF_ERR_COUNT; i++) {
        cr_assert(strncmp(rf_err_name((rf_err)i), "RF_", 3) == 0);
        cr_assert(strlen(rf_err_text((rf_err)i)) > 2);
    }
    cr_assert_str_eq(rf_err_name(RF_ENOACTOR), "RF_ENOACTOR");
    cr_assert_str_eq(rf_err_text(RF_ENOACTOR), "actor not found");
    cr_assert_str_eq(rf_err_name((rf_err)999), "RF_E?");
    cr_assert_str_eq(rf_err_text((rf_err)-1), "unknown error");
}

Test(error, a_diagnosis_is_printed_with_what_it_has)
{
    rf_diag diag;
    char text[64];
    cr_assert_eq(rfi_diag_at(&diag, RF_EFORMAT, "a.json", 3, 7, "no %s", "comma"), RF_EFORMAT);
    rf_diag_format(&diag, text, sizeof text);
    cr_assert_str_eq(text, "a.json:3:7: no comma");
    (void)rfi_diag_at(&diag, RF_EFORMAT, NULL, 3, 7, "x");
    rf_diag_format(&diag, text, sizeof text);
    cr_assert_str_eq(text, "3:7: x");
    (void)rfi_diag_at(&diag, RF_EFORMAT, "a.json", 0, 0, "x");
    rf_diag_format(&diag, text, sizeof text);
    cr_assert_str_eq(text, "a.json: x");
    cr_assert_eq(rfi_diag_set(&diag, RF_EINVAL, "only words"), RF_EINVAL);
    rf_diag_format(&diag, text, sizeof text);
    cr_assert_str_eq(text, "only words");
    rf_diag_format(&diag, text, 5);
    cr_assert_str_eq(text, "only");
    cr_assert_eq(rfi_diag_set(NULL, RF_EINVAL, "x"), RF_EINVAL);
}

Test(error, a_diagnosis_stays_one_line_and_is_cut_between_characters)
{
    rf_diag diag;
    (void)rfi_diag_set(&diag, RF_EINVAL, "a\nb\033[31m");
    cr_assert_str_eq(diag.text, "a?b?[31m");
    char longer[600];
    memset(longer, 'x', sizeof longer);
    longer[510] = (char)0xc3; /* an umlaut over the edge */
    longer[511] = (char)0xa4;
    longer[599] = '\0';
    (void)rfi_diag_set(&diag, RF_EINVAL, "%s", longer);
    cr_assert_eq(strlen(diag.text), 510U);
}

Test(error, names_that_may_go_over_the_wire)
{
    char longest[130];
    memset(longest, 'a', sizeof longest);
    cr_assert(rfi_name_is_valid(longest, 128));
    cr_assert_not(rfi_name_is_valid(longest, 129));
    cr_assert(rfi_name_is_valid("sub/Actor_1.b:c-d", 17));
    cr_assert(rfi_name_is_valid("a.b", 3));
    cr_assert_not(rfi_name_is_valid("", 0));
    cr_assert_not(rfi_name_is_valid(".a", 2));
    cr_assert_not(rfi_name_is_valid("a@b", 3));
    cr_assert_not(rfi_name_is_valid("a b", 3));
    cr_assert_not(rfi_name_is_valid("a\0b", 3));
    cr_assert_not(rfi_name_is_valid("\xc3\xa4", 2));
    cr_assert_not(rfi_name_is_valid(NULL, 0));
}
