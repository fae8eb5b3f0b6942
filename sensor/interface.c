// SPDX-License-Identifier: Apache-2.0
#include "sensor/interface.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "lib/util.h"

static int device_ioctl(int fd, unsigned long what, const char *name, struct ifreq *q, void *data)
{
	memset(q, 0, sizeof *q);
	snprintf(q->ifr_name, sizeof q->ifr_name, "%.15s", name);
	if (data)
		q->ifr_data = data;
	return ioctl(fd, what, q);
}

struct interface_facts interface_facts(const char *name)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct interface_facts f = {.link_header = true};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq q;

	if (fd < 0)
		return f;
	if (device_ioctl(fd, SIOCGIFHWADDR, name, &q, NULL) == 0)
		f.link_header =
			q.ifr_hwaddr.sa_family == ARPHRD_ETHER || q.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	if (device_ioctl(fd, SIOCETHTOOL, name, &q, &info))
		return f;
	snprintf(f.driver, sizeof f.driver, "%s", info.driver);
	/* The bus is empty for virtual interfaces, but a bridge gives "N/A" and tun gives "tun" or "tap". */
	f.physical = info.bus_info[0] && strcmp(info.bus_info, "N/A") && strcmp(info.driver, "tun");
	return f;
}

/* On virtual interfaces native XDP switches off segmentation offload. */
enum config_packet_mode interface_auto_mode(const struct interface_facts *facts)
{
	return facts->physical && facts->link_header ? PACKET_XDP_NATIVE : PACKET_TC;
}

bool interface_xdp_holder(unsigned ifindex, char ret[static INTERFACE_HOLDER_MAX])
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = {0};
	__u32 len = sizeof info;

	ret[0] = 0;
	if (bpf_xdp_query((int)ifindex, 0, &q))
		return false;
	__u32 id = q.prog_id       ? q.prog_id
		   : q.drv_prog_id ? q.drv_prog_id
		   : q.skb_prog_id ? q.skb_prog_id
				   : q.hw_prog_id;
	if (!id)
		return false;
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.name[0])
		snprintf(ret, INTERFACE_HOLDER_MAX, "program %u (%s)", id, info.name);
	else
		snprintf(ret, INTERFACE_HOLDER_MAX, "program %u", id);
	return true;
}
