/* SPDX-License-Identifier: MIT */
/* Uses one function of each part of the public API. */
#include <reflow/reflow.h>
#include <stdio.h>

int main(void)
{
    rf_config *config = rf_config_new();
    rf_distributed *node = NULL;
    rf_diag diag = {0};
    if (config == NULL || rf_config_set(config, "bind_port", "0", &diag) != RF_OK ||
        rf_distributed_new(config, &node, &diag) != RF_OK ||
        rf_network_add_node(rf_distributed_network(node), "p", "tpl_passthrough", NULL, &diag) !=
            RF_OK ||
        rf_distributed_start(node, &diag) != RF_OK) {
        fprintf(stderr, "%s\n", diag.text);
        return 1;
    }
    printf("reflow %s at %s\n", rf_version(), rf_distributed_address(node));
    rf_err err = rf_distributed_stop(node, 1000);
    rf_distributed_free(node);
    rf_config_free(config);
    return err == RF_OK ? 0 : 1;
}
