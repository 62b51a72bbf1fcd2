/* SPDX-License-Identifier: MIT */
/* Prints the table of docs/config.md out of the table of the configuration. After a change of a key:
 *     print_config_doc > table.md     and put it between the marks in docs/config.md
 * The unit test of the configuration fails until both agree. */
#include "support/config_doc.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    struct config_doc doc = {0};
    config_doc_build(&doc);
    if (doc.text == NULL)
        return 1;
    (void)fputs(doc.text, stdout);
    free(doc.text);
    return 0;
}
