/* SPDX-License-Identifier: MIT */
/* One connection, inside the transport. Its socket, parser and buffers belong to its loop. Other
 * threads reach it by atomics, by its queue of messages to send, and by "wants": bits that
 * are set before the connection is posted to the loop's inbox, at most once until the loop has
 * looked. */
#ifndef RFI_CONN_H
#define RFI_CONN_H

#include "net/transport_internal.h"
#include "net/ws_handshake.h"
#include <netinet/in.h>

enum rfi_source_kind { RFI_SOURCE_INBOX, RFI_SOURCE_LISTENER, RFI_SOURCE_CONN };

enum rfi_conn_state {
    RFI_CONN_RESOLVING,
    RFI_CONN_CONNECTING,
    RFI_CONN_UPGRADING, /* our request is out */
    RFI_CONN_LOOKING,   /* accepted; at the first bytes */
    RFI_CONN_OPEN,
    RFI_CONN_CLOSING, /* enum rfi_closing says how */
    RFI_CONN_CLOSED
};

enum rfi_closing {
    RFI_CLOSING_OURS,  /* we asked: flush, Close frame, wait for the peer's */
    RFI_CLOSING_REPLY, /* the peer asked: flush, Close frame, done */
    RFI_CLOSING_FAILED /* bad peer, or a refusal: say so, then read into nothing until it is gone */
};

enum {                      /* bits of wants */
       RFI_WANT_POSTED = 1, /* is in the loop's inbox */
       RFI_WANT_ADOPTION = 2,
       RFI_WANT_CONNECT = 4, /* addresses are there */
       RFI_WANT_CLOSE = 8,
       RFI_WANT_PING = 16,
       RFI_WANT_LOOK = 32,      /* there is something to send, or reading may go on */
       RFI_WANT_NO_MEMORY = 64, /* a send failed for lack of memory: the stream has a hole */
       RFI_WANT_PACE = 128
};

struct rfi_out_item { /* something to send */
    struct rfi_mpsc_node node;
    struct rfi_out_item *next;
    uint8_t *data;
    struct rfi_tail tail; /* behind data */
    size_t size;          /* of both */
    size_t sent;          /* of both */
    size_t masked;        /* data[0, masked) is masked already; the tail never is */
    size_t frame_at;      /* where the frame under way starts in data */
    size_t frame_end;     /* and ends */
    uint8_t header[RFI_WS_HEADER_MAX];
    uint8_t header_size, header_sent; /* of the frame under way */
    uint8_t mask[4];
    uint8_t opcode;
    bool is_raw;      /* bytes as they are: HTTP, the preface, whole frames */
    bool is_counted;  /* in rfi_conn.unsent */
    bool has_frame;   /* header and frame_end are set */
    bool is_data_own; /* data is to be freed */
    bool is_chunk;    /* data goes back to the transport's chunks */
    uint16_t pool_class;
};

struct rfi_conn_dial { /* what a dialled connection needs until it is open */
    struct rfi_resolver_job job;
    struct rfi_conn *conn;
    struct rfi_endpoint endpoint;
    struct addrinfo *found, *at; /* owner: loop, once RFI_WANT_CONNECT is seen */
    const char *failure;
    char key[RFI_WS_KEY_SIZE];
    rf_err last_err; /* why the last address failed */
    char last_error[128];
};

struct rfi_conn {
    enum rfi_source_kind source; /* first: epoll points here */

    /* set once, then read by all */
    enum rfi_wire wire; /* accepted: set before on_open */
    struct rfi_transport *transport;
    struct rfi_loop *loop;
    uint64_t id;

    /* any thread */
    _Atomic(void *) user;
    _Atomic(uint32_t) refs, wants;
    _Atomic(bool) is_paused, is_approved, is_pending, is_close_claimed;
    bool is_dialled;           /* set once */
    bool is_same_host;         /* set before on_open */
    struct rfi_mpsc out_queue; /* struct rfi_out_item */
    struct rfi_mpsc_node poke_node;
    _Atomic(size_t) unsent, unfreed;
    _Atomic(bool) is_stuck; /* copies of what `pace` has */
    _Atomic(uint64_t) stuck_at_ns, ns_per_mib;
    /* whoever claimed the close writes these, then sets RFI_WANT_CLOSE */
    rf_err asked_err;
    uint16_t asked_code;
    char *asked_reason; /* NULL: none, or no memory for it */

    /* owner: loop */
    struct rfi_conn_dial *dial; /* dialled ones, until they are open */
    enum rfi_conn_state state;
    enum rfi_closing closing;
    int fd;
    uint32_t epoll_events;
    struct rfi_conn *prev, *next; /* loop->conns */
    struct rfi_heap_node timed;   /* in loop->timed; by its deadline */
    struct rfi_conn *dead_next;
    uint64_t close_cap_ns; /* flushing may move the deadline up to here */
    bool is_adopted, is_in_epoll, has_opened;
    bool is_blocked; /* the socket takes no more for now */
    bool is_paced;   /* somebody wants to know how it does */
    struct rfi_pace pace;
    uint64_t pace_asked_ns;
    bool has_progress; /* bytes left since the flag was cleared */
    bool has_reason;   /* the end is decided; what on_closed will say: */
    uint16_t close_code;
    rf_err close_err;
    char *close_reason;      /* NULL: no memory for it */
    bool has_peer_close;     /* its Close frame came */
    bool is_drained_closing; /* CLOSING: all is in the kernel; only the peer's end is awaited */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address; /* accepted ones only */
    socklen_t address_size;
    struct rfi_frame_parser parser;
    uint8_t *in;
    size_t in_size, in_capacity;
    struct rfi_body body;            /* of the message under way, whose beginning is all of `in` */
    size_t body_here, body_capacity; /* of body.size: received; room for in the block */
    uint64_t control_window_ns;      /* the second in which control_count counts */
    uint32_t control_count;
    struct rfi_out_item *out_first, *out_last, *pong;

    char peer[]; /* "address:port"; set once */
};

/* ---- conn.c: life and commands ---- */
/* NULL: no memory. One reference, for the caller. `peer`: "address:port", copied. */
struct rfi_conn *rfi_conn_new(struct rfi_transport *transport, bool is_dialled, const char *peer);
/* An accepted socket (takes it): gives it to its loop. */
void rfi_conn_accept(struct rfi_transport *transport, int fd, const struct sockaddr *address,
                     socklen_t address_size);
void rfi_conn_forget_dial(struct rfi_conn *conn);
void rfi_conn_poke(struct rfi_conn *conn, uint32_t wants);
/* The loop took the connection out of its inbox; drops that reference. */
void rfi_conn_handle_poke(struct rfi_conn *conn);
void rfi_conn_handle_events(struct rfi_conn *conn, uint32_t events);
/* It has none any more. */
void rfi_conn_handle_deadline(struct rfi_conn *conn);
/* 0: none. */
void rfi_conn_set_deadline(struct rfi_conn *conn, uint64_t at_ns);
void rfi_conn_set_deadline_in(struct rfi_conn *conn, uint64_t ms);
/* Tell epoll what the state wants to hear. */
void rfi_conn_update_events(struct rfi_conn *conn);
void rfi_conn_release_pending(struct rfi_conn *conn);

/* ---- conn_open.c: until on_open ---- */
/* Before the connection carries anything. */
void rfi_conn_set_socket_options(int fd, const struct sockaddr *peer);
void rfi_conn_connect_next(struct rfi_conn *conn);
void rfi_conn_handle_connected(struct rfi_conn *conn);
void rfi_conn_look(struct rfi_conn *conn, uint32_t events);
void rfi_conn_read_upgrade(struct rfi_conn *conn);
void rfi_conn_resolved(struct rfi_resolver_job *job, struct addrinfo *found, const char *failure);

/* ---- conn_read.c ---- */
void rfi_conn_read(struct rfi_conn *conn);
/* Parse what lies in the buffer already. */
void rfi_conn_parse(struct rfi_conn *conn);
bool rfi_conn_can_read(const struct rfi_conn *conn);
/* Make room in the buffer. False: no memory. */
bool rfi_conn_reserve_in(struct rfi_conn *conn);
void rfi_conn_drop_in(struct rfi_conn *conn);
/* The body under way, if there is one, is not wanted any more. */
void rfi_conn_drop_body(struct rfi_conn *conn);

/* Do we mask what we send (a WebSocket that we dialled)? */
bool rfi_conn_masks(const struct rfi_conn *conn);
/* Queue an item that is complete but for the count: takes it. Any thread. */
void rfi_conn_post_item(struct rfi_conn *conn, struct rfi_out_item *item);
/* Is its end asked for? Then nothing is sent any more. Any thread. */
bool rfi_conn_is_ending(struct rfi_conn *conn);

/* ---- conn_write.c ---- */
/* Write as much as the socket takes. An error closes the connection. */
void rfi_conn_flush(struct rfi_conn *conn);
/* Take over what other threads queued. */
void rfi_conn_take_queue(struct rfi_conn *conn);
void rfi_conn_queue_raw(struct rfi_conn *conn, struct rfi_buf *bytes);
/* A control frame, ahead of messages that have not begun; Close goes behind all. */
void rfi_conn_queue_control(struct rfi_conn *conn, uint8_t opcode, const void *data, size_t size);
/* Free all that is queued. */
void rfi_conn_drop_out(struct rfi_conn *conn);

/* ---- conn_close.c ---- */
/* The first end wins: the reason that is told. */
void rfi_conn_set_reason(struct rfi_conn *conn, uint16_t code, rf_err err, const char *reason);
/* Begin to close in order, with the reason that was set. */
void rfi_conn_begin_close(struct rfi_conn *conn, enum rfi_closing closing);
/* set_reason and begin_close. */
void rfi_conn_fail(struct rfi_conn *conn, uint16_t code, rf_err err, const char *reason);
/* CLOSING, and something moved: go on. */
void rfi_conn_advance_close(struct rfi_conn *conn);
/* Read into nothing (FAILED, and native TCP). */
void rfi_conn_discard(struct rfi_conn *conn);
/* Close now. The connection is dead afterwards, but its memory stays for this round. */
void rfi_conn_finish(struct rfi_conn *conn);
/* set_reason and finish. */
void rfi_conn_break(struct rfi_conn *conn, rf_err err, const char *reason);

#endif
