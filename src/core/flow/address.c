/* SPDX-License-Identifier: MIT */
/* Addresses: a mailbox and a port of it in one word, with a reference to the mailbox.
 *
 *   [ 19 bits port | 45 bits address of the mailbox, divided by 8 ]
 *
 * Whoever has one keeps the mailbox, so sending is a push and nothing else. The owner of the reference is the user's
 * business; a network that is freed before says so in the log. */
#include <reflow/address.h>

#include "core/base/diag.h"
#include "core/flow/network_internal.h"

enum { PORT_SHIFT = 45, PORTS_MAX = 1 << 19 };
#define BOX_BITS ((UINT64_C(1) << PORT_SHIFT) - 1)

static struct rfi_mailbox *box_of(rf_address address)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): addresses of user space have 48 bits at most, mailboxes are aligned */
    return (struct rfi_mailbox *)(uintptr_t)((address.bits & BOX_BITS) << 3);
}

/* Takes the place's reference. */
static rf_address pack(struct rfi_place place)
{
    return (rf_address){(uint64_t)place.port << PORT_SHIFT | (uint64_t)(uintptr_t)place.box >> 3};
}

rf_err rf_address_find(rf_network *net, const char *actor, const char *port, rf_address *out)
{
    struct rfi_place place;
    rf_err err = rfi_place_find(net, actor, port, &place);
    if (err != RF_OK)
        return err;
    if (place.port >=
        PORTS_MAX) { /* of a node of another network, to whose ports nothing sets a limit */
        rfi_mailbox_unref(place.box);
        return RF_ELIMIT;
    }
    *out = pack(place);
    return RF_OK;
}

rf_err rf_network_spawn(rf_network *net, const char *id, const char *component,
                        const char *metadata_json, const char *port, rf_address *out,
                        rf_diag *out_diag)
{
    struct rfi_added added = {.port = port};
    if (port == NULL)
        return rfi_diag_set(out_diag, RF_ENOPORT, "node \"%s\": no in-port is named",
                            id == NULL ? "" : id);
    rf_err err = rfi_network_add(net, id, component, metadata_json, &added, out_diag);
    if (err == RF_OK)
        *out = pack(added.place); /* one of its component's few ports, or the first of a proxy */
    return err;
}

rf_address rf_address_ref(rf_address address)
{
    rfi_mailbox_ref(box_of(address));
    return address;
}

void rf_address_unref(rf_address address)
{
    rfi_mailbox_unref(box_of(address));
}

rf_err rf_address_send(rf_address address, rf_message *msg)
{
    if (msg == NULL)
        return RF_ENOMEM;
    rfi_emit_flush(); /* a callback's message comes after what it emitted before */
    return rfi_place_push(box_of(address), (uint32_t)(address.bits >> PORT_SHIFT), msg, NULL, NULL,
                          true);
}

rf_err rf_address_request(rf_address address, rf_message *msg, uint64_t timeout_ms,
                          rf_reply_fn on_reply, void *user)
{
    struct rfi_mailbox *box = box_of(address);
    if (msg == NULL)
        return RF_ENOMEM;
    rf_reply *reply = rfi_reply_make(rfi_place_timers(box), on_reply, user);
    if (reply == NULL)
        return RF_ENOMEM;
    rfi_reply_ref(reply); /* ours, while the other may be used up already */
    rfi_emit_flush();
    rf_err err =
        rfi_place_push(box, (uint32_t)(address.bits >> PORT_SHIFT), msg, NULL, reply, true);
    return rfi_request_sent(reply, err, timeout_ms);
}
