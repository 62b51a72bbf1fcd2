/* SPDX-License-Identifier: MIT */
/* Sockets: a listener and a pool of I/O loops, each an epoll set and an inbox. A connection lives and
 * dies on one loop. This layer knows TCP, the first-bytes look that tells WebSocket, native TCP and HTTP
 * apart, the WebSocket upgrade and framing (RFC 6455), and the length framing of native TCP. It
 * knows no message and no peer: it hands up whole messages in runs, and takes bytes to send.
 *
 * Native TCP: the dialler first sends the 8 bytes "RFLOW/1\n"; then both sides send frames, each a u32
 * length (little-endian, of what follows), one byte that says text (1) or binary (2), and the bytes. */
#ifndef RFI_TRANSPORT_H
#define RFI_TRANSPORT_H

#include "core/base/buf.h"
#include "core/base/mpsc.h"
#include "net/endpoint.h"
#include "net/pace.h"
#include "net/tail.h"
#include <sys/socket.h>

struct rfi_transport;
struct rfi_conn; /* counted; all functions below may be called after it closed */

enum rfi_opcode { RFI_TEXT = 1, RFI_BINARY = 2 };

/* One whole message inside a run. */
struct rfi_frame_span {
    uint32_t offset, size; /* in run->bytes */
    uint8_t opcode;        /* enum rfi_opcode */
};

/* What one read of one connection gave: whole messages, in order. Owned by whoever got it. */
struct rfi_run {
    struct rfi_mpsc_node node; /* for the inbox of the next thread */
    void *tag;                 /* free for the owner */
    struct rfi_conn *conn;     /* one reference */
    uint8_t *bytes;            /* unmasked */
    size_t size;
    struct rfi_frame_span *frames;
    size_t frame_count;
    /* What follows the bytes of frames[0]. Who takes the block makes it NULL here. */
    struct rfi_body body;
};
/* Give the run's memory back, and its bytes to the connection's read budget: a connection stops reading
 * while more than read_budget_bytes of its runs are not freed. Any thread. */
void rfi_run_free(struct rfi_run *run);

struct rfi_transport_options {
    uint32_t io_threads;
    uint32_t message_bytes_max; /* over all fragments */
    uint32_t websocket_frame_bytes_max;
    uint32_t fragments_max;           /* per message */
    uint32_t handshake_timeout_ms;    /* connect, upgrade, first bytes: absolute, each */
    uint32_t pending_connections_max; /* accepted, not yet approved (rfi_conn_approve) */
    uint32_t pending_per_address_max;
    uint32_t control_frames_per_second_max; /* ping, pong from one peer */
    uint32_t read_budget_bytes;             /* 0: 4 MiB */
    uint32_t write_low_bytes;               /* on_drain threshold, 0: 256 KiB */
    uint32_t poll_us;
    uint32_t body_headroom; /* bytes before a body in its block, for the owner */
    bool has_http;          /* on_http takes what is HTTP; else such connections get 404 */
};

/* All callbacks: on an I/O thread, never blocking. on_closed is the last one of a connection. */
struct rfi_transport_ops {
    /* The connection can carry messages. The pending limits count it until rfi_conn_approve. */
    void (*on_open)(void *user, struct rfi_conn *conn);
    /* Takes the run. */
    void (*on_run)(void *user, struct rfi_conn *conn, struct rfi_run *run);
    /* A large binary message is under way, in one frame of `frame_size` bytes on an approved connection, and this much of
     * it is here. Does one body fill it from some place in `head` to its end? Then where; the rest is read into a
     * block of its own and never copied. 0: no, or not known yet. Looks at the bytes and at nothing else. May be NULL. */
    size_t (*find_body)(const uint8_t *head, size_t size, size_t frame_size);
    /* A WebSocket pong came (counts as life; for the Rust wire's heartbeat). May be NULL. */
    void (*on_pong)(void *user, struct rfi_conn *conn);
    /* rfi_conn_unsent fell below write_low_bytes after having been above. */
    void (*on_drain)(void *user, struct rfi_conn *conn);
    /* `reason` for the log; valid as long as `conn`. Also for a dial that never opened: then err says why (RF_ETIMEOUT, RF_ESYS,
     * RF_EPROTO …). */
    void (*on_closed)(void *user, struct rfi_conn *conn, rf_err err, const char *reason);
    /* Does everything behind the transport rest? Then a loop may look for more (poll_us) without taking the
     * processor from it. May be NULL: yes. */
    bool (*is_resting)(void *user);
    /* The thread of a loop hangs in an errand (errand.h) and lost its place: what it had borrowed, known by the
     * address of its errands, goes back. On a thread of the transport's own. May be NULL. */
    void (*on_revoked)(void *user, const void *borrower);
    /* Has a thread promised something that is not done yet? What it says true of for a second time, it takes out of
     * that thread's hands. On a thread of the transport's own. May be NULL. */
    bool (*has_promise)(void *user);
    /* An HTTP client: takes the socket, whose bytes were looked at but not read. */
    void (*on_http)(void *user, int fd, const struct sockaddr *address, socklen_t address_size);
};

RF_NODISCARD rf_err rfi_transport_new(const struct rfi_transport_options *options,
                                      const struct rfi_transport_ops *ops, void *user,
                                      struct rfi_transport **out);
/* Start the loops. Then listen: any number of times; port 0 takes a free one. `out_address` gets
 * "address:port" as bound (IPv6 in brackets), at least 80 bytes. */
RF_NODISCARD rf_err rfi_transport_start(struct rfi_transport *transport);
RF_NODISCARD rf_err rfi_transport_listen(struct rfi_transport *transport, const char *address,
                                         uint16_t port, char *out_address, size_t out_size,
                                         rf_diag *out_diag);
/* Stop accepting; existing connections go on. */
void rfi_transport_close_listeners(struct rfi_transport *transport);
/* Close all connections (WebSocket: Close frame), wait up to linger_ms for bytes to leave, join. Every
 * connection gets its on_closed. */
void rfi_transport_stop(struct rfi_transport *transport, uint32_t linger_ms);
void rfi_transport_free(struct rfi_transport *transport);
/* Any thread: ops.has_promise has something to say from now on. */
void rfi_transport_note_promise(struct rfi_transport *transport);
size_t rfi_transport_pending_count(const struct rfi_transport *transport);

/* Dial; names are resolved on a thread of their own. Any thread; never blocks. The connection is
 * returned with one reference; on_open or on_closed follows. */
RF_NODISCARD rf_err rfi_transport_dial(struct rfi_transport *transport,
                                       const struct rfi_endpoint *endpoint, void *conn_user,
                                       struct rfi_conn **out);

struct rfi_conn *rfi_conn_ref(struct rfi_conn *conn);
void rfi_conn_unref(struct rfi_conn *conn);
void rfi_conn_set_user(struct rfi_conn *conn, void *user); /* I/O thread, in a callback */
void *rfi_conn_user(const struct rfi_conn *conn);
bool rfi_conn_is_dialled(const struct rfi_conn *conn);
/* Is the other end on this machine? From on_open on. */
bool rfi_conn_is_same_host(const struct rfi_conn *conn);
enum rfi_wire rfi_conn_wire(const struct rfi_conn *conn);
const char *rfi_conn_peer(const struct rfi_conn *conn); /* "address:port", for logs */
uint64_t rfi_conn_id(const struct rfi_conn *conn);

/* The handshake is done: the connection no longer counts as pending and has no deadline. Any thread. */
void rfi_conn_approve(struct rfi_conn *conn);
/* Send one message; takes the contents of `message` (the buffer is empty afterwards). Any thread; messages of one thread
 * stay in order. Masks, frames and cuts as the wire wants. */
void rfi_conn_send(struct rfi_conn *conn, enum rfi_opcode opcode, struct rfi_buf *message);
/* Many small messages in one buffer, for connections that carry WebSocket: begin, append the text, end; and so on; then send
 * all, which takes the contents of `frames`. The thread of the caller frames and masks. To drop a text half way, cut
 * the buffer to its size before the begin. No text may be larger than RFI_FRAMES_TEXT_MAX. */
enum { RFI_FRAMES_TEXT_MAX = 16 << 20 };
size_t rfi_frames_begin(struct rfi_conn *conn, struct rfi_buf *frames);
void rfi_frames_end(const struct rfi_conn *conn, struct rfi_buf *frames, size_t begin);
void rfi_conn_send_frames(struct rfi_conn *conn, struct rfi_buf *frames);
/* The same with a tail behind `message`, which is taken too (data NULL: none). */
void rfi_conn_send_tail(struct rfi_conn *conn, enum rfi_opcode opcode, struct rfi_buf *message,
                        const struct rfi_tail *tail);
/* Bytes taken by rfi_conn_send and not yet in the kernel. Any thread. */
size_t rfi_conn_unsent(const struct rfi_conn *conn);
/* Keep what waits in the kernel short and measure how fast it goes, from now on. Any thread. */
void rfi_conn_watch_pace(struct rfi_conn *conn);
/* Any thread; nothing before rfi_conn_watch_pace. */
void rfi_conn_get_pace(const struct rfi_conn *conn, struct rfi_pace *out);
/* Stop or go on reading (the peer is held back by TCP). Any thread. */
void rfi_conn_pause(struct rfi_conn *conn, bool is_paused);
void rfi_conn_ping(struct rfi_conn *conn); /* WebSocket ping; nothing on TCP. Any thread. */
/* Flush what was sent, then close: WebSocket with a Close frame of `code` (0: without), waiting shortly
 * for the peer's. Any thread. on_closed follows with `err` and `reason`. */
void rfi_conn_close(struct rfi_conn *conn, uint16_t code, rf_err err, const char *reason);

#endif
