// SPDX-License-Identifier: Apache-2.0
#include "nginx_oracle.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/util.h"

#define PORT       8080
#define PATIENCE_S 10

struct nginx {
	char folder[64];
	pid_t pid;
	FILE *log;
	uint32_t next; /* the next input's address is 127.0.0.0 + next */
};

static const char conf[] =
	"daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log crit;\n"
	"events { worker_connections 4096; }\n"
	"http {\n"
	"  log_format d '$remote_addr $status $request';\n"
	"  access_log access.log d;\n"
	"  lingering_close off; keepalive_requests 1000000; keepalive_timeout 20s; client_max_body_size 0;\n"
	"  client_header_buffer_size 64k; large_client_header_buffers 4 64k;\n"
	"  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; "
	"scgi_temp_path s;\n"
	"  server { listen 127.0.0.1:8080 backlog=4096; location / { return 200 ok; } }\n"
	"}\n";

static int write_file(const char *folder, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	_cleanup_fclose_ FILE *f = fopen(path, "w");
	return f && fputs(text, f) >= 0 ? 0 : -errno;
}

static int loopback_up(void)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int k = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return k;
}

static struct sockaddr_in server_address(void)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int connect_from(uint32_t host)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)},
			   to = server_address();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) ||
	    connect(fd, (struct sockaddr *)&to, sizeof to)) {
		int e = errno;
		close(fd);
		return -e;
	}
	return fd;
}

static int start(struct nginx *n)
{
	n->pid = fork();
	if (n->pid < 0)
		return -errno;
	if (n->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("nginx", "nginx", "-p", n->folder, "-c", "nginx.conf", "-e", "error.log",
		       (char *)NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < 100 * PATIENCE_S; i++) {
		int fd = connect_from(INADDR_LOOPBACK);
		if (fd >= 0) {
			close(fd);
			return 0;
		}
		if (waitpid(n->pid, NULL, WNOHANG) == n->pid) {
			n->pid = 0;
			return -ECHILD;
		}
		usleep(10000);
	}
	return -ETIMEDOUT;
}

int nginx_new(struct nginx **ret, const char **ret_why)
{
	struct nginx *n = calloc(1, sizeof *n);
	char path[128];

	if (!n)
		return -ENOMEM;
	*ret_why = "needs root";
	if (geteuid())
		goto skip;
	*ret_why = "nginx is not installed";
	if (system("command -v nginx >/dev/null 2>&1"))
		goto skip;
	*ret_why = "a network namespace cannot be made";
	if (unshare(CLONE_NEWNET) || loopback_up())
		goto skip;
	snprintf(n->folder, sizeof n->folder, "%s/picket-nginx.XXXXXX", "/tmp");
	if (!mkdtemp(n->folder)) {
		n->folder[0] = 0;
		goto fail;
	}
	if (chmod(n->folder, 0755) || write_file(n->folder, "nginx.conf", conf) || start(n))
		goto fail;
	snprintf(path, sizeof path, "%s/access.log", n->folder);
	n->log = fopen(path, "r");
	if (!n->log)
		goto fail;
	n->next = 256;
	*ret = n;
	return 0;
fail:
	nginx_free(n);
	return -EIO;
skip:
	free(n);
	return 1;
}

void nginx_free(struct nginx *n)
{
	static const char *const files[] = {"nginx.conf", "nginx.pid", "access.log", "error.log"};
	static const char *const folders[] = {"b", "p", "f", "u", "s"};
	char path[128];

	if (!n)
		return;
	if (n->pid > 0) {
		kill(n->pid, SIGKILL);
		waitpid(n->pid, NULL, 0);
	}
	if (n->log)
		fclose(n->log);
	for (size_t i = 0; n->folder[0] && i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof path, "%s/%s", n->folder, files[i]);
		unlink(path);
	}
	for (size_t i = 0; n->folder[0] && i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof path, "%s/%s", n->folder, folders[i]);
		rmdir(path);
	}
	if (n->folder[0])
		rmdir(n->folder);
	free(n);
}

/* --- one batch --- */

/* What came back: how many status lines, and did the last answer's head say "close"? */
static void read_wire(struct nginx_answers *a, struct span wire)
{
	static const char status[] = "HTTP/1.1 ";
	const char *at = wire.ptr, *end = wire.ptr + wire.len, *next, *head;

	while (at && at < end && (next = memmem(at, (size_t)(end - at), status, 9))) {
		a->on_wire += memcmp(next + 9, "100", MIN((size_t)(end - next - 9), (size_t)3)) != 0;
		head = memmem(next, (size_t)(end - next), "\r\n\r\n", 4);
		a->closes = memmem(next, (size_t)((head ? head + 2 : end) - next),
				   "\r\nConnection: close\r\n", 21) != NULL;
		at = head;
	}
}

static int value_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Log escaping (\xHH) undone. */
static void unescape(struct nginx_answer *a, const char *text)
{
	for (; *text && *text != '\n' && a->line_len < sizeof a->line; text++) {
		if (text[0] == '\\' && text[1] == 'x' && value_of(text[2]) >= 0 && value_of(text[3]) >= 0) {
			a->line[a->line_len++] = (char)(value_of(text[2]) << 4 | value_of(text[3]));
			text += 3;
		} else {
			a->line[a->line_len++] = *text;
		}
	}
}

static void read_log(struct nginx *n, uint32_t first, struct nginx_answers *ret, unsigned count)
{
	static char line[65536 * 5];
	struct in_addr addr;
	int status, at;
	char from[32];

	clearerr(n->log);
	while (fgets(line, sizeof line, n->log)) {
		at = 0;
		if (sscanf(line, "%31s %d %n", from, &status, &at) < 2 || !at || !inet_aton(from, &addr))
			continue;
		uint32_t i = ntohl(addr.s_addr) - first;
		if (i >= count || ret[i].count >= NGINX_ANSWERS_MAX)
			continue;
		struct nginx_answer *a = &ret[i].list[ret[i].count++];
		a->status = status;
		a->line_len = 0;
		unescape(a, line + at);
	}
}

static int send_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t k = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		if (k < 0)
			return errno == EPIPE || errno == ECONNRESET ? 0 : -errno;
		bytes.ptr += k;
		bytes.len -= (size_t)k;
	}
	return shutdown(fd, SHUT_WR) && errno != ENOTCONN ? -errno : 0;
}

/* Until the server closes. */
static int receive_all(int fd, struct nginx_answers *a)
{
	char bytes[8192];
	struct buffer wire = BUFFER_INIT(1 << 20);
	struct timeval patience = {.tv_sec = PATIENCE_S};
	ssize_t k;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	while ((k = recv(fd, bytes, sizeof bytes, 0)) > 0)
		buffer_append(&wire, bytes, (size_t)k);
	int r = k < 0 && errno != ECONNRESET ? -errno : 0;
	read_wire(a, buffer_span(&wire));
	buffer_free(&wire);
	return r;
}

int nginx_ask(struct nginx *n, const struct span *inputs, struct nginx_answers *ret, unsigned count)
{
	uint32_t first = 0x7f000000 + n->next;
	int fds[256], r = 0;

	if (count > ARRAY_SIZE(fds))
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		ret[i].count = ret[i].on_wire = 0;
		ret[i].closes = false;
		fds[i] = r ? -1 : connect_from(first + i);
		if (!r && fds[i] < 0)
			r = fds[i];
		if (!r)
			r = send_all(fds[i], inputs[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		int k = receive_all(fds[i], &ret[i]);
		r = r ? r : k;
		close(fds[i]);
	}
	n->next += count;
	if (n->next > 0xfff000)
		n->next = 256;
	read_log(n, first, ret, count);
	return r;
}
