/* SPDX-License-Identifier: MIT */
/* What concerns several keys, or the meaning of one beyond its type and range: names, words, URLs and
 * limits that must agree with each other. Each rule names the keys and the way out. Types and ranges
 * were checked when the values came in (config_value.c). Reads only; any one thread. */
#include "config_internal.h"

#include "core/base/diag.h"
#include "net/endpoint.h"

#include <reflow/log.h>

#include <string.h>
#include <strings.h>

static rf_err check_names(const rf_config *config, rf_diag *diag)
{
    static const char rule[] = "1 to 128 of the characters A-Z a-z 0-9 . _ : / -, not first a dot";
    if (!rfi_name_is_valid(config->network_id, strlen(config->network_id)))
        return rfi_diag_set(diag, RF_EINVAL, "network_id \"%.100s\" is no name: %s",
                            config->network_id, rule);
    if (config->instance_id[0] != '\0' &&
        !rfi_name_is_valid(config->instance_id, strlen(config->instance_id)))
        return rfi_diag_set(diag, RF_EINVAL, "instance_id \"%.100s\" is no name: %s",
                            config->instance_id, rule);
    return RF_OK;
}

static rf_err check_words(const rf_config *config, rf_diag *diag)
{
    if (strcmp(config->transport, "ws") != 0 && strcmp(config->transport, "tcp") != 0)
        return rfi_diag_set(diag, RF_EINVAL, "transport must be ws or tcp, not \"%.40s\"",
                            config->transport);
    if (strcmp(config->wire, "auto") != 0 && strcmp(config->wire, "json") != 0)
        return rfi_diag_set(diag, RF_EINVAL, "wire must be auto or json, not \"%.40s\"",
                            config->wire);
    if (strcmp(config->wire, "json") == 0 && strcmp(config->transport, "tcp") == 0)
        return rfi_diag_set(diag, RF_EINVAL, "wire json goes over transport ws only");
    if (strcmp(config->delivery, "reliable") != 0 && strcmp(config->delivery, "fast") != 0)
        return rfi_diag_set(diag, RF_EINVAL, "delivery must be reliable or fast, not \"%.40s\"",
                            config->delivery);
    if (strcmp(config->delivery, "fast") == 0 && strcmp(config->wire, "json") == 0)
        return rfi_diag_set(diag, RF_EINVAL, "delivery fast goes over wire auto only");
    if (strcmp(config->compression, "auto") != 0 && strcmp(config->compression, "on") != 0 &&
        strcmp(config->compression, "off") != 0)
        return rfi_diag_set(diag, RF_EINVAL, "compression must be auto, on or off, not \"%.40s\"",
                            config->compression);
    rf_log_level level;
    if (rf_log_level_parse(config->log_level, &level) != RF_OK)
        return rfi_diag_set(diag, RF_EINVAL,
                            "log_level must be error, warn, info, debug or trace, not \"%.40s\"",
                            config->log_level);
    if (strcmp(config->log_format, "text") != 0 && strcmp(config->log_format, "json") != 0)
        return rfi_diag_set(diag, RF_EINVAL, "log_format must be text or json, not \"%.40s\"",
                            config->log_format);
    return RF_OK;
}

/* Printable ASCII without blanks. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return false;
    return true;
}

static bool is_http_url(const char *url)
{
    size_t scheme = strncasecmp(url, "http://", 7) == 0    ? 7
                    : strncasecmp(url, "https://", 8) == 0 ? 8
                                                           : 0;
    const char *host = url + scheme;
    return scheme > 0 && *host != '\0' && strchr("/:?#@", *host) == NULL && is_plain(url);
}

static rf_err check_addresses(const rf_config *config, rf_diag *diag)
{
    for (size_t i = 0; i < config->discovery_endpoints.count; i++) {
        const char *url = config->discovery_endpoints.items[i];
        if (!is_http_url(url))
            return rfi_diag_set(diag, RF_EINVAL,
                                "discovery_endpoints: \"%.200s\" is no URL, write "
                                "http://host:port or https://host:port",
                                url);
    }
    for (size_t i = 0; i < config->connect.count; i++) {
        struct rfi_endpoint endpoint;
        rf_diag inner;
        if (rfi_endpoint_parse(config->connect.items[i], RFI_WIRE_WEBSOCKET, &endpoint, &inner) !=
            RF_OK)
            return rfi_diag_set(diag, RF_EINVAL, "connect: %s", inner.text);
    }
    if (!is_plain(config->bind_address) || strstr(config->bind_address, "//") != NULL)
        return rfi_diag_set(diag, RF_EINVAL,
                            "bind_address must be an address such as 127.0.0.1, not \"%.100s\"",
                            config->bind_address);
    if (!is_plain(config->advertise_address) || strchr(config->advertise_address, '/') != NULL)
        return rfi_diag_set(diag, RF_EINVAL,
                            "advertise_address must be host or host:port, not \"%.100s\"",
                            config->advertise_address);
    return RF_OK;
}

static rf_err check_limits(const rf_config *config, rf_diag *diag)
{
    if (config->reconnect_min_ms > config->reconnect_max_ms)
        return rfi_diag_set(diag, RF_EINVAL,
                            "reconnect_min_ms (%u) is over reconnect_max_ms (%u): raise the latter",
                            config->reconnect_min_ms, config->reconnect_max_ms);
    if (config->batch_bytes_max > config->websocket_frame_bytes_max)
        return rfi_diag_set(diag, RF_EINVAL,
                            "batch_bytes_max (%u) is over websocket_frame_bytes_max (%u): lower "
                            "the former",
                            config->batch_bytes_max, config->websocket_frame_bytes_max);
    return RF_OK;
}

rf_err rf_config_check(const rf_config *config, rf_diag *out_diag)
{
    if (!is_plain(config->admin_token))
        return rfi_diag_set(out_diag, RF_EINVAL,
                            "admin_token must be printable ASCII without blanks, as it goes into "
                            "an HTTP header");
    rf_err err = check_names(config, out_diag);
    if (err == RF_OK)
        err = check_words(config, out_diag);
    if (err == RF_OK)
        err = check_addresses(config, out_diag);
    if (err == RF_OK)
        err = check_limits(config, out_diag);
    return err;
}
