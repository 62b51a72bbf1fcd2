/* SPDX-License-Identifier: MIT */
/* The two ways in which most handlers end: a JSON document, or a mistake in what they were given, with its
 * place. Owns nothing; runs on the thread of the handler or of the reply. */
#include "http/routes_internal.h"

void rfi_route_answer_json(struct rfi_http_request *request, unsigned status, struct rfi_buf *body)
{
    rfi_buf_append_byte(body, '\n'); /* for people with curl */
    rfi_http_answer(request, status, "application/json", body);
}

void rfi_route_answer_diag(struct rfi_http_request *request, rf_err err, const rf_diag *diag)
{
    const char *text = diag->text[0] != '\0' ? diag->text : rf_err_text(err);
    if (diag->line != 0)
        rfi_http_answer_error(request, err, "line %u, column %u: %s", diag->line, diag->column,
                              text);
    else
        rfi_http_answer_error(request, err, "%s", text);
}
