/* SPDX-License-Identifier: MIT */
#include "bench/rows.h"
#include "support/rf_test.h"

static struct bench_group group(const char *workload, const char *peer, double median,
                                const char *unit)
{
    return (struct bench_group){.workload = workload,
                                .peer = peer,
                                .unit = unit,
                                .count = 1,
                                .median = median,
                                .min = median,
                                .max = median};
}

Test(bench_rows, limits_and_shared_memory_are_no_peers)
{
    cr_assert_eq(bench_kind_of("reflow-tcp", "remote_rtt"), BENCH_OURS);
    cr_assert_eq(bench_kind_of("reflow-rust", "remote_rtt"), BENCH_PEER);
    cr_assert_eq(bench_kind_of("raw-spin", "remote_rtt_p50"), BENCH_LIMIT);
    cr_assert_eq(bench_kind_of("aeron", "remote_large"), BENCH_PEER);
    cr_assert_eq(bench_kind_of("aeron-ipc", "remote_stream"), BENCH_SHARED_MEMORY);
    cr_assert_eq(bench_kind_of("dora-tuned", "remote_large"), BENCH_SHARED_MEMORY);
    cr_assert_eq(bench_kind_of("dora", "remote_stream"), BENCH_PEER);
}

Test(bench_rows, a_row_does_what_its_table_says)
{
    const struct bench_row *local = bench_row_find("reflow");
    const struct bench_row *nopoll = bench_row_find("reflow-tcp-nopoll");
    cr_assert(bench_row_does(local, "local_ring"));
    cr_assert(bench_row_does(local, "spawn"));
    cr_assert_not(bench_row_does(local, "remote_rtt"));
    cr_assert_not(bench_row_does(local, "spawner"));
    cr_assert(bench_row_does(nopoll, "remote_rtt"));
    cr_assert_not(bench_row_does(nopoll, "remote_stream"));
    cr_assert_null(bench_row_find("zmq"));
}

Test(bench_rows, the_highest_rate_is_the_best_peer)
{
    struct bench_group groups[] = {
        group("remote_stream", "reflow-tcp", 9, "msgs/s"),
        group("remote_stream", "reflow-rust", 1, "msgs/s"),
        group("remote_stream", "zmq", 3, "msgs/s"),
        group("remote_stream", "zenoh", 2, "msgs/s"),
        group("remote_stream", "nng-ws", 50, "msgs/s"),    /* another wire */
        group("remote_stream", "aeron-ipc", 80, "msgs/s"), /* shared memory */
        group("remote_stream", "raw-batch", 40, "msgs/s"),
        group("remote_stream", "raw-nobatch", 30, "msgs/s"),
        group("remote_stream", "raw-ws", 60, "msgs/s"), /* another wire */
        group("remote_large", "caf", 70, "msgs/s"),     /* another workload */
        group("remote_stream", "nats", 90, "us"),       /* another unit */
    };
    size_t count = sizeof groups / sizeof groups[0];
    cr_assert_str_eq(bench_best_rival(&groups[0], groups, count)->peer, "zmq");
    cr_assert_str_eq(bench_best_limit(&groups[0], groups, count)->peer, "raw-batch");
}

Test(bench_rows, the_lowest_time_is_the_best_peer)
{
    struct bench_group groups[] = {
        group("remote_rtt_p50", "reflow-tcp", 9, "us"),
        group("remote_rtt_p50", "erlang", 84, "us"),
        group("remote_rtt_p50", "aeron", 10, "us"),
        group("remote_rtt_p50", "zmq", 90, "us"),
        group("remote_rtt_p50", "raw-block", 57, "us"),
        group("remote_rtt_p50", "raw-spin", 6, "us"),
    };
    size_t count = sizeof groups / sizeof groups[0];
    cr_assert_str_eq(bench_best_rival(&groups[0], groups, count)->peer, "aeron");
    cr_assert_str_eq(bench_best_limit(&groups[0], groups, count)->peer, "raw-spin");

    groups[0].peer = "reflow-tcp-nopoll"; /* which has not to beat what always polls */
    cr_assert_str_eq(bench_best_rival(&groups[0], groups, count)->peer, "erlang");
    cr_assert_str_eq(bench_best_limit(&groups[0], groups, count)->peer, "raw-block");
}

Test(bench_rows, a_row_over_websocket_has_peers_over_websocket)
{
    struct bench_group groups[] = {
        group("remote_stream", "reflow-ws", 9, "msgs/s"),
        group("remote_stream", "nng-ws", 3, "msgs/s"),
        group("remote_stream", "zmq", 20, "msgs/s"),
        group("remote_stream", "raw-ws", 40, "msgs/s"),
        group("remote_stream", "raw-batch", 60, "msgs/s"),
    };
    size_t count = sizeof groups / sizeof groups[0];
    cr_assert_str_eq(bench_best_rival(&groups[0], groups, count)->peer, "nng-ws");
    cr_assert_str_eq(bench_best_limit(&groups[0], groups, count)->peer, "raw-ws");
}

Test(bench_rows, the_rust_wire_is_compared_with_the_rust_reflow)
{
    char name[BENCH_NAME_SIZE];
    bench_their_workload(name, "json_stream_1k");
    cr_assert_str_eq(name, "remote_stream_1k");
    bench_their_workload(name, "local_ring");
    cr_assert_str_eq(name, "local_ring");
    bench_our_result(name, "json_rtt", "remote_rtt_p99.9");
    cr_assert_str_eq(name, "json_rtt_p99.9");
    bench_our_result(name, "remote_rtt", "remote_rtt_p50");
    cr_assert_str_eq(name, "remote_rtt_p50");
    bench_their_workload(name, "json_to_rust");
    cr_assert_str_eq(name, "remote_stream");
    bench_our_result(name, "json_to_rust", "remote_stream");
    cr_assert_str_eq(name, "json_to_rust");
    bench_our_result(name, "json_from_rust", "json_from_rust");
    cr_assert_str_eq(name, "json_from_rust");
    cr_assert(bench_may_do("reflow-rust", "json_stream"));
    cr_assert_not(bench_may_do("zmq", "json_stream"));
    cr_assert(bench_may_do("zmq", "remote_stream"));

    struct bench_group groups[] = {
        group("json_stream", "reflow-json", 9, "msgs/s"),
        group("json_stream", "reflow-rust", 3, "msgs/s"),
    };
    cr_assert_str_eq(bench_best_rival(&groups[0], groups, 2)->peer, "reflow-rust");
    cr_assert_null(bench_best_limit(&groups[0], groups, 2));
}

Test(bench_rows, ours_come_first_and_the_best_of_each_kind)
{
    struct bench_group groups[] = {
        group("local_ring", "raw-1t", 9, "hops/s"),
        group("local_ring", "erlang", 2, "hops/s"),
        group("local_ring", "caf", 3, "hops/s"),
        group("local_ring", "reflow", 1, "hops/s"),
        group("remote_rtt_p50", "aeron-ipc", 1, "us"),
        group("remote_rtt_p50", "zmq", 90, "us"),
        group("remote_rtt_p50", "erlang", 84, "us"),
        group("remote_rtt_p50", "raw-spin", 5, "us"),
        group("remote_rtt_p50", "reflow-ws", 12, "us"),
        group("remote_rtt_p50", "reflow-tcp", 9, "us"),
    };
    const char *const order[] = {"reflow",    "caf",    "erlang", "raw-1t",    "reflow-tcp",
                                 "reflow-ws", "erlang", "zmq",    "aeron-ipc", "raw-spin"};
    size_t count = sizeof groups / sizeof groups[0];

    bench_groups_sort(groups, count);

    for (size_t i = 0; i < count; i++)
        cr_assert_str_eq(groups[i].peer, order[i]);
}

Test(bench_rows, nobody_is_best_where_nobody_is)
{
    struct bench_group groups[] = {group("spawn", "reflow", 9, "actors/s"),
                                   group("spawn", "zmq", 9, "widgets")};
    cr_assert_null(bench_best_rival(&groups[0], groups, 2));
    cr_assert_null(bench_best_rival(&groups[1], groups, 2)); /* it is not ours */
}

Test(bench_rows, lists_know_whole_words_and_stars)
{
    cr_assert(bench_list_has("a,bc,d", ',', "bc"));
    cr_assert_not(bench_list_has("a,bc,d", ',', "b"));
    cr_assert_not(bench_list_has("", ',', "b"));
    cr_assert(bench_list_has("x,remote_*", ',', "remote_rtt"));
    cr_assert_not(bench_list_has("x,remote_*", ',', "local_ring"));
}
