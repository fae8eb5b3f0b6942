/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warden_internal.h: the warden's own state, and what its files ask of each other. One thread, no locks.
 *
 *     warden.c          the process: start, loop, reload, end
 *     warden_protect.c  who must never be blocked, and the allow map
 *     warden_watch.c    which ports and interfaces are watched
 *     warden_answer.c   answers to the sensor
 *     warden_lists.c    block lists: their files are opened, and what stands in them is put into the maps
 *     warden_opinion.c  the process of the second opinion
 *     warden_sensor.c   the sensor process: start, restart, stop
 *     warden_sockets.c  open connections of blocked clients
 */
#ifndef PICKET_WARDEN_INTERNAL_H
#define PICKET_WARDEN_INTERNAL_H

#include <limits.h>
#include <time.h>
#include "lib/clock.h"
#include "lib/util.h"
#include "sensor/ports.h"
#include "sensor/warden.h"

#define WARDEN_EXTRA_MAX      64
#define WARDEN_SSHD_MAX       16
#define WARDEN_INTERFACES_MAX 64

/* What changes when somebody logs in. */
struct warden_logins {
	uint64_t opened; /* kernel_logins */
	struct timespec utmp, sessions;
};

struct warden {
	const char *config_file;
	const struct config_flag *flags;
	unsigned flag_count;
	struct config *config;

	struct kernel *kernel;
	struct pk_config kernel_config;
	char run_dir[PATH_MAX];
	char pins[PATH_MAX];     /* the instance's folder on the bpffs; "" = no bpffs here */
	char kill_pin[PATH_MAX]; /* in it */
	bool pin;                /* enforcement.pin, as of the start */
	char host[HOST_NAME_MAX + 1];
	int lock_fd, listen_fd, decide_fd, epoll, signals, timer;

	int socket; /* to the sensor; -1 while there is none */
	pid_t sensor;
	bool sensor_ready;
	pid_t opinion; /* process of the second opinion; 0: there is none */
	uint64_t opinion_start_ns;
	uint64_t sensor_heard_ns, sensor_start_ns, restart_at_ns;
	uint32_t restarts, starts;
	bool reloaded;   /* the next sensor starts with another configuration, since */
	uid_t reload_by; /* this user had it read again */
	uid_t uid;
	gid_t gid;

	struct limits limits;
	struct protected_set protect; /* as last collected */
	struct protect_sources sources;
	uint64_t protect_ns;
	struct protected_ranges ranges; /* of protect, as of ranges_ns: for many questions */
	uint64_t ranges_ns;
	struct warden_logins logins;         /* at that time */
	struct protected_set allowed;        /* what the allow map holds */
	struct addr extra[WARDEN_EXTRA_MAX]; /* gateway peers told by the sensor */
	unsigned extra_count;

	uint16_t sshd_ports[WARDEN_SSHD_MAX];
	unsigned sshd_count;
	struct pk_ports ports;
	uint64_t absent[PK_PORT_WORDS]; /* watched ports that the last scan did not find */
	uint64_t scan_ns, sweep_ns;
	struct {
		unsigned ifindex;
		uint64_t retry_ns;
	} failed[WARDEN_INTERFACES_MAX];
	bool receive_failed; /* the receive path program could not be attached */

	/* What was set at run time, so that a sensor which dies does not take it along. */
	uint32_t mode; /* enum config_mode; 0: the file's */
	struct warden_proxy proxies[WARDEN_PROXIES_MAX];
	uint32_t proxy_count;
	struct pk_hit_key hits_cursor;
	struct warden_block *list; /* snapshot for WARDEN_LIST */
	size_t list_count, list_size;
	uint64_t started_ns;
	bool stop, reload, failed_start, kill_id_written;
};

static inline uint64_t warden_now(void)
{
	return clock_boot_ns(&clock_system);
}

/*
 * The protected set, complete as of now: collected anew if a connection to sshd was opened, the session list
 * changed, or the tick has not for long. 0 or -errno.
 */
int warden_protect_fresh(struct warden *w);
/* Collects anew, whatever happened, and makes the allow map equal to it. */
void warden_protect_collect(struct warden *w);

/* first: the configuration's ports and this moment's listeners; else what changed since. */
void warden_watch_ports(struct warden *w, bool first);
/* The kernel half marks the port of an sshd that began to listen: its peers are login sessions from now on.
 */
void warden_watch_sshd(struct warden *w, const struct pk_ports *now);
void warden_watch_interfaces(struct warden *w);

/* Ends what target has open on the ports that its deny entry covers; *ret: how many were. 0 or -errno. */
int warden_sockets_close(struct warden *w, const struct prefix *target, uint32_t *ret);

/* Is it an address or prefix as lib/addr.h writes one? A question may hold anything. */
bool warden_target_valid(const struct prefix *p);

/* WARDEN_LIST_LOOK, WARDEN_LIST_OPEN: the result for the answer. */
int warden_list_look(const struct warden *w, uint64_t index, struct warden_reply *a);
int warden_list_open(const struct warden *w, uint64_t index, struct warden_reply *a, int *ret_fd);
/* Makes w->ranges of the protected set, as of now. 0 or -errno. */
int warden_ranges_fresh(struct warden *w);
/* WARDEN_BATCH. fd: what came with the question, or -1. */
int warden_batch_answer(struct warden *w, int fd, struct warden_reply *a);

/* The same for all whom the deny maps drop: after a list was put into force. */
int warden_sockets_close_all(struct warden *w, uint32_t *ret);

enum { WARDEN_E_NO_QUESTION = 1 };
/* Answer one question of the sensor: 0, WARDEN_E_NO_QUESTION, or -errno (it hung up). */
int warden_answer(struct warden *w);

/* WARDEN_OPINION: starts the process. *ret_fd: the sensor's end of its socket. 0 or -errno. */
int warden_opinion_start(struct warden *w, int *ret_fd);
/* Was it this child that ended? */
bool warden_opinion_ended(struct warden *w, pid_t pid, int status);

/* Its socket is readable: answer, or note that it hung up. The first question says that it is ready. */
void warden_sensor_serve(struct warden *w);
void warden_sensor_reap(struct warden *w);
/* Start it if it is due, end it if it hangs. */
void warden_sensor_check(struct warden *w, uint64_t now);
/* Ask it to end, answer it meanwhile, then insist. */
void warden_sensor_stop(struct warden *w);

#endif
