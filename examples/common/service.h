/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h: what both examples need of an HTTP service and is not their subject: where to listen, collecting
 * a request's body up to a ceiling, answering, running until told to stop. Over libmicrohttpd, one thread
 * with epoll, so that handlers never run side by side and need no locks.
 */
#ifndef EXAMPLES_SERVICE_H
#define EXAMPLES_SERVICE_H

#include <stddef.h>
#include <microhttpd.h>

struct service_request {
	struct MHD_Connection *connection;
	const char *method;
	const char *path; /* without the query */
	unsigned held_ms; /* since it was first shown to the handler */
	const char *body; /* body_len bytes and a zero */
	size_t body_len;
};

/* Called once a request is whole. It answers exactly once through service_reply, or has it wait by
 * service_hold. */
typedef enum MHD_Result (*service_handler)(void *arg, const struct service_request *request);

/*
 * Listens on "ADDR:PORT" or "[IPV6]:PORT" (port 0: a free one), prints "listening on ADDR:PORT", serves until
 * SIGTERM or SIGINT. Bodies beyond body_max are answered 413 and never reach the handler. Returns the exit
 * status.
 */
int service_run(const char *listen, size_t body_max, service_handler handler, void *arg);

/* The parts of it, for who serves otherwise. 0 (a descriptor that does not block), or the exit status. */
int service_listen(const char *listen, int *ret_fd);
void service_announce(int fd); /* prints "listening on ADDR:PORT" */

/* header may be NULL, else "Name: value", several divided by "\n". json is copied. */
enum MHD_Result service_reply(const struct service_request *request, unsigned status, const char *header,
			      const char *json, size_t len);
/* The handler gets it again a little later, with more held_ms. Others are served meanwhile. */
enum MHD_Result service_hold(const struct service_request *request);
/* {"error":"..."}; message: plain ASCII of ours. */
enum MHD_Result service_error(const struct service_request *request, unsigned status, const char *header,
			      const char *message);
const char *service_header(const struct service_request *request, const char *name); /* or NULL */

#endif
