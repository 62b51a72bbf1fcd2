/* SPDX-License-Identifier: MIT */
/* The list of the components that the library brings.
 *
 * The list and everything that it points to is constant and lives as long as the program, as
 * rf_network_register wants. The order is the order in which `reflowctl components` shows them. */
#include "core/components/builtin.h"
#include "core/components/component.h"

static const rf_component *const builtin_components[] = {
    &rfi_component_passthrough,
    &rfi_component_echo,
    &rfi_component_log,
    &rfi_component_recorder,
    &rfi_component_delay,
    &rfi_component_interval_trigger,
    &rfi_component_if_branch,
    &rfi_component_switch,
    &rfi_component_gate,
    &rfi_component_merge,
    &rfi_component_collect,
    &rfi_component_loop,
    &rfi_component_split,
    &rfi_component_map,
    &rfi_component_filter,
    &rfi_component_reduce,
    &rfi_component_json_parse,
    &rfi_component_json_print,
    &rfi_component_data_transformer,
    &rfi_component_http_request,
    &rfi_component_file_reader,
    &rfi_component_file_writer,
    &rfi_component_split_words,
    &rfi_component_count_by_key,
    &rfi_component_count_report,
};

const rf_component *const *rfi_builtin_components(size_t *count)
{
    *count = sizeof builtin_components / sizeof builtin_components[0];
    return builtin_components;
}
