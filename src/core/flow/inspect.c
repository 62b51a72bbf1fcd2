/* SPDX-License-Identifier: MIT */
/* Looking at a network from outside: nodes, components, connectors, numbers.
 *
 * The directory is walked under the network's lock; the numbers are written by the workers and read here
 * without stopping anybody, so those of one node belong to about the same moment, not exactly. */
#include "core/flow/network_internal.h"

#include <stdio.h>

bool rf_network_has_actor(rf_network *net, const char *id)
{
    pthread_mutex_lock(&net->lock);
    bool has = rfi_node_find_locked(net, id) != NULL;
    pthread_mutex_unlock(&net->lock);
    return has;
}

static const char *state_of(const struct rfi_actor *actor)
{
    uint64_t word = rfi_mailbox_word(&actor->box);
    /* relaxed: to look at; the word tells whether anybody has the token */
    switch ((enum rfi_status)atomic_load_explicit(&actor->status, memory_order_relaxed)) {
    case RFI_STATUS_STOPPED:
        return "stopped";
    case RFI_STATUS_FAILED:
        return "failed";
    case RFI_STATUS_MUTED:
        return "muted";
    case RFI_STATUS_BACKOFF:
        return "backoff";
    case RFI_STATUS_RUNNING:
        return (word & RFI_BOX_BUSY) != 0 ? "running" : "idle";
    case RFI_STATUS_READY:
        break;
    }
    return (word & RFI_BOX_BUSY) != 0 ? "queued" : "idle";
}

static void describe_actor(const struct rfi_actor *actor, rf_actor_info *out)
{
    /* relaxed, all: numbers to look at */
    *out = (rf_actor_info){
        .id = rfi_actor_id(actor),
        .component = actor->component->name,
        .state = state_of(actor),
        .queue_length = rfi_mailbox_length(&actor->box),
        .received_count = atomic_load_explicit(&actor->received, memory_order_relaxed),
        .emitted_count = atomic_load_explicit(&actor->emitted, memory_order_relaxed),
        .failed_count = atomic_load_explicit(&actor->failed, memory_order_relaxed),
        .restart_count = actor->can_restart
                             ? atomic_load_explicit(&actor->side->restarts, memory_order_relaxed)
                             : 0,
        .dropped_count = atomic_load_explicit(&actor->dropped, memory_order_relaxed)};
}

static void describe_proxy(const struct rfi_proxy *proxy, char *name, size_t name_size,
                           rf_actor_info *out)
{
    struct rfi_outlet *outlet = proxy->outlet;
    uint64_t waiting = rfi_mailbox_length(&outlet->box);
    (void)snprintf(name, name_size, "%s@%s", proxy->actor, proxy->network);
    /* relaxed, both: numbers to look at */
    *out = (rf_actor_info){
        .id = proxy->id,
        .component = name,
        .state = waiting > 0 ? "queued" : "idle",
        .is_remote = true,
        .queue_length = waiting,
        .received_count = atomic_load_explicit(&outlet->popped_count, memory_order_relaxed),
        .emitted_count = atomic_load_explicit(&proxy->emitted, memory_order_relaxed)};
}

void rf_network_each_actor(rf_network *net, bool (*visit)(void *user, const rf_actor_info *),
                           void *user)
{
    char name[300];
    pthread_mutex_lock(&net->lock);
    uint32_t at = 0;
    for (struct rfi_node *node; (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;) {
        rf_actor_info info;
        if (rfi_node_actor(node) != NULL)
            describe_actor(rfi_node_actor(node), &info);
        else
            describe_proxy(rfi_proxy_of(node), name, sizeof name, &info);
        if (!visit(user, &info))
            break;
    }
    pthread_mutex_unlock(&net->lock);
}

void rfi_network_each_local(rf_network *net,
                            bool (*visit)(void *user, const char *id,
                                          const rf_component *component),
                            void *user)
{
    pthread_mutex_lock(&net->lock);
    uint32_t at = 0;
    for (const struct rfi_node *node;
         (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;) {
        if (rfi_node_actor(node) != NULL && !rfi_name_is_made_up(rfi_node_id(node)) &&
            !visit(user, rfi_node_id(node), rfi_node_actor(node)->component))
            break;
    }
    pthread_mutex_unlock(&net->lock);
}

void rf_network_each_component(rf_network *net, bool (*visit)(void *user, const rf_component *),
                               void *user)
{
    pthread_mutex_lock(&net->lock);
    for (struct rfi_map_entry *at = NULL; (at = rfi_map_next(net->components, at)) != NULL;)
        if (!visit(user, rfi_map_value(at)))
            break;
    pthread_mutex_unlock(&net->lock);
}

static bool visit_edges(const struct rfi_node *node,
                        bool (*visit)(void *user, const rf_connection_info *), void *user)
{
    for (const struct rfi_edge *edge = node->out_first; edge != NULL; edge = edge->out_next) {
        if (edge->to == NULL)
            continue; /* a tap is no connector of the graph */
        rf_connection_info info = {.from_actor = rfi_node_id(node),
                                   .from_port = edge->from_port,
                                   .to_actor = rfi_node_id(edge->to),
                                   .to_port = edge->to_port};
        if (!visit(user, &info))
            return false;
    }
    return true;
}

void rf_network_each_connection(rf_network *net,
                                bool (*visit)(void *user, const rf_connection_info *), void *user)
{
    pthread_mutex_lock(&net->lock);
    uint32_t at = 0;
    for (struct rfi_node *node; (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;)
        if (!visit_edges(node, visit, user))
            break;
    pthread_mutex_unlock(&net->lock);
}

void rf_network_get_stats(rf_network *net, rf_network_stats *out)
{
    struct rfi_runtime *runtime = &net->runtime;
    rf_network_stats sum = {.dropped_count = rfi_runtime_dropped_count(runtime)};
    pthread_mutex_lock(&net->lock);
    sum.actor_count = net->nodes.count;
    sum.connection_count = net->edge_count;
    uint32_t at = 0;
    for (struct rfi_node *node; (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;) {
        rf_actor_info info;
        if (rfi_node_actor(node) == NULL) {
            sum.queued_count += rfi_mailbox_length(&rfi_proxy_of(node)->outlet->box);
            continue;
        }
        describe_actor(rfi_node_actor(node), &info);
        sum.received_count += info.received_count;
        sum.emitted_count += info.emitted_count;
        sum.failed_count += info.failed_count;
        sum.queued_count += info.queue_length;
    }
    pthread_mutex_unlock(&net->lock);
    /* relaxed: numbers to look at */
    sum.received_count += atomic_load_explicit(&runtime->past_received, memory_order_relaxed);
    sum.emitted_count += atomic_load_explicit(&runtime->past_emitted, memory_order_relaxed);
    sum.failed_count += atomic_load_explicit(&runtime->past_failed, memory_order_relaxed);
    sum.active_count = rfi_runtime_active_count(runtime);
    *out = sum;
}
