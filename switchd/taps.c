/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/taps.h"

#include <linux/if_ether.h>

#include "encap/encap.h"
#include "encap/socket.h"

#define SOCKETS "/proc/self/net/packet"

bool taps_in(FILE *file, const struct encap_host *host, unsigned ifindex)
{
	unsigned long long inode;
	unsigned protocol, on;
	char line[256];

	/* Pointer, references, type, protocol (hexadecimal), interface, whether it
	 * receives, memory, user, inode. The first line is a heading. */
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*s %*s %x %u %*s %*s %*s %llu", &protocol, &on, &inode) ==
			3 &&
		    protocol == ETH_P_ALL && (on == ifindex || on == 0) &&
		    !socket_is_own(host, inode))
			return true;
	}
	return false;
}

/* @syscall openat read close */
bool taps_on(const struct encap_host *host, unsigned ifindex)
{
	FILE *file = fopen(SOCKETS, "re");
	bool on;

	if (!file)
		return false;
	on = taps_in(file, host, ifindex);
	(void)fclose(file);
	return on;
}
