// SPDX-License-Identifier: Apache-2.0
#include "sensor/metrics_point.h"
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/log.h"

static int listen_at(uint16_t port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof address) || listen(fd, METRICS_CONNECTIONS))
		r = -errno;
	if (r)
		close(fd);
	return r ? r : fd;
}

int metrics_point_start(const struct control_parts *parts, struct api **ret)
{
	uint32_t port = parts->config->metrics_port;
	struct api *api = NULL;
	int r;

	*ret = NULL;
	if (!port)
		return 0;
	int fd = listen_at((uint16_t)port);
	if (fd < 0) {
		log_warning("metrics are not served: metrics.port may be in use", LOG_I("port", port),
			    LOG_ERRNO(fd));
		return 0; /* for want of a number nobody goes without protection */
	}
	r = api_new(&api);
	if (!r)
		r = control_register_metrics_point(api, parts);
	if (r)
		close(fd);
	else
		r = api_start(api, fd, METRICS_CONNECTIONS);
	if (r) {
		api_free(api);
		return r;
	}
	*ret = api;
	return 0;
}
