/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "encap/encap.h"

/* @syscall setsockopt */
int socket_set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A buffer beyond the system's limit needs a privilege that a user namespace lacks. */
void socket_set_buffer(int fd, int force, int plain, int bytes)
{
	if (socket_set_int(fd, SOL_SOCKET, force, bytes) < 0)
		(void)socket_set_int(fd, SOL_SOCKET, plain, bytes);
}

int socket_drop_everything(int fd)
{
	struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = none};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

/* @syscall newfstatat */
void socket_own(struct encap_host *host, struct socket_own *own, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	own->inode = st.st_ino;
	if (!host->packet_sockets.next)
		list_init(&host->packet_sockets);
	list_add_tail(&host->packet_sockets, &own->link);
}

void socket_disown(struct socket_own *own)
{
	if (own->link.next)
		list_del(&own->link);
	own->link.next = NULL;
}

bool socket_is_own(const struct encap_host *host, uint64_t inode)
{
	if (!host->packet_sockets.next)
		return false;
	list_for_each (&((struct encap_host *)(uintptr_t)host)->packet_sockets, it) {
		if (container_of(it, struct socket_own, link)->inode == inode)
			return true;
	}
	return false;
}

uint32_t socket_overruns(const struct cmsghdr *c, uint32_t *known)
{
	const uint32_t before = *known;

	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL ||
	    c->cmsg_len < CMSG_LEN(sizeof(*known)))
		return 0;
	memcpy(known, CMSG_DATA(c), sizeof(*known));
	return *known - before;
}
