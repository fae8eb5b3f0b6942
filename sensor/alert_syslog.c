// SPDX-License-Identifier: Apache-2.0
#include "sensor/alert_syslog.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include "lib/util.h"

#define LINE_MAX_BYTES 2048 /* what loggers take of a line */

/* "Nov 30 09:05:07", in the host's time, and English whatever the locale. */
static void stamp(char *to, size_t size)
{
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	snprintf(to, size, "%s %2d %02d:%02d:%02d", months[tm.tm_mon % 12], tm.tm_mday, tm.tm_hour, tm.tm_min,
		 tm.tm_sec);
}

int alert_syslog(const char *path, int priority, struct span line)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[LINE_MAX_BYTES], when[32];

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof to.sun_path)
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path) + 1);
	stamp(when, sizeof when);
	int len = snprintf(text, sizeof text, "<%d>%s picket[%d]: %.*s", LOG_DAEMON | priority, when,
			   (int)getpid(), (int)MIN(line.len, sizeof text), line.ptr);
	ssize_t n = sendto(fd, text, MIN((size_t)len, sizeof text - 1), MSG_NOSIGNAL | MSG_DONTWAIT,
			   (struct sockaddr *)&to, sizeof to);
	return n < 0 ? -errno : 0;
}
