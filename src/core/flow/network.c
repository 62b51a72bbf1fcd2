/* SPDX-License-Identifier: MIT */
/* The life of a local network, its components and its nodes.
 *
 * Control threads come here; `lock` keeps the directory. Actors are made here and closed here, but run
 * and drained by the workers of the actor layer; only while no worker runs (before the start, after
 * the stop) the thread that removes a node drains it itself, under `life_lock`.
 *
 * Connectors are in connect.c, sending in send.c, remote nodes in proxy.c. */
#include "core/base/diag.h"
#include "core/base/pool.h"
#include "core/base/suggest.h"
#include "core/components/builtin.h"
#include "core/flow/network_internal.h"
#include <reflow/log.h>

#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 1024, ACTORS_MAX = 4194304, PORTS_MAX = 65535 };
enum { COLLECT_EVERY = 256 }; /* removals between two looks for memory to give back */
/* Of actors: with ids of up to 7, 39, 71 and all others. */
static const size_t block_bytes[RFI_STABLE_SETS] = {192, 224, 256, 448};

static void free_local(struct rfi_actor *actor);
static const char *id_of(const struct rfi_actor *actor);

static const struct rfi_runtime_hooks hooks = {
    .on_event = rfi_events_post, .free_actor = free_local, .id_of = id_of};

static rf_err make_side(const char *id, const char *metadata_json, struct rfi_side **out,
                        uint32_t *out_capacity, rf_diag *out_diag);
static void finish_all(rf_network *net);

/* ---- life ---- */

/* Recursive, because the callbacks of a stop (receipts, replies, destroy) may remove nodes. */
static void init_life_lock(rf_network *net)
{
    pthread_mutexattr_t attr;
    (void)pthread_mutexattr_init(&attr); /* these cannot fail on this system */
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&net->life_lock, &attr);
    (void)pthread_mutexattr_destroy(&attr);
}

rf_err rf_network_new(const rf_network_options *options, rf_network **out)
{
    rf_network_options given = {.struct_size = sizeof given};
    if (options != NULL) {
        size_t size = options->struct_size;
        if (size == 0 || size > sizeof given || options->workers > RFI_WORKERS_MAX)
            return RF_EINVAL;
        memcpy(&given, options, size);
    }
    rf_network *net = aligned_alloc(64, (sizeof *net + 63) & ~(size_t)63);
    if (net == NULL)
        return RF_ENOMEM;
    memset(net, 0, sizeof *net);
    uint32_t capacity = given.mailbox_capacity != 0 ? given.mailbox_capacity : CAPACITY;
    rf_err err = rfi_runtime_init(&net->runtime, given.workers, capacity, &hooks, net);
    if (err != RF_OK) {
        free(net);
        return err;
    }
    net->actors_max = given.actors_max != 0 ? given.actors_max : ACTORS_MAX;
    (void)pthread_mutex_init(&net->lock, NULL); /* cannot fail with default attributes */
    init_life_lock(net);
    (void)pthread_rwlock_init(&net->subs_lock, NULL);
    net->id = strdup(given.network_id != NULL ? given.network_id : "local");
    net->components = rfi_map_new();
    for (size_t i = 0; i < RFI_STABLE_SETS; i++)
        rfi_stable_init(&net->memory[i], block_bytes[i]);
    bool has_nodes = rfi_directory_init(&net->nodes);
    if (net->id == NULL || net->components == NULL || !has_nodes) {
        rf_network_free(net);
        return RF_ENOMEM;
    }
    *out = net;
    return RF_OK;
}

rf_err rf_network_start(rf_network *net)
{
    rf_err err = RF_ESTATE;
    pthread_mutex_lock(&net->life_lock);
    if (net->life == RFI_LIFE_NEW)
        err = rfi_runtime_start(&net->runtime);
    if (err == RF_OK) {
        pthread_mutex_lock(&net->lock);
        net->life = RFI_LIFE_RUNNING;
        pthread_mutex_unlock(&net->lock);
    }
    pthread_mutex_unlock(&net->life_lock);
    if (err == RF_OK && rfi_runtime_wants(&net->runtime, RF_EVENT_NETWORK_STARTED))
        rfi_events_post(net, &(rf_event){.type = RF_EVENT_NETWORK_STARTED});
    return err;
}

rf_err rf_network_drain(rf_network *net, uint64_t timeout_ms)
{
    return rfi_runtime_drain(&net->runtime, timeout_ms);
}

void rf_network_stop(rf_network *net)
{
    pthread_mutex_lock(&net->life_lock);
    enum rfi_life before = net->life;
    pthread_mutex_lock(&net->lock);
    net->life = RFI_LIFE_STOPPED; /* no node comes after this */
    pthread_mutex_unlock(&net->lock);
    if (before == RFI_LIFE_RUNNING)
        rfi_runtime_stop(&net->runtime);
    if (before != RFI_LIFE_STOPPED) {
        /* Timers first: they complete the requests that wait, and nothing fires into what is drained. */
        rfi_timers_stop(&net->runtime.timers);
        finish_all(net);
        rfi_runtime_notify_drain(&net->runtime);
    }
    pthread_mutex_unlock(&net->life_lock);
    if (before == RFI_LIFE_STOPPED)
        return;
    if (rfi_runtime_wants(&net->runtime, RF_EVENT_NETWORK_SHUTDOWN))
        rfi_events_post(net, &(rf_event){.type = RF_EVENT_NETWORK_SHUTDOWN});
    rfi_events_close(net);
}

static bool keep(void *block)
{
    return rfi_mailbox_try_ref(&((struct rfi_actor *)block)->box);
}

/* The next actor whose token has a reference, with one for the caller, who gives it back. No worker runs. */
static struct rfi_actor *next_living(rf_network *net, size_t *set, void **at)
{
    while (*set < RFI_STABLE_SETS) {
        pthread_mutex_lock(&net->lock);
        *at = rfi_stable_next(&net->memory[*set], *at, keep);
        pthread_mutex_unlock(&net->lock);
        struct rfi_actor *actor = *at;
        if (actor == NULL)
            (*set)++;
        else if (!actor->is_retired)
            return actor;
        else
            rfi_mailbox_unref(&actor->box);
    }
    return NULL;
}

static void each_living(rf_network *net, void (*visit)(struct rfi_actor *actor))
{
    size_t set = 0;
    void *at = NULL;
    for (struct rfi_actor *actor; (actor = next_living(net, &set, &at)) != NULL;) {
        visit(actor);
        rfi_mailbox_unref(&actor->box);
    }
}

static void close_and_wake(struct rfi_actor *actor)
{
    (void)rfi_mailbox_close(&actor->box, NULL); /* the token is ours, wherever it is */
    for (uint32_t i = 0; actor->outs != NULL && i < actor->outs->wire_count; i++)
        rfi_mailbox_wake_waiters(actor->outs->wires[i].target);
}

static void finish_stopped(struct rfi_actor *actor)
{
    rfi_actor_finish(actor, RFI_STATUS_STOPPED);
}

static void let_go(struct rfi_actor *actor)
{
    actor->is_retired = true;
    rfi_mailbox_unref(&actor->box); /* the token's */
}

/* No worker runs any more. A muted actor stands in the list of a target that may be gone before or after
 * it, so all lists are emptied first, and no actor's memory goes before all are drained. */
static void finish_all(rf_network *net)
{
    struct rfi_runtime *runtime = &net->runtime;
    each_living(net, close_and_wake);
    each_living(net, finish_stopped);
    each_living(net, let_go);
    /* Nobody has a token now. */
    uint64_t active = rfi_runtime_active_count(runtime);
    while (active-- > 0)
        rfi_runtime_count_idled(runtime, NULL);
}

/* An actor that is still referenced is a mistake of whoever has the reference. */
static void free_memory(rf_network *net)
{
    size_t out = 0;
    for (size_t i = 0; i < RFI_STABLE_SETS; i++)
        out += rfi_stable_fini(&net->memory[i]);
    if (out == 0)
        return;
    rf_log(RF_LOG_ERROR, "NETWORK-LEAK", "network=%s actors_in_use=%zu", net->id, out);
#ifdef RFI_POOL_PLAIN
    abort(); /* a leak that no leak detector sees */
#endif
}

void rf_network_free(rf_network *net)
{
    if (net == NULL)
        return;
    rf_network_stop(net);
    uint32_t at = 0;
    for (struct rfi_node *node; (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;)
        rfi_node_free_edges(node);
    at = 0;
    for (struct rfi_node *node; (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;) {
        if (rfi_node_actor(node) != NULL) {
            rfi_mailbox_unref(&rfi_node_actor(node)->box); /* the directory's */
        } else {
            rfi_proxy_close(rfi_proxy_of(node));
            rfi_proxy_free(rfi_proxy_of(node));
        }
    }
    while (net->removed_proxies != NULL) {
        struct rfi_proxy *next = net->removed_proxies->next_removed;
        rfi_proxy_free(net->removed_proxies);
        net->removed_proxies = next;
    }
    rfi_directory_fini(&net->nodes);
    rfi_map_free(net->components);
    rfi_runtime_fini(&net->runtime);
    free_memory(net);
    (void)pthread_mutex_destroy(&net->lock);
    (void)pthread_mutex_destroy(&net->life_lock);
    (void)pthread_rwlock_destroy(&net->subs_lock);
    free(net->id);
    free(net);
}

/* ---- components ---- */

static bool are_ports_good(const rf_port_def *ports, size_t count)
{
    if (count > PORTS_MAX) /* they are looked for one by one, and an address has 19 bits for one */
        return false;
    for (size_t i = 0; i < count; i++) {
        if (ports[i].name == NULL || ports[i].name[0] == '\0' ||
            rfi_port_find(ports, count, ports[i].name) != i ||
            (ports[i].alias != NULL && rfi_port_find(ports, count, ports[i].alias) != i))
            return false;
    }
    return true;
}

static bool is_component_good(const rf_component *component)
{
    if (component == NULL || component->name == NULL || component->name[0] == '\0' ||
        (component->struct_size != 0 && component->struct_size < sizeof *component))
        return false;
    bool is_any = component->firing == RF_FIRE_ANY;
    if (component->inport_count > 0 &&
        (is_any ? component->on_message == NULL : component->on_packet == NULL))
        return false;
    if (component->inport_count == 0 && component->create == NULL && component->on_timer == NULL)
        return false; /* nothing would ever call it */
    for (size_t i = 0; i < component->await_count; i++)
        if (rfi_port_find(component->inports, component->inport_count, component->await[i]) ==
            SIZE_MAX)
            return false;
    return are_ports_good(component->inports, component->inport_count) &&
           are_ports_good(component->outports, component->outport_count);
}

rf_err rf_network_register(rf_network *net, const rf_component *component)
{
    if (!is_component_good(component))
        return RF_EINVAL;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the map's values are not const, ours are */
    void *value = (void *)(uintptr_t)component;
    pthread_mutex_lock(&net->lock);
    rf_err err = rfi_map_add(net->components, component->name, value);
    pthread_mutex_unlock(&net->lock);
    return err;
}

rf_err rf_network_register_builtins(rf_network *net)
{
    size_t count;
    const rf_component *const *components = rfi_builtin_components(&count);
    for (size_t i = 0; i < count; i++) {
        rf_err err = rf_network_register(net, components[i]);
        if (err != RF_OK)
            return err;
    }
    return RF_OK;
}

/* ---- names ---- */

size_t rfi_port_find(const rf_port_def *ports, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(ports[i].name, name) == 0)
            return i;
    for (size_t i = 0; i < count; i++)
        if (ports[i].alias != NULL && strcmp(ports[i].alias, name) == 0)
            return i;
    return SIZE_MAX;
}

rf_err rfi_port_unknown(const char *what, const char *node, const rf_port_def *ports, size_t count,
                        const char *name, rf_diag *out_diag)
{
    struct rfi_suggest suggest;
    char near[192];
    rfi_suggest_init(&suggest, name);
    for (size_t i = 0; i < count; i++) {
        rfi_suggest_offer(&suggest, ports[i].name);
        if (ports[i].alias != NULL)
            rfi_suggest_offer(&suggest, ports[i].alias);
    }
    rfi_suggest_text(&suggest, near, sizeof near);
    return rfi_diag_set(out_diag, RF_ENOPORT, "actor \"%s\" has no %s \"%s\"%s", node, what, name,
                        near);
}

rf_err rfi_node_unknown_locked(rf_network *net, const char *id, rf_diag *out_diag)
{
    struct rfi_suggest suggest;
    char near[192];
    if (out_diag == NULL)
        return RF_ENOACTOR;
    rfi_suggest_init(&suggest, id);
    uint32_t at = 0;
    for (const struct rfi_node *node; (node = rfi_directory_next_locked(&net->nodes, &at)) != NULL;)
        rfi_suggest_offer(&suggest, rfi_node_id(node));
    rfi_suggest_text(&suggest, near, sizeof near);
    return rfi_diag_set(out_diag, RF_ENOACTOR, "no actor \"%s\"%s", id, near);
}

rf_err rfi_split_remote(const char *name, char **out_actor, char **out_network)
{
    const char *at = strchr(name, '@');
    if (at == NULL || !rfi_name_is_valid(name, (size_t)(at - name)) ||
        !rfi_name_is_valid(at + 1, strlen(at + 1)))
        return RF_EINVAL;
    char *actor = strndup(name, (size_t)(at - name));
    char *network = strdup(at + 1);
    if (actor == NULL || network == NULL) {
        free(actor);
        free(network);
        return RF_ENOMEM;
    }
    *out_actor = actor;
    *out_network = network;
    return RF_OK;
}

static bool is_id_good(const char *id)
{
    const char *at = strchr(id, '@');
    if (at == NULL)
        return rfi_name_is_valid(id, strlen(id));
    return rfi_name_is_valid(id, (size_t)(at - id)) && rfi_name_is_valid(at + 1, strlen(at + 1));
}

static rf_err unknown_component_locked(rf_network *net, const char *id, const char *component,
                                       rf_diag *out_diag)
{
    struct rfi_suggest suggest;
    char near[192];
    rfi_suggest_init(&suggest, component);
    for (struct rfi_map_entry *at = NULL; (at = rfi_map_next(net->components, at)) != NULL;)
        rfi_suggest_offer(&suggest, rfi_map_key(at));
    rfi_suggest_text(&suggest, near, sizeof near);
    return rfi_diag_set(out_diag, RF_ENOCOMPONENT, "node \"%s\": no component \"%s\"%s", id,
                        component, near);
}

/* *out NULL: it is of the form actor@network. */
static rf_err find_component_locked(rf_network *net, const char *id, const char *name,
                                    const rf_component **out, rf_diag *out_diag)
{
    const rf_component *last = net->last_component;
    *out =
        last != NULL && strcmp(last->name, name) == 0 ? last : rfi_map_get(net->components, name);
    if (*out != NULL)
        net->last_component = *out;
    else if (strchr(name, '@') == NULL)
        return unknown_component_locked(net, id, name, out_diag);
    return RF_OK;
}

/* ---- nodes ---- */

/* A node to be added. */
struct addition {
    struct rfi_name name;           /* without a text: it is to be made up, */
    char made_up[RFI_MADE_UP_SIZE]; /* in here */
    const char *component;
    struct rfi_side *side; /* owned, may be NULL */
    uint32_t capacity;
};

static rf_err add_locked(rf_network *net, struct addition *addition, struct rfi_added *added,
                         bool *out_is_remote, rf_diag *out_diag);

static void name_locked(rf_network *net, struct addition *addition)
{
    if (addition->name.text != NULL)
        return;
    addition->name = rfi_directory_make_up_locked(&net->nodes, addition->made_up);
    rfi_directory_prefetch(&net->nodes, addition->name);
}

rf_err rf_network_add_node(rf_network *net, const char *id, const char *component,
                           const char *metadata_json, rf_diag *out_diag)
{
    return rfi_network_add(net, id, component, metadata_json, NULL, out_diag);
}

rf_err rfi_network_add_held(rf_network *net, const char *id, const char *component,
                            const char *metadata_json, struct rfi_actor **out_held,
                            rf_diag *out_diag)
{
    struct rfi_added added = {.is_held = true};
    rf_err err = rfi_network_add(net, id, component, metadata_json, &added, out_diag);
    if (err == RF_OK)
        *out_held = added.actor;
    return err;
}

rf_err rfi_network_add(rf_network *net, const char *id, const char *component,
                       const char *metadata_json, struct rfi_added *added, rf_diag *out_diag)
{
    bool is_made_up = id == NULL && added != NULL && added->port != NULL;
    if (component == NULL || (!is_made_up && (id == NULL || !is_id_good(id))))
        return rfi_diag_set(out_diag, RF_EINVAL, "\"%s\" is no good id for a node",
                            id == NULL ? "" : id);
    struct addition addition = {.component = component, .capacity = net->runtime.capacity};
    if (!is_made_up) {
        addition.name = rfi_name_of(id);
        rfi_directory_prefetch(&net->nodes, addition.name);
    }
    rf_err err = RF_OK;
    if (metadata_json != NULL) {
        const rf_component *definition;
        pthread_mutex_lock(&net->lock);
        name_locked(net, &addition);
        err = find_component_locked(net, addition.name.text, component, &definition, out_diag);
        pthread_mutex_unlock(&net->lock);
        if (err == RF_OK)
            err = make_side(addition.name.text, metadata_json, &addition.side, &addition.capacity,
                            out_diag);
        if (err != RF_OK)
            return err;
    }
    bool is_remote = false;
    pthread_mutex_lock(&net->lock);
    err = add_locked(net, &addition, added, &is_remote, out_diag);
    pthread_mutex_unlock(&net->lock);
    rfi_side_free(
        addition.side); /* that nobody took: a proxy has no use for it, but it was checked */
    if (!is_remote)
        return err;
    id = addition.name.text;
    err = rfi_proxy_add(net, id, component, out_diag);
    if (err != RF_OK || added == NULL || added->port == NULL)
        return err;
    err = rfi_place_find(net, id, added->port, &added->place);
    if (err != RF_OK)
        (void)rf_network_remove_node(net, id); /* it may be gone already */
    return err;
}

static rf_err read_number(const struct rfi_json_doc *doc, const struct rfi_json *value, int64_t min,
                          uint32_t *out, rf_diag *out_diag)
{
    int64_t number;
    if (value == NULL)
        return RF_OK;
    if (!rfi_json_as_int(value, &number) || number < min || number > UINT32_MAX)
        return rfi_json_error(doc, value, true, RF_EFORMAT, out_diag,
                              "%s must be an integer of at least %lld", value->key, (long long)min);
    *out = (uint32_t)number;
    return RF_OK;
}

static rf_err read_supervision(struct rfi_side *side, rf_diag *out_diag)
{
    static const char *const names[] = {"resume", "restart", "stop"}; /* enum rfi_policy */
    const struct rfi_json_doc *doc = side->config.doc;
    const struct rfi_json *supervision = rfi_json_get(rfi_json_root(doc), "supervision");
    if (supervision == NULL)
        return RF_OK;
    if (supervision->type != RFI_JSON_OBJECT)
        return rfi_json_error(doc, supervision, true, RF_EFORMAT, out_diag,
                              "supervision must be an object");
    const struct rfi_json *policy = rfi_json_get(supervision, "policy");
    struct rfi_suggest suggest;
    const char *text = policy != NULL && policy->text != NULL ? policy->text : "";
    rfi_suggest_init(&suggest, text);
    size_t found = policy == NULL ? RFI_POLICY_RESUME : SIZE_MAX;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        rfi_suggest_offer(&suggest, names[i]);
        if (strcmp(text, names[i]) == 0)
            found = i;
    }
    if (found == SIZE_MAX) {
        char near[128];
        rfi_suggest_text(&suggest, near, sizeof near);
        return rfi_json_error(doc, policy, false, RF_EFORMAT, out_diag,
                              "policy must be resume, restart or stop%s", near);
    }
    side->policy = (enum rfi_policy)found;
    rf_err err = read_number(doc, rfi_json_get(supervision, "max_restarts"), 0, &side->restarts_max,
                             out_diag);
    if (err == RF_OK)
        err = read_number(doc, rfi_json_get(supervision, "backoff_ms"), 0, &side->backoff_ms,
                          out_diag);
    return err;
}

static rf_err make_side(const char *id, const char *metadata_json, struct rfi_side **out,
                        uint32_t *out_capacity, rf_diag *out_diag)
{
    struct rfi_side *side = rfi_side_new();
    if (side == NULL)
        return RF_ENOMEM;
    rf_err err = rfi_config_init(&side->config, metadata_json, id, out_diag);
    if (err == RF_OK)
        err = read_supervision(side, out_diag);
    if (err == RF_OK)
        err = read_number(side->config.doc,
                          rfi_json_get(rfi_config_root(&side->config), "mailbox_capacity"), 1,
                          out_capacity, out_diag);
    if (err != RF_OK) {
        rfi_side_free(side);
        return err;
    }
    *out = side;
    return RF_OK;
}

static const char *id_of(const struct rfi_actor *actor)
{
    return ((const struct rfi_local *)(const void *)actor)->id;
}

static void free_local(struct rfi_actor *actor)
{
    rfi_stable_put(actor); /* the first member of its struct rfi_local */
}

rf_err rfi_node_admit_locked(rf_network *net, struct rfi_name name, rf_diag *out_diag)
{
    if (net->life == RFI_LIFE_STOPPED)
        return rfi_diag_set(out_diag, RF_ECLOSED, "the network has stopped");
    rf_err err = rfi_name_is_made_up(name.text) ? rfi_directory_prepare_young_locked(&net->nodes)
                                                : rfi_directory_prepare_locked(&net->nodes, name);
    if (err == RF_EEXISTS)
        return rfi_diag_set(out_diag, err, "there is a node \"%s\" already", name.text);
    if (err == RF_OK && net->nodes.count >= net->actors_max)
        return rfi_diag_set(out_diag, RF_ELIMIT, "there are %u nodes, which is the limit",
                            net->actors_max);
    return err;
}

/* Memory for an actor with an id of that size; all of it is zero, but that nobody else's look at the counter of
 * references is disturbed (see mailbox.h). */
static struct rfi_local *take_local(rf_network *net, size_t id_size)
{
    size_t set = 0;
    while (sizeof(struct rfi_local) + id_size > block_bytes[set])
        set++; /* the last one is large enough for every good id */
    char *block = rfi_stable_take(&net->memory[set]);
    if (block == NULL)
        return NULL;
    const size_t refs = offsetof(struct rfi_local, actor.box.refs);
    const size_t behind = refs + sizeof(_Atomic(uint32_t));
    memset(block, 0, refs);
    memset(block + behind, 0, sizeof(struct rfi_local) - behind);
    return (struct rfi_local *)(void *)block;
}

static rf_err add_locked(rf_network *net, struct addition *addition, struct rfi_added *added,
                         bool *out_is_remote, rf_diag *out_diag)
{
    name_locked(net, addition);
    struct rfi_name name = addition->name;
    const rf_component *component;
    bool is_held = added != NULL && added->is_held;
    size_t port = 0;
    rf_err err = find_component_locked(net, name.text, addition->component, &component, out_diag);
    if (err != RF_OK || component == NULL) {
        *out_is_remote = err == RF_OK;
        return err;
    }
    if (added != NULL && added->port != NULL) {
        port = rfi_port_find(component->inports, component->inport_count, added->port);
        if (port == SIZE_MAX)
            return rfi_port_unknown("in-port", name.text, component->inports,
                                    component->inport_count, added->port, out_diag);
    }
    struct rfi_local *local = take_local(net, name.size + 1);
    if (local == NULL)
        return RF_ENOMEM;
    err = rfi_node_admit_locked(net, name, out_diag);
    if (err != RF_OK) {
        rfi_stable_put(local);
        return err;
    }
    memcpy(local->id, name.text, name.size + 1);
    bool is_resting =
        !is_held && net->life == RFI_LIFE_RUNNING && rfi_actor_can_rest(&net->runtime, component);
    rfi_actor_init(&local->actor, &net->runtime, component, addition->capacity, addition->side,
                   is_resting, added != NULL ? 1 : 0);
    addition->side = NULL;
    if (rfi_name_is_made_up(name.text))
        rfi_directory_enter_young_locked(&net->nodes, name, &local->node);
    else
        rfi_directory_enter_locked(&net->nodes, name, &local->node);
    if (added != NULL) {
        added->actor = &local->actor;
        added->place = (struct rfi_place){.box = &local->actor.box, .port = (uint32_t)port};
    }
    /* A worker makes the state now, not at the first message, so that mistakes of configuration show early. */
    if (!is_held && !is_resting)
        local->actor.box.ops->schedule(&local->actor.box);
    return RF_OK;
}

void rfi_network_release(rf_network *net, struct rfi_actor **held, size_t count)
{
    /* The tokens are ours, unless the network has stopped meanwhile and ended their actors. */
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < count && net->life != RFI_LIFE_STOPPED; i++)
        if (held[i] != NULL)
            held[i]->box.ops->schedule(&held[i]->box);
    pthread_mutex_unlock(&net->lock);
    for (size_t i = 0; i < count; i++)
        if (held[i] != NULL)
            rfi_mailbox_unref(&held[i]->box);
}

rf_err rf_network_remove_node(rf_network *net, const char *id)
{
    pthread_mutex_lock(&net->lock);
    if (++net->removed_count % COLLECT_EVERY == 0)
        for (size_t i = 0; i < RFI_STABLE_SETS; i++)
            rfi_stable_collect(&net->memory[i]);
    struct rfi_node *node = rfi_directory_remove_locked(&net->nodes, rfi_name_of(id));
    if (node != NULL) {
        struct rfi_actor *actor = rfi_node_actor(node);
        if (actor != NULL) {
            rfi_actor_close(actor);
            rfi_actor_note_gone(actor, RFI_GONE_REMOVED);
        }
        rfi_node_cut_locked(net, node); /* also wakes it if it is muted */
    }
    bool is_running = net->life == RFI_LIFE_RUNNING;
    bool has_notices = net->noticed != NULL;
    pthread_mutex_unlock(&net->lock);
    if (has_notices)
        rfi_network_pump(net);
    if (node == NULL)
        return RF_ENOACTOR;
    if (rfi_node_actor(node) == NULL) {
        rfi_proxy_close(rfi_proxy_of(node));
        return RF_OK;
    }
    /* Without workers nobody else drains it. A callback must not wait for the life lock: a stop holds it
     * while it waits for the callbacks, and drains what is left. */
    if (!is_running && rfi_worker_self(&net->runtime) == NULL) {
        pthread_mutex_lock(&net->life_lock);
        if (net->life != RFI_LIFE_RUNNING)
            rfi_actor_finish(rfi_node_actor(node), RFI_STATUS_STOPPED);
        pthread_mutex_unlock(&net->life_lock);
    }
    rfi_mailbox_unref(&rfi_node_actor(node)->box); /* the directory's */
    return RF_OK;
}
