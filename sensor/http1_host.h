/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_host.h: Host and the authority of an absolute target: are they a host and a port (RFC 3986
 * section 3.2), and the same one (RFC 9112 section 3.2)? Proxies and servers that choose by different ones
 * can be played off against each other.
 */
#ifndef PICKET_HTTP1_HOST_H
#define PICKET_HTTP1_HOST_H

#include "lib/http_request.h"

/* HTTP_DEV_BAD_HOST, HTTP_DEV_HOST_MISMATCH, or 0. */
uint32_t http1_host_deviations(const struct http_request *r);
/* http.anomaly.name where Host names another port than the connection's: ordinary behind address translation.
 */
#define HTTP1_PORT_MISMATCH "http_request_server_port_tcp_port_mismatch"
/* The port that Host names; -1: none, or none that can be read. */
int http1_host_port(const struct http_request *r);

#endif
