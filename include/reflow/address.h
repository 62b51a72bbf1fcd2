/* SPDX-License-Identifier: MIT */
/** @file address.h  Where a node's in-port is: a name that was looked up once. */
#ifndef REFLOW_ADDRESS_H
#define REFLOW_ADDRESS_H

#include <reflow/network.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An in-port of a node, to send to without its name. A value of eight bytes that stands for one reference: who copies
 *  it for another owner calls rf_address_ref, and each is given back once, with rf_address_unref, before the network is
 *  freed. It keeps the memory of its node, not the node: when that is removed, or the network stops, sending answers
 *  RF_ECLOSED, also when another node of the name is added. {0} is no address. */
typedef struct rf_address {
    uint64_t bits;
} rf_address;

/** Look a node's in-port up. A node that stands for an actor of another network has an address like any other; an
 *  actor of another network without a node has none.
 *
 *  Thread:  any.            Blocks: shortly, for nodes of other networks; else never.
 *  Owns:    returns owned in `out`.
 *  Errors:  RF_ENOACTOR, RF_ENOPORT, RF_ENOMEM; RF_ELIMIT: the port is beyond the 524,288th.
 */
RF_API RF_NODISCARD rf_err rf_address_find(rf_network *net, const char *actor, const char *port,
                                           rf_address *out);

/** Add a node and give the address of its in-port `port`: rf_network_add_node and rf_address_find in one. With `id` NULL the
 *  network makes up an id, "#" and a number, that no other node has, had or will have; such a node is not seen from
 *  other networks. For many nodes whose names nobody asks for that is the quickest way.
 *
 *  Thread:  any.            Blocks: shortly.
 *  Owns:    borrows all; returns owned in `out`.
 *  Errors:  as these two; no node is added then. `out_diag` may be NULL.
 */
RF_API RF_NODISCARD rf_err rf_network_spawn(rf_network *net, const char *id, const char *component,
                                            const char *metadata_json, const char *port,
                                            rf_address *out, rf_diag *out_diag);

/** One reference more.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `address`; returns owned.
 *  Errors:  none.
 */
RF_API rf_address rf_address_ref(rf_address address);

/** Give an address back. {0} is allowed.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    takes `address`.
 *  Errors:  none.
 */
RF_API void rf_address_unref(rf_address address);

/** Send a message: rf_network_send without the look-up.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `address`; takes `msg` on RF_OK; on any error the caller still owns it.
 *  Errors:  RF_EFULL (mailbox at its limit), RF_ECLOSED, RF_ENOMEM.
 */
RF_API RF_NODISCARD rf_err rf_address_send(rf_address address, rf_message *msg);

/** Send a message and get one answer or an error before the deadline: rf_network_request without the look-up.
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    borrows `address`; takes `msg` on RF_OK; then `on_reply` comes exactly once. `user` is borrowed until then.
 *  Errors:  as rf_address_send; the callback's as of rf_network_request.
 */
RF_API RF_NODISCARD rf_err rf_address_request(rf_address address, rf_message *msg,
                                              uint64_t timeout_ms, rf_reply_fn on_reply,
                                              void *user);

#ifdef __cplusplus
}
#endif
#endif
