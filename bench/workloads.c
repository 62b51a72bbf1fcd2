/* SPDX-License-Identifier: MIT */
/* The table of workloads. */
#include "json.h"
#include "local.h"
#include "remote.h"
#include "scale.h"

const struct bench_workload bench_workloads[] = {
    {"local_pingpong", "two actors, one message in flight", bench_local_pingpong},
    {"local_stream", "one producer, one consumer", bench_local_stream},
    {"local_pipeline", "a source and 8 stages", bench_local_pipeline},
    {"local_fanin", "100 producers, one consumer", bench_local_fanin},
    {"local_ring", "503 actors, one token", bench_local_ring},
    {"local_scale_actors", "the cost of a message among 10 to a million actors",
     bench_scale_actors},
    {"local_scale_names", "a send by name among 10 to 100,000 names", bench_scale_names},
    {"local_scale_workers", "8 pipelines on one worker and on two", bench_scale_workers},
    {"spawn", "a million actors alive together", bench_spawn},
    {"remote_rtt", "64 bytes to another process and back", bench_remote_rtt},
    {"remote_stream", "64-byte messages to another process", bench_remote_stream},
    {"remote_stream_1k", "the same with 1 KiB", bench_remote_stream_1k},
    {"remote_large", "the same with 1 MiB", bench_remote_large},
    {"remote_fanin", "100 connections into one node", bench_remote_fanin},
    {"json_stream", "64-byte messages over the Rust wire", bench_json_stream},
    {"json_stream_1k", "1-KiB messages over the Rust wire", bench_json_stream_1k},
    {"json_large", "1-MiB messages over the Rust wire", bench_json_large},
    {"json_rtt", "one 64-byte message at a time over the Rust wire", bench_json_rtt},
    {"json_to_rust", "64-byte messages to a node of the Rust Reflow", bench_json_to_rust},
    {"json_from_rust", "64-byte messages from one", bench_json_from_rust},
    {"idle", "10,000 idle links, an idle node", bench_idle},
    {"mixed", "1 GiB beside 64-byte requests on one link", bench_mixed},
    {"slow_consumer", "what edges lose to one with a slow end", bench_slow_consumer},
    {"http_under_load", "GET /health and /status beside a stream", bench_http_under_load},
    {"remote_scale_links", "cost of a message over 1 to 1,000 links", bench_remote_scale_links},
    {"graph_1k", "a graph of 1,000 nodes under load", bench_graph_1k},
};
const size_t bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];
