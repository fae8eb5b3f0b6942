// SPDX-License-Identifier: Apache-2.0
/* The sensor process, as its parent sees it. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "sensor/notify.h"
#include "sensor/sandbox.h"
#include "sensor/sensor.h"
#include "sensor/warden_internal.h"

#define HUNG_NS (10 * NS_PER_S)
#define STOP_MS 3000

static int sensor_spawn(struct warden *w)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid_t parent = getpid();
	int r = sandbox_warden_raise(true);
	if (r)
		log_warning("the sensor will keep this user", LOG_ERRNO(r));
	pid_t pid = fork();
	if (pid == 0) {
		struct sensor_start start = {
			.config = w->config,
			.kernel = w->kernel,
			.warden_socket = pair[1],
			.listen_socket = w->listen_fd,
			.decide_socket = w->decide_fd,
			.parent = parent,
			.uid = w->uid,
			.gid = w->gid,
			.host = w->host,
			.why = w->reloaded ? "reload"
			       : w->starts ? "restart"
					   : "start",
			.reload_by = w->reloaded ? w->reload_by : (uid_t)-1,
		};
		close(pair[0]);
		_exit(sensor_main(&start));
	}
	sandbox_warden_raise(false);
	close(pair[1]);
	if (pid < 0) {
		r = -errno;
		close(pair[0]);
		return r;
	}
	w->sensor = pid;
	w->starts++;
	w->reloaded = false;
	w->socket = pair[0];
	w->sensor_start_ns = w->sensor_heard_ns = warden_now();
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = w->socket};
	epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->socket, &ev);
	w->kernel_config.own_tgid = (uint32_t)pid;
	return kernel_config_set(w->kernel, &w->kernel_config);
}

static void sensor_gone(struct warden *w)
{
	if (w->socket < 0)
		return;
	close(w->socket);
	w->socket = -1;
}

void warden_sensor_serve(struct warden *w)
{
	int r = warden_answer(w);

	if (r < 0)
		sensor_gone(w);
	if (r)
		return;
	w->sensor_heard_ns = warden_now();
	if (w->sensor_ready)
		return;
	w->sensor_ready = true;
	notify_send("READY=1");
	log_info("ready", LOG_S("control", w->config->control),
		 LOG_S("mode", config_mode_name(w->config->mode)),
		 LOG_S("capture", kernel_uses_perf(w->kernel) ? "perf" : "ring"));
}

/* The warden has no CAP_KILL; it may signal a process of the user it becomes for a moment. */
static void sensor_signal(struct warden *w, int signal)
{
	if (w->sensor <= 0)
		return;
	if (kill(w->sensor, signal) && errno == EPERM && sandbox_warden_raise(true) == 0) {
		if (seteuid(w->uid) == 0) {
			kill(w->sensor, signal);
			if (seteuid(0))
				log_error("cannot become root again", LOG_ERRNO(-errno));
		}
		sandbox_warden_raise(false);
	}
}

void warden_sensor_reap(struct warden *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (warden_opinion_ended(w, pid, status) || pid != w->sensor)
			continue;
		w->sensor = 0;
		sensor_gone(w);
		if (w->stop)
			continue;
		uint64_t now = warden_now();
		/* One that never came up would not the next time either. */
		if (!w->sensor_ready && !w->reload && w->starts == 1) {
			log_error("the sensor could not start");
			w->stop = w->failed_start = true;
			continue;
		}
		if (!w->reload) {
			w->restarts++;
			log_error("the sensor ended; starting it again",
				  LOG_I("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
				  LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
		}
		/* One that dies at once would otherwise spin. */
		w->restart_at_ns = now - w->sensor_start_ns > 2 * NS_PER_S ? now : now + NS_PER_S;
		if (w->reload)
			w->restart_at_ns = now;
		w->reload = false;
	}
}

void warden_sensor_check(struct warden *w, uint64_t now)
{
	if (w->sensor == 0 && !w->stop && now >= w->restart_at_ns) {
		int r = sensor_spawn(w);
		if (r) {
			log_error("the sensor could not be started", LOG_ERRNO(r));
			w->restart_at_ns = now + NS_PER_S;
		}
	} else if (w->sensor > 0 && now - w->sensor_heard_ns > HUNG_NS) {
		log_error("the sensor does not answer; ending it", LOG_I("pid", w->sensor));
		sensor_signal(w, SIGKILL);
		w->sensor_heard_ns = now;
	}
}

/* Ask the sensor to end, go on answering while it flushes what it holds, then insist. */
void warden_sensor_stop(struct warden *w)
{
	uint64_t until = warden_now() + STOP_MS * NS_PER_MS;

	sensor_signal(w, SIGTERM);
	while (w->sensor > 0 && warden_now() < until) {
		struct epoll_event ev[8];
		int n = epoll_wait(w->epoll, ev, ARRAY_SIZE(ev), 50);
		for (int i = 0; i < n; i++)
			if (ev[i].data.fd == w->socket && w->socket >= 0)
				warden_sensor_serve(w);
		warden_sensor_reap(w);
	}
	if (w->sensor > 0) {
		sensor_signal(w, SIGKILL);
		waitpid(w->sensor, NULL, 0);
		w->sensor = 0;
	}
	sensor_gone(w);
}
