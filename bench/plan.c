/* SPDX-License-Identifier: MIT */
/* The plan of a comparison. Workloads come in our order, then those that only peers know; for each, our rows and
 * then the peers. Owns its names; starts nothing. */
#include "plan.h"
#include "nearest.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* ---- who is chosen ---- */

static bool is_chosen(const char *list, const char *name)
{
    return list == NULL || bench_list_has(list, ',', name);
}

static bool does(const struct bench_peer *peer, const char *workload)
{
    char theirs[BENCH_NAME_SIZE];
    bench_their_workload(theirs, workload);
    return bench_may_do(peer->name, workload) && bench_list_has(peer->text, ' ', theirs);
}

/* A workload that no row names is done by the first one. */
static bool row_does(const struct bench_row *row, const char *workload)
{
    if (row != &bench_rows[0])
        return bench_row_does(row, workload);
    for (size_t i = 1; i < bench_row_count; i++)
        if (bench_row_does(&bench_rows[i], workload))
            return false;
    return true;
}

static bool has_peer(const struct bench_plan *plan, const struct bench_cli *cli,
                     const char *workload)
{
    const struct bench_peer_list *present = &plan->peers.present;
    for (size_t i = 0; i < present->count; i++)
        if (is_chosen(cli->peers, present->peers[i].name) && does(&present->peers[i], workload))
            return true;
    return false;
}

/* Without a list: what can be compared with somebody, or everything when there is nobody to compare with. */
static bool is_workload_chosen(const struct bench_plan *plan, const struct bench_cli *cli,
                               const char *workload)
{
    if (cli->workloads != NULL)
        return is_chosen(cli->workloads, workload);
    return plan->peers.present.count == 0 || has_peer(plan, cli, workload);
}

/* ---- workloads and entries ---- */

static void add_workload(struct bench_plan *plan, const struct bench_cli *cli, const char *workload)
{
    for (size_t i = 0; i < plan->workload_count; i++)
        if (strcmp(plan->workloads[i], workload) == 0)
            return;
    if (!is_workload_chosen(plan, cli, workload))
        return;
    if (plan->workload_count == BENCH_PLAN_WORKLOADS_MAX)
        bench_die("more than %d workloads", BENCH_PLAN_WORKLOADS_MAX);
    (void)snprintf(plan->workloads[plan->workload_count++], BENCH_NAME_SIZE, "%s", workload);
}

/* Call for every word; a list is short enough for the stack. False where one was refused. */
static bool for_each_word(const char *list, const char *separators,
                          bool (*on_word)(void *user, const char *word), void *user)
{
    while (*list != '\0') {
        char word[BENCH_NAME_SIZE];
        size_t size = strcspn(list, separators);
        (void)snprintf(word, sizeof word, "%.*s", (int)size, list);
        if (size > 0 && !on_word(user, word))
            return false;
        list += size;
        list += *list != '\0';
    }
    return true;
}

struct making {
    struct bench_plan *plan;
    const struct bench_cli *cli;
};

static bool on_their_workload(void *user, const char *word)
{
    const struct making *making = user;
    add_workload(making->plan, making->cli, word);
    return true;
}

static void add_entry(struct bench_plan *plan, const char *workload, const char *peer,
                      const struct bench_row *row)
{
    if (plan->entry_count == BENCH_PLAN_ENTRIES_MAX)
        bench_die("more than %d measurements in a round", BENCH_PLAN_ENTRIES_MAX);
    plan->entries[plan->entry_count++] =
        (struct bench_plan_entry){.workload = workload, .peer = peer, .row = row};
}

static void add_entries(struct bench_plan *plan, const struct bench_cli *cli, const char *workload)
{
    const struct bench_peer_list *present = &plan->peers.present;
    for (size_t i = 0; i < bench_row_count; i++) {
        const struct bench_row *row = &bench_rows[i];
        if (is_chosen(cli->rows, row->name) && row_does(row, workload) &&
            bench_workload_find(workload) != NULL && bench_has_delivery(row->delivery))
            add_entry(plan, workload, row->name, row);
    }
    for (size_t i = 0; i < present->count; i++)
        if (is_chosen(cli->peers, present->peers[i].name) && does(&present->peers[i], workload))
            add_entry(plan, workload, present->peers[i].name, NULL);
}

/* ---- names that nobody has ---- */

static const struct bench_plan *known; /* what the names below are looked up in */

static const char *row_name(size_t index)
{
    return bench_rows[index].name;
}

static const char *peer_name(size_t index)
{
    const struct bench_peer_list *present = &known->peers.present;
    return index < present->count ? present->peers[index].name
                                  : known->peers.missing.peers[index - present->count].name;
}

static bool refuse(const char *what, const char *word, const char *meant)
{
    if (meant != NULL)
        bench_usage_error("no %s \"%s\"; did you mean %s?", what, word, meant);
    else
        bench_usage_error("no %s \"%s\"", what, word);
    return false;
}

static bool is_pattern(const char *word)
{
    return word[strlen(word) - 1] == '*';
}

static bool check_row(void *user, const char *word)
{
    (void)user;
    for (size_t i = 0; i < bench_row_count; i++)
        if (bench_list_has(word, ',', bench_rows[i].name))
            return true;
    return refuse("row", word, bench_nearest(word, bench_row_count, row_name));
}

static bool check_peer(void *user, const char *word)
{
    known = ((const struct making *)user)->plan;
    size_t count = known->peers.present.count + known->peers.missing.count;
    for (size_t i = 0; i < count; i++)
        if (bench_list_has(word, ',', peer_name(i)))
            return true;
    return refuse("peer", word, bench_nearest(word, count, peer_name));
}

static bool check_workload(void *user, const char *word)
{
    const struct bench_plan *plan = ((const struct making *)user)->plan;
    for (size_t i = 0; i < plan->workload_count; i++)
        if (bench_list_has(word, ',', plan->workloads[i]))
            return true;
    return refuse("workload", word, is_pattern(word) ? NULL : bench_workload_nearest(word));
}

bool bench_plan_make(struct bench_plan *plan, const struct bench_cli *cli)
{
    struct making making = {.plan = plan, .cli = cli};
    const struct bench_peer_list *present = &plan->peers.present;
    for (size_t i = 0; i < bench_workload_count; i++)
        add_workload(plan, cli, bench_workloads[i].name);
    for (size_t i = 0; i < present->count; i++)
        if (is_chosen(cli->peers, present->peers[i].name))
            (void)for_each_word(present->peers[i].text, " ", on_their_workload, &making);
    if ((cli->rows != NULL && !for_each_word(cli->rows, ",", check_row, &making)) ||
        (cli->peers != NULL && strcmp(cli->peers, "-") != 0 &&
         !for_each_word(cli->peers, ",", check_peer, &making)) ||
        (cli->workloads != NULL && !for_each_word(cli->workloads, ",", check_workload, &making)))
        return false;
    for (size_t i = 0; i < plan->workload_count; i++)
        add_entries(plan, cli, plan->workloads[i]);
    return true;
}

/* ---- who is left out ---- */

static bool does_any(const struct bench_plan *plan, const struct bench_row *row)
{
    for (size_t i = 0; i < plan->workload_count; i++)
        if (row_does(row, plan->workloads[i]))
            return true;
    return false;
}

void bench_plan_print_left_out(const struct bench_plan *plan, const struct bench_cli *cli,
                               FILE *stream)
{
    for (size_t i = 0; i < bench_row_count; i++) {
        const struct bench_row *row = &bench_rows[i];
        if (!is_chosen(cli->rows, row->name) || !does_any(plan, row))
            continue;
        if (!bench_has_delivery(row->delivery)) {
            fprintf(stream, "left out: %s: this libreflow has no delivery level %s\n", row->name,
                    row->delivery);
            continue;
        }
        for (size_t k = 0; k < plan->workload_count; k++)
            if (row_does(row, plan->workloads[k]) &&
                bench_workload_find(plan->workloads[k]) == NULL)
                fprintf(stream, "left out: %s %s: reflow-bench does not have this workload\n",
                        row->name, plan->workloads[k]);
    }
    for (size_t i = 0; i < plan->peers.missing.count; i++)
        if (is_chosen(cli->peers, plan->peers.missing.peers[i].name))
            fprintf(stream, "left out: %s: %s\n", plan->peers.missing.peers[i].name,
                    plan->peers.missing.peers[i].text);
}
