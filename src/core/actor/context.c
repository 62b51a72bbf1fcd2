/* SPDX-License-Identifier: MIT */
/* The small functions that a component calls from inside its callbacks.
 *
 * A context belongs to the worker; what it points to belongs to the actor that the worker runs now. No
 * function here blocks, but for the reading of configuration values, which may allocate.
 *
 * Emitting is in emit.c, timers are in supervise.c, rf_send_to is in flow/send.c because it needs the
 * directory. */
#include "core/actor/actor.h"

#include <stdarg.h>
#include <stdio.h>

bool rf_is_pressed(const rf_context *ctx)
{
    enum {
        LOOK_EVERY = 16
    }; /* other producers may fill a target too, but a push of ours looks at it anyway */
    if (ctx->pressed != NULL)
        return true;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): a context is never const, the public word for it is */
    uint32_t *looks = (uint32_t *)(uintptr_t)&ctx->looks;
    return (*looks)++ % LOOK_EVERY == 0 && rfi_actor_find_pressed(ctx->actor) != NULL;
}

void rf_resume(rf_context *ctx)
{
    ctx->actor->wants_resume = true;
}

rf_err rf_answer(rf_context *ctx, rf_message *msg)
{
    if (msg == NULL)
        return RF_ENOMEM;
    rf_reply *reply = rf_take_reply(ctx);
    if (reply == NULL) {
        rf_message_unref(msg);
        return RF_ESTATE;
    }
    rf_reply_send(reply, msg);
    return RF_OK;
}

rf_reply *rf_take_reply(rf_context *ctx)
{
    rf_reply *reply = ctx->reply;
    ctx->reply = NULL;
    rf_message_unref(ctx->first_emitted);
    ctx->first_emitted = NULL;
    return reply;
}

rf_err rf_fail(rf_context *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(ctx->fail_text, sizeof ctx->fail_text, format, args); /* a long text is cut */
    va_end(args);
    ctx->has_fail_text = true;
    return RF_EACTOR;
}

const char *rf_context_id(const rf_context *ctx)
{
    return rfi_actor_id(ctx->actor);
}

const char *rf_context_component(const rf_context *ctx)
{
    return ctx->actor->component->name;
}

void *rf_context_user(const rf_context *ctx)
{
    return ctx->actor->component->user;
}
