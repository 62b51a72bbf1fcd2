/* SPDX-License-Identifier: MIT */
/* The values behind rf_config. One table in config.c gives each field its key, range, unit and line
 * of documentation; every other file reads the fields. */
#ifndef RFI_CONFIG_H
#define RFI_CONFIG_H

#include <reflow/config.h>

struct rfi_strings {
    char **items;
    size_t count;
};

struct rf_config {
    /* DistributedConfig */
    char *network_id;
    char *instance_id; /* empty: made at random */
    char *bind_address;
    uint32_t bind_port; /* 0: any free one */
    struct rfi_strings discovery_endpoints;
    char *auth_token; /* empty: none */
    uint32_t max_connections;
    uint32_t heartbeat_interval_ms;
    char *local_network_config; /* JSON object, accepted and kept */

    /* who we are to others */
    char *
        advertise_address; /* host or host:port that registries are told; empty: the bind address */
    char *auth_token_file;
    char *admin_token;          /* empty: state changes over HTTP from loopback only */
    char *transport;            /* "ws" or "tcp": how networks found by discovery are dialled */
    char *wire;                 /* "auto" or "json": whether the native wire is offered */
    char *delivery;             /* "reliable" or "fast": of what this node sends to others */
    struct rfi_strings connect; /* endpoints to dial at start */
    struct rfi_strings graphs;  /* files to load at start */
    bool is_registry;           /* "registry": serve POST /register and DELETE /networks */

    /* threads */
    uint32_t actor_threads; /* 0: cores */
    uint32_t io_threads;
    uint32_t routing_threads;
    uint32_t http_threads;

    /* local network */
    uint32_t mailbox_capacity;
    uint32_t actors_max;

    /* links */
    uint32_t flow_credit_messages;
    uint32_t flow_credit_bytes;
    uint32_t link_credit_bytes;
    uint32_t outbox_messages_max; /* unacknowledged, per peer */
    uint32_t flows_max;           /* names per link */
    uint32_t message_bytes_max;
    uint32_t websocket_frame_bytes_max;
    uint32_t batch_bytes_max;
    char *compression; /* "auto", "on" or "off": whether peers are offered compressed frames */
    uint32_t compression_level;
    uint32_t compression_bytes_min;
    uint32_t reconnect_min_ms;
    uint32_t reconnect_max_ms;
    uint32_t handshake_timeout_ms; /* each of upgrade, HTTP head, handshake */
    uint32_t pending_connections_max;
    uint32_t pending_per_address_max;
    uint32_t poll_us; /* busy polling after activity, 0: none */

    /* discovery */
    uint32_t discovery_refresh_ms;
    uint32_t discovery_timeout_ms;
    uint32_t registry_ttl_ms;
    uint32_t registry_entries_max;
    uint32_t registry_entries_per_address_max;

    /* HTTP */
    uint32_t http_connections_max;
    uint32_t http_body_bytes_max;
    uint32_t http_idle_timeout_ms;
    uint32_t request_timeout_ms; /* default and limit of request/reply over HTTP */

    /* life cycle */
    uint32_t drain_timeout_ms;
    char *log_level;
    char *log_format; /* "text" or "json" */
};

rf_config *rfi_config_copy(const rf_config *config); /* NULL: out of memory */

#endif
