// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * sockets.bpf.c: gives each TCP socket of the reader's network namespace its cookie, by an iterator that is
 * read once. tcp.bpf.c finds cookies by a pointer that not every kernel lets a program find by itself; there
 * a connection that was open before us would have no name until its server answers.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("iter/tcp")
int pk_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (sk)
		(void)bpf_get_socket_cookie(sk);
	return 0;
}
