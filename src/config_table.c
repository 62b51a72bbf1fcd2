/* SPDX-License-Identifier: MIT */
/* The table of the configuration: one line gives a key its type, unit, default, range and words.
 * Parsing, the environment, flags, printing, copying and docs/config.md all run over it, so a key
 * cannot be in one and missing in another. Read only; the order is that of the documentation. */
#include "config_internal.h"

#define AT(field) offsetof(struct rf_config, field)

/* A key, its unit, default, least and greatest value or length, and summary. LIVE: taken over by a
 * reload. The field has the name of the key, but for `registry`. */
#define STRING(name_, default_, min_, max_, summary_)                                              \
    {                                                                                              \
        {#name_, "string", "", default_, min_, max_, false, false, summary_}, AT(name_),           \
            RFI_CONFIG_STRING, false                                                               \
    }
#define LIVE_STRING(name_, default_, min_, max_, summary_)                                         \
    {                                                                                              \
        {#name_, "string", "", default_, min_, max_, false, true, summary_}, AT(name_),            \
            RFI_CONFIG_STRING, false                                                               \
    }
#define SECRET(name_, summary_)                                                                    \
    {                                                                                              \
        {#name_, "string", "", "", 0, 1024, true, true, summary_}, AT(name_), RFI_CONFIG_STRING,   \
            false                                                                                  \
    }
#define INTEGER(name_, unit_, default_, min_, max_, summary_)                                      \
    {                                                                                              \
        {#name_, "integer", unit_, default_, min_, max_, false, false, summary_}, AT(name_),       \
            RFI_CONFIG_INTEGER, false                                                              \
    }
#define LIVE_INTEGER(name_, unit_, default_, min_, max_, summary_)                                 \
    {                                                                                              \
        {#name_, "integer", unit_, default_, min_, max_, false, true, summary_}, AT(name_),        \
            RFI_CONFIG_INTEGER, false                                                              \
    }
#define STRINGS(name_, is_path_, summary_)                                                         \
    {                                                                                              \
        {#name_, "strings", "", "", 0, 1024, false, false, summary_}, AT(name_),                   \
            RFI_CONFIG_STRINGS, is_path_                                                           \
    }

#define GIB_1   INT64_C(1073741824)
#define HOUR_MS INT64_C(3600000)
#define DAY_MS  INT64_C(86400000)

const struct rfi_config_field rfi_config_fields[] = {
    STRING(network_id, "reflow", 1, 128,
           "name of this network; peers reach its actors as actor@network_id"),
    STRING(instance_id, "", 0, 128,
           "name of this instance of the network; empty: made at random at the start"),
    STRING(bind_address, "127.0.0.1", 1, 255,
           "address to listen on, for links and HTTP alike; 0.0.0.0 or :: for all"),
    INTEGER(bind_port, "", "8080", 0, 65535, "port to listen on; 0: any free one"),
    STRINGS(discovery_endpoints, false,
            "URLs of registries, such as http://10.0.0.1:8080; this node registers with each"),
    SECRET(auth_token, "secret that peers must share; empty or null: none is asked for"),
    LIVE_INTEGER(max_connections, "", "100", 1, 65536, "links to peers at a time"),
    INTEGER(heartbeat_interval_ms, "ms", "5000", 10, HOUR_MS,
            "how often a link is probed; a peer that misses three in a row is gone"),
    {{"local_network_config", "object", "", "{}", 0, 65536, false, false,
      "kept for the Rust program's files: an object with compression and tracing; has no effect "
      "here"},
     AT(local_network_config),
     RFI_CONFIG_OBJECT,
     false},

    STRING(
        advertise_address, "", 0, 255,
        "host or host:port that registries are told; empty: the address that the node listens on"),
    {{"auth_token_file", "string", "", "", 0, 4096, false, true,
      "file whose one line is the auth_token"},
     AT(auth_token_file),
     RFI_CONFIG_STRING,
     true},
    SECRET(admin_token,
           "bearer token for changes over HTTP; empty: only loopback clients may change something"),
    STRING(transport, "ws", 2, 3, "how networks found through a registry are dialled: ws or tcp"),
    STRING(
        wire, "auto", 4, 4,
        "what peers are offered: auto (the native wire, or Reflow JSON for those who do not know "
        "it) or json (Reflow JSON always, as the Rust Reflow speaks it)"),
    STRING(delivery, "reliable", 4, 8,
           "level of what this node sends over native links: reliable (kept until it is "
           "acknowledged, so that a lost connection loses nothing) or fast (not kept once it was "
           "sent: at most once, losses are counted; requests and peers that do not know it: "
           "reliable)"),
    STRINGS(connect, false,
            "endpoints to link to at the start: host:port, ws://host:port or tcp://host:port"),
    STRINGS(graphs, true, "graph files to load at the start"),
    {{"registry", "boolean", "", "false", 0, 1, false, false,
      "serve as a registry: POST /register, GET /networks, DELETE /networks/ID"},
     AT(is_registry),
     RFI_CONFIG_BOOLEAN,
     false},

    INTEGER(actor_threads, "", "0", 0, 256, "threads that run actors; 0: one for each core"),
    INTEGER(io_threads, "", "1", 1, 64, "threads that read and write sockets"),
    INTEGER(routing_threads, "", "1", 1, 64, "threads that run links and route messages"),
    INTEGER(http_threads, "", "1", 1, 64, "threads that answer HTTP"),

    INTEGER(
        mailbox_capacity, "messages", "1024", 1, 1048576,
        "messages that wait at one actor before its senders are held back; those of 1 KiB and more "
        "also count by their bytes, 1 KiB for each message of it"),
    INTEGER(actors_max, "", "4194304", 1, 4194304, "actors in the local network at a time"),

    INTEGER(flow_credit_messages, "messages", "4096", 1, 16777216,
            "messages in flight to one actor of a peer"),
    INTEGER(flow_credit_bytes, "bytes", "1048576", 1024, GIB_1,
            "bytes in flight to one actor of a peer"),
    INTEGER(link_credit_bytes, "bytes", "8388608", 1024, GIB_1, "bytes in flight on one link"),
    INTEGER(outbox_messages_max, "messages", "1000000", 1, 100000000,
            "messages kept for one peer until it acknowledges them"),
    INTEGER(flows_max, "", "65536", 1, 65536,
            "actor and port pairs that one link can name at a time"),
    INTEGER(message_bytes_max, "bytes", "16777216", 1024, GIB_1, "the largest message, encoded"),
    INTEGER(websocket_frame_bytes_max, "bytes", "16777216", 1024, GIB_1,
            "the largest WebSocket frame that is accepted"),
    INTEGER(batch_bytes_max, "bytes", "65536", 256, 16777216,
            "messages are gathered into frames of up to this size"),
    STRING(compression, "auto", 2, 4,
           "whether frames of the native wire may be compressed, while the socket is behind and "
           "where it pays, when both ends want it: auto (not between nodes of one machine), on or "
           "off"),
    INTEGER(compression_level, "", "1", 1, 9, "of zstd: a higher one saves more and takes longer"),
    INTEGER(compression_bytes_min, "bytes", "4096", 64, 16777216,
            "smaller frames are never compressed"),
    INTEGER(reconnect_min_ms, "ms", "100", 1, HOUR_MS,
            "wait before the first new try after a link was lost; doubles each time"),
    INTEGER(reconnect_max_ms, "ms", "30000", 1, DAY_MS, "the longest wait between tries"),
    INTEGER(handshake_timeout_ms, "ms", "5000", 10, 600000,
            "time for each of: HTTP head, WebSocket upgrade, handshake"),
    INTEGER(pending_connections_max, "", "256", 1, 65536,
            "connections that have not said yet who they are"),
    INTEGER(pending_per_address_max, "", "64", 1, 65536, "the same from one address"),
    INTEGER(poll_us, "us", "0", 0, 1000000,
            "how long after the last activity I/O threads look for more instead of sleeping, as "
            "long as everything behind them rests; what others take of their core meanwhile does "
            "not count; costs processor time"),

    INTEGER(discovery_refresh_ms, "ms", "5000", 10, DAY_MS,
            "how often the registries are told and asked"),
    INTEGER(discovery_timeout_ms, "ms", "5000", 10, 600000, "time for one request to a registry"),
    INTEGER(registry_ttl_ms, "ms", "90000", 10, DAY_MS,
            "a registry forgets who did not register again for this long"),
    INTEGER(registry_entries_max, "", "10000", 1, 1000000, "instances that a registry keeps"),
    INTEGER(registry_entries_per_address_max, "", "1000", 1, 1000000, "the same from one address"),

    INTEGER(http_connections_max, "", "256", 1, 65536, "HTTP connections at a time"),
    INTEGER(http_body_bytes_max, "bytes", "8388608", 1024, GIB_1, "the largest body of a request"),
    INTEGER(http_idle_timeout_ms, "ms", "15000", 100, HOUR_MS,
            "an HTTP connection without traffic is closed after this"),
    INTEGER(request_timeout_ms, "ms", "30000", 1, HOUR_MS,
            "default and longest time for a request to an actor over HTTP"),

    INTEGER(drain_timeout_ms, "ms", "5000", 0, HOUR_MS,
            "time for finishing accepted work at the end"),
    LIVE_STRING(log_level, "info", 4, 5, "error, warn, info, debug or trace"),
    LIVE_STRING(log_format, "text", 4, 4, "text or json"),
};

const size_t rfi_config_field_count = sizeof rfi_config_fields / sizeof rfi_config_fields[0];
