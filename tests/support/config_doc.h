/* SPDX-License-Identifier: MIT */
/* The table of docs/config.md, made from rf_config_each_key. */
#ifndef CONFIG_DOC_H
#define CONFIG_DOC_H

#include <reflow/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config_doc {
    char *text; /* free() it; NULL when memory ran out */
    size_t size;
};

static inline void config_doc_key(FILE *out, const rf_config_key *key)
{
    (void)fprintf(out, "| `%s` | %s%s%s | ", key->name, key->type, key->unit[0] != '\0' ? ", " : "",
                  key->unit);
    if (key->default_text[0] != '\0')
        (void)fprintf(out, "`%s`", key->default_text);
    else
        (void)fputs("empty", out);
    if (strcmp(key->type, "boolean") == 0)
        (void)fputs(" | true, false | ", out);
    else
        (void)fprintf(out, " | %lld to %lld%s | ", (long long)key->min, (long long)key->max,
                      strcmp(key->type, "integer") == 0   ? ""
                      : strcmp(key->type, "strings") == 0 ? " items"
                                                          : " bytes");
    (void)fprintf(out, "%s | %s%s |\n", key->is_reloadable ? "yes" : "", key->summary,
                  key->is_secret ? "; secret" : "");
}

static inline bool config_doc_visit(void *user, const rf_config_key *key)
{
    config_doc_key(user, key);
    return true;
}

static inline void config_doc_build(struct config_doc *doc)
{
    FILE *out = open_memstream(&doc->text, &doc->size);
    if (out == NULL)
        return;
    (void)fputs("| key | type, unit | default | range | reload | meaning |\n"
                "|---|---|---|---|---|---|\n",
                out);
    rf_config_each_key(config_doc_visit, out);
    (void)fclose(out);
}

#endif
