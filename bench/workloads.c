/* SPDX-License-Identifier: MIT */
/* The table of workloads. */
#include "local.h"

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
};
const size_t bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];
