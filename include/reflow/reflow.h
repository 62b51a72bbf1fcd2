/* SPDX-License-Identifier: MIT */
/** @file reflow.h  All of the public API. */
#ifndef REFLOW_H
#define REFLOW_H

#include <reflow/actor.h>
#include <reflow/address.h>
#include <reflow/config.h>
#include <reflow/distributed.h>
#include <reflow/error.h>
#include <reflow/graph.h>
#include <reflow/log.h>
#include <reflow/message.h>
#include <reflow/network.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the library, such as "0.1.0".
 *
 *  Thread:  any.            Blocks: never.
 *  Owns:    returns borrowed for ever.
 *  Errors:  none.
 */
RF_API const char *rf_version(void);

#ifdef __cplusplus
}
#endif
#endif
