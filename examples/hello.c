/* SPDX-License-Identifier: MIT */
/* The example of README.md: one actor of our own, one message, one answer. */
#include <reflow/reflow.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
static rf_err shout(rf_context *ctx, void *state, size_t port, rf_message *msg)
{
    (void)state, (void)port;
    rf_span in = rf_message_data(msg);
    char text[128];
    int size = snprintf(text, sizeof text, "%.*s!", in.size < 120 ? (int)in.size : 120, (const char *)in.data);
    return rf_emit(ctx, 0, rf_message_string(text, (size_t)size));
}
static const rf_component shouter = {.struct_size = sizeof shouter, .name = "shouter", .on_message = shout,
    .inports = (rf_port_def[]){{.name = "in"}}, .inport_count = 1,
    .outports = (rf_port_def[]){{.name = "out"}}, .outport_count = 1};
/* clang-format on */

int main(void)
{
    rf_network *net = NULL;
    rf_message *answer = NULL;
    if (rf_network_new(NULL, &net) != RF_OK || rf_network_register(net, &shouter) != RF_OK ||
        rf_network_add_node(net, "loud", "shouter", NULL, NULL) != RF_OK ||
        rf_network_start(net) != RF_OK ||
        rf_network_request_wait(net, "loud", "in", rf_message_string("hello", 5), 1000, &answer) !=
            RF_OK)
        return EXIT_FAILURE;
    rf_span text = rf_message_data(answer);
    printf("%.*s\n", (int)text.size, (const char *)text.data); /* hello! */
    rf_message_unref(answer);
    rf_network_free(net);
    return EXIT_SUCCESS;
}
