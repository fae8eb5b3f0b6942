/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcfilter.h: our filter in an interface's clsact qdisc, for kernels without tcx links. Such a filter
 * outlives its owner, so it is made to be recognised: its program's name begins with PK_TC_NAME, and its
 * handle is PK_TC_TAG over the process id. Also asks who else is there, so that a qdisc others use is left
 * alone.
 */
#ifndef PICKET_TCFILTER_H
#define PICKET_TCFILTER_H

#include <stdbool.h>

/* 0 or -errno. *ret_made: the clsact qdisc was not there before. */
int tcfilter_attach(unsigned ifindex, int program_fd, bool *ret_made);
/* remove_qdisc: take the clsact qdisc away, too, if no filter is left in it. */
void tcfilter_detach(unsigned ifindex, bool remove_qdisc);
/* Removes filters of ours whose process is gone, on all interfaces. attached: this process has attached its
 * own by now, which stay; else one that has our process id is a dead one's. Returns how many, or -errno. */
int tcfilter_sweep(bool attached);

#endif
