/* SPDX-License-Identifier: MIT */
/* Runs every test of the program in this process (RF_TEST_PLAIN). An argument filters by
 * "suite/name" prefix. Ends with `N passed, 0 failed`; a failed assertion aborts. */
#include "support/rf_test.h"

struct rf_test_case *rf_test_first;

int main(int argc, char **argv)
{
    int passed = 0;
    for (struct rf_test_case *test = rf_test_first; test != NULL; test = test->next) {
        char full[256];
        (void)snprintf(full, sizeof full, "%s/%s", test->suite, test->name);
        if (argc > 1 && strncmp(full, argv[1], strlen(argv[1])) != 0)
            continue;
        fprintf(stderr, "%s\n", full);
        test->run();
        passed++;
    }
    printf("%d passed, 0 failed\n", passed);
    return passed > 0 ? 0 : 1;
}
