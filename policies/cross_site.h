/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cross_site.h: could a third party's web page have made this request, in the browser of somebody who merely
 * looked at that page? Then it says little of who sent it. A page can have any browser send simple requests
 * (the Fetch standard: GET, HEAD, POST, few headers, three content types) to any server without asking;
 * others a browser sends only after the server agreed.
 *
 *     no    another method; a content type, or a header, that a page may not set unasked (Authorization,
 * X-...); what no browser sends (a deviation); Sec-Fetch-Site: same-origin, same-site or none; an Origin or
 * Referer of this host; a client that does not claim to be a browser yes   Sec-Fetch-Site: cross-site; an
 * Origin or Referer of another host, or "null"; none of these from what claims to be a browser: browsers
 * leave them out as well (plain HTTP, a page's Referrer-Policy)
 *
 * A client that is no browser can look like one. It gains nothing by that unless somebody regular is at its
 * address (guard.h).
 */
#ifndef PICKET_CROSS_SITE_H
#define PICKET_CROSS_SITE_H

#include "lib/http_request.h"

bool cross_site_possible(const struct http_request *request);

/* Did another site's page lead here? Its Referer names a host that is neither this one (Host, or what a proxy
 * wrote to X-Forwarded-Host) nor a neighbour of it, by the last two labels; Sec-Fetch-Site, where it was
 * sent, does not say otherwise. */
bool cross_site_referred(const struct http_request *request);

#endif
