/* SPDX-License-Identifier: MIT */
#include "core/base/suggest.h"
#include "support/rf_test.h"

static const char *nearest(const char *wanted)
{
    static const char *const names[] = {"bind_port", "bind_address", "connect", "graphs",
                                        "in",        "input",        "output",  "transport"};
    static struct rfi_suggest suggest;
    rfi_suggest_init(&suggest, wanted);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        rfi_suggest_offer(&suggest, names[i]);
    return suggest.best != NULL ? suggest.best : "";
}

Test(suggest, slips_of_the_hand_find_the_right_name)
{
    cr_assert_str_eq(nearest("bind_prot"), "bind_port"); /* swap */
    cr_assert_str_eq(nearest("bindport"), "bind_port");  /* missing */
    cr_assert_str_eq(nearest("grraphs"), "graphs");      /* double */
    cr_assert_str_eq(nearest("conmect"), "connect");     /* wrong */
    cr_assert_str_eq(nearest("OUTPUT"), "output");       /* case */
    cr_assert_str_eq(nearest("im"), "in");
}

Test(suggest, nothing_is_better_than_something_far)
{
    cr_assert_str_eq(nearest("zebra"), "");
    cr_assert_str_eq(nearest(""), "");
    char longest[500];
    memset(longest, 'a', sizeof longest);
    longest[499] = '\0';
    cr_assert_str_eq(nearest(longest), "");
}

Test(suggest, the_text_is_ready_to_be_appended)
{
    struct rfi_suggest suggest;
    char text[64];
    rfi_suggest_init(&suggest, "grafs");
    rfi_suggest_text(&suggest, text, sizeof text);
    cr_assert_str_eq(text, "");
    rfi_suggest_offer(&suggest, "graphs");
    rfi_suggest_offer(&suggest, "graves"); /* as near, but later */
    rfi_suggest_text(&suggest, text, sizeof text);
    cr_assert_str_eq(text, " (did you mean \"graphs\"?)");
}
