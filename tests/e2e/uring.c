// SPDX-License-Identifier: Apache-2.0
/*
 * uring.c: a server that takes requests of known length from its sockets by io_uring, each of its ways to
 * receive at a port and in a thread of its own, one connection after the other. The client is readers.py.
 *
 *     uring PORT SIZE    prints "WAY PORT PID" for each way that this kernel has, "WAY - reason" for the
 * others
 *
 * Raw system calls: what liburing would add is not needed, and so nothing has to be installed.
 * Exit 77: the kernel has no io_uring, or refuses it.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ENTRIES 8
#define BUFFERS 8 /* a power of two */
#define ROOM    4096
#define ANSWER  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct way {
	const char *name;
	uint8_t opcode;
	uint8_t sqe_flags;
	uint16_t ioprio;
	unsigned setup_flags;
};

static const struct way ways[] = {
	{"uring-recv", IORING_OP_RECV, 0, 0, 0},
	{"uring-recvmsg", IORING_OP_RECVMSG, 0, 0, 0},
	{"uring-read", IORING_OP_READ, 0, 0, 0},
	{"uring-readv", IORING_OP_READV, 0, 0, 0},
	{"uring-fixed", IORING_OP_READ_FIXED, 0, 0, 0},              /* a registered buffer */
	{"uring-worker", IORING_OP_RECV, IOSQE_ASYNC, 0, 0},         /* in a worker thread of the kernel */
	{"uring-polled", IORING_OP_RECV, 0, 0, IORING_SETUP_SQPOLL}, /* in the thread that polls the queue */
	{"uring-provided", IORING_OP_RECV, IOSQE_BUFFER_SELECT, 0, 0}, /* a buffer that the kernel chooses */
	{"uring-multishot", IORING_OP_RECV, IOSQE_BUFFER_SELECT, IORING_RECV_MULTISHOT, 0},
};
#define WAYS (sizeof ways / sizeof ways[0])

struct server {
	const struct way *way;
	struct io_uring_params params;
	int ring, listener;
	uint8_t *queue; /* both queues in one mapping, IORING_FEAT_SINGLE_MMAP */
	struct io_uring_sqe *sqes;
	struct io_uring_buf_ring *buffers;
	bool armed; /* a multishot receive goes on */
	struct iovec iov;
	struct msghdr message;
	_Alignas(4096) uint8_t bytes[BUFFERS * ROOM];
};

/* A number of the rings, which the kernel reads or writes at the same time. */
static unsigned *at(const struct server *s, unsigned offset)
{
	return (unsigned *)(void *)(s->queue + offset);
}

static int ring_register(const struct server *s, unsigned what, void *arg, unsigned n)
{
	return syscall(__NR_io_uring_register, s->ring, what, arg, n) < 0 ? -errno : 0;
}

/* Gives the kernel buffer `id` (again). */
static void buffer_give(struct server *s, uint16_t id)
{
	uint16_t tail = s->buffers->tail;
	struct io_uring_buf *b = &s->buffers->bufs[tail & (BUFFERS - 1)];

	b->addr = (uint64_t)(uintptr_t)(s->bytes + (size_t)id * ROOM);
	b->len = ROOM;
	b->bid = id;
	__atomic_store_n(&s->buffers->tail, (uint16_t)(tail + 1), __ATOMIC_RELEASE);
}

static int buffers_open(struct server *s)
{
	struct io_uring_buf_reg reg = {.ring_entries = BUFFERS};
	int r;

	s->buffers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (s->buffers == MAP_FAILED)
		return -errno;
	reg.ring_addr = (uint64_t)(uintptr_t)s->buffers;
	r = ring_register(s, IORING_REGISTER_PBUF_RING, &reg, 1);
	if (r)
		return r;
	for (uint16_t i = 0; i < BUFFERS; i++)
		buffer_give(s, i);
	return 0;
}

static int ring_open(struct server *s)
{
	size_t sq, cq;

	s->params = (struct io_uring_params){.flags = s->way->setup_flags, .sq_thread_idle = 1000};
	s->ring = (int)syscall(__NR_io_uring_setup, ENTRIES, &s->params);
	if (s->ring < 0)
		return -errno;
	if (!(s->params.features & IORING_FEAT_SINGLE_MMAP))
		return -EOPNOTSUPP;
	sq = s->params.sq_off.array + s->params.sq_entries * sizeof(unsigned);
	cq = s->params.cq_off.cqes + s->params.cq_entries * sizeof(struct io_uring_cqe);
	s->queue = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->ring,
			IORING_OFF_SQ_RING);
	s->sqes = mmap(NULL, s->params.sq_entries * sizeof *s->sqes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, s->ring, IORING_OFF_SQES);
	if (s->queue == MAP_FAILED || s->sqes == MAP_FAILED)
		return -errno;
	s->iov = (struct iovec){s->bytes, ROOM};
	s->message = (struct msghdr){.msg_iov = &s->iov, .msg_iovlen = 1};
	if (s->way->opcode == IORING_OP_READ_FIXED)
		return ring_register(s, IORING_REGISTER_BUFFERS, &s->iov, 1);
	return s->way->sqe_flags & IOSQE_BUFFER_SELECT ? buffers_open(s) : 0;
}

static void sqe_fill(struct server *s, struct io_uring_sqe *e, int fd)
{
	*e = (struct io_uring_sqe){.opcode = s->way->opcode,
				   .flags = s->way->sqe_flags,
				   .ioprio = s->way->ioprio,
				   .fd = fd,
				   .addr = (uint64_t)(uintptr_t)s->bytes,
				   .len = ROOM};
	if (e->opcode == IORING_OP_RECVMSG)
		e->addr = (uint64_t)(uintptr_t)&s->message;
	if (e->opcode == IORING_OP_READV)
		e->addr = (uint64_t)(uintptr_t)&s->iov;
	if (e->opcode == IORING_OP_RECVMSG || e->opcode == IORING_OP_READV)
		e->len = 1;
	if (e->flags & IOSQE_BUFFER_SELECT) {
		e->addr = 0;
		e->len = 0;
	}
}

/* Puts one entry into the queue and enters the kernel until something is complete. */
static int ring_submit(struct server *s, int fd)
{
	unsigned tail = *at(s, s->params.sq_off.tail), index = tail & *at(s, s->params.sq_off.ring_mask);
	unsigned flags = IORING_ENTER_GETEVENTS, count = 0;

	if (!s->armed) {
		sqe_fill(s, &s->sqes[index], fd);
		at(s, s->params.sq_off.array)[index] = index;
		__atomic_store_n(at(s, s->params.sq_off.tail), tail + 1, __ATOMIC_SEQ_CST);
		count = 1;
	}
	if (s->way->setup_flags & IORING_SETUP_SQPOLL &&
	    __atomic_load_n(at(s, s->params.sq_off.flags), __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		flags |= IORING_ENTER_SQ_WAKEUP;
	return syscall(__NR_io_uring_enter, s->ring, count, 1, flags, NULL, 0) < 0 ? -errno : 0;
}

/* Bytes taken, 0 at the end, or -errno. */
static int take(struct server *s, int fd)
{
	unsigned head = *at(s, s->params.cq_off.head);
	const struct io_uring_cqe *cqes = (const void *)(s->queue + s->params.cq_off.cqes), *e;
	int r;

	while (__atomic_load_n(at(s, s->params.cq_off.tail), __ATOMIC_ACQUIRE) == head) {
		r = ring_submit(s, fd);
		if (r && r != -EINTR)
			return r;
		s->armed = true;
	}
	e = &cqes[head & *at(s, s->params.cq_off.ring_mask)];
	r = e->res;
	s->armed = e->flags & IORING_CQE_F_MORE;
	if (e->flags & IORING_CQE_F_BUFFER)
		buffer_give(s, e->flags >> IORING_CQE_BUFFER_SHIFT);
	__atomic_store_n(at(s, s->params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return r;
}

/* Does this kernel take one byte in this way, and then see the end? */
static int way_try(struct server *s)
{
	int pair[2], r = ring_open(s);

	if (r)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -errno;
	r = write(pair[1], "x", 1) == 1 ? take(s, pair[0]) : -EIO;
	close(pair[1]);
	if (r >= 0)
		r = r == 1 && take(s, pair[0]) == 0 ? 0 : -EPROTO;
	close(pair[0]);
	return r;
}

static int listen_at(uint16_t port)
{
	const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    bind(fd, (const struct sockaddr *)&a, sizeof a) || listen(fd, 128))
		return -errno;
	return fd;
}

static int request_bytes;

static void *serve(void *arg)
{
	struct server *s = arg;

	for (;;) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), n, taken = 0;

		if (fd < 0)
			continue;
		while ((n = take(s, fd)) > 0) {
			taken += n;
			if (taken % request_bytes == 0 && write(fd, ANSWER, strlen(ANSWER)) < 0)
				break;
		}
		if (n < 0) /* the client waits in vain, and the story says so */
			fprintf(stderr, "%s: %s\n", s->way->name, strerror(-n));
		close(fd);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int port, r;

	if (argc != 3 || (port = atoi(argv[1])) <= 0 || (request_bytes = atoi(argv[2])) <= 0)
		return 2;
	for (size_t i = 0; i < WAYS; i++) {
		struct server *s = aligned_alloc(_Alignof(struct server), sizeof *s);

		if (!s)
			return 1;
		memset(s, 0, sizeof *s);
		s->way = &ways[i];
		r = way_try(s);
		if (i == 0 && (r == -ENOSYS || r == -EPERM)) {
			printf("io_uring: %s\n", strerror(-r));
			return 77;
		}
		if (r) {
			printf("%s - %s\n", s->way->name, strerror(-r));
			continue;
		}
		s->listener = listen_at((uint16_t)(port + (int)i));
		if (s->listener < 0 || pthread_create(&thread, NULL, serve, s)) {
			perror("uring");
			return 1;
		}
		printf("%s %d %d\n", s->way->name, port + (int)i, (int)getpid());
	}
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}
