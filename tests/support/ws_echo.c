/* SPDX-License-Identifier: MIT */
/* A program that sends every message back, for outside tests of the transport:
 *
 *   ws_echo PORT [message_bytes_max [handshake_timeout_ms]]
 *           listens on 127.0.0.1 and prints "ready PORT"
 *   ws_echo --dial PORT
 *           dials ws://127.0.0.1:PORT/ and prints "ready 0"
 *
 * Both wires are served on the port. A connection that says nothing is closed after the deadline;
 * the first message approves it. Ends on SIGTERM or SIGINT, when its parent ends, and (--dial) when
 * the connection ends, whose reason it prints. */
#include "net/transport.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void on_open(void *user, struct rfi_conn *conn)
{
    (void)user;
    if (rfi_conn_is_dialled(conn))
        rfi_conn_approve(conn);
}

static void on_run(void *user, struct rfi_conn *conn, struct rfi_run *run)
{
    (void)user;
    rfi_conn_approve(conn);
    for (size_t i = 0; i < run->frame_count; i++) {
        struct rfi_buf copy;
        rfi_buf_init(&copy);
        rfi_buf_append(&copy, run->bytes + run->frames[i].offset, run->frames[i].size);
        rfi_conn_send(conn, run->frames[i].opcode == RFI_TEXT ? RFI_TEXT : RFI_BINARY, &copy);
    }
    /* Back pressure: what we cannot get rid of we do not read. */
    if (rfi_conn_unsent(conn) > 8U << 20)
        rfi_conn_pause(conn, true);
    rfi_run_free(run);
}

static void on_drain(void *user, struct rfi_conn *conn)
{
    (void)user;
    rfi_conn_pause(conn, false);
}

static void on_closed(void *user, struct rfi_conn *conn, rf_err err, const char *reason)
{
    (void)user;
    if (!rfi_conn_is_dialled(conn))
        return;
    printf("closed %s %s\n", rf_err_name(err), reason);
    (void)fflush(stdout);
    (void)kill(getpid(), SIGTERM);
}

int main(int argc, char **argv)
{
    static const struct rfi_transport_ops ops = {
        .on_open = on_open, .on_run = on_run, .on_drain = on_drain, .on_closed = on_closed};
    struct rfi_transport_options options = {.io_threads = 2, .message_bytes_max = 16 << 20};
    struct rfi_transport *transport = NULL;
    struct rfi_conn *conn = NULL;
    char address[80];
    rf_diag diag = {.text = ""};
    bool is_dialling = argc == 3 && strcmp(argv[1], "--dial") == 0;
    if (argc < 2) {
        fprintf(stderr, "usage: ws_echo PORT [message_bytes_max [handshake_timeout_ms]] | "
                        "ws_echo --dial PORT\n");
        return 2;
    }
    if (!is_dialling && argc > 2)
        options.message_bytes_max = (uint32_t)strtoul(argv[2], NULL, 10);
    if (!is_dialling && argc > 3)
        options.handshake_timeout_ms = (uint32_t)strtoul(argv[3], NULL, 10);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    rf_err err = rfi_transport_new(&options, &ops, NULL, &transport);
    if (err == RF_OK)
        err = rfi_transport_start(transport);
    if (err == RF_OK && is_dialling) {
        struct rfi_endpoint endpoint = {
            .wire = RFI_WIRE_WEBSOCKET, .host = "127.0.0.1", .path = "/"};
        endpoint.port = (uint16_t)strtoul(argv[2], NULL, 10);
        err = rfi_transport_dial(transport, &endpoint, NULL, &conn);
    } else if (err == RF_OK) {
        err = rfi_transport_listen(transport, "127.0.0.1", (uint16_t)strtoul(argv[1], NULL, 10),
                                   address, sizeof address, &diag);
    }
    if (err == RF_OK) {
        int signal_number = 0;
        printf("ready %s\n", is_dialling ? "0" : strrchr(address, ':') + 1);
        (void)fflush(stdout);
        (void)sigwait(&signals, &signal_number);
        rfi_transport_stop(transport, 500);
    } else {
        fprintf(stderr, "ws_echo: %s %s\n", rf_err_text(err), diag.text);
    }
    rfi_conn_unref(conn);
    rfi_transport_free(transport);
    return err == RF_OK ? 0 : 1;
}
