/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of the sockets that backends send and receive with.
 */
#ifndef TVD_SOCKET_H
#define TVD_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

struct cmsghdr;
struct encap_host;

/* setsockopt() of an int: 0 or negative errno. */
int socket_set_int(int fd, int level, int option, int value);

/* Asks for a buffer of so many bytes, beyond the system's limit where that is
 * allowed: SO_RCVBUFFORCE and SO_RCVBUF, or the same for sending. */
void socket_set_buffer(int fd, int force, int plain, int bytes);

/* Attaches a filter that takes nothing. 0 or negative errno. */
int socket_drop_everything(int fd);

/*
 * Packet sockets of this process that take all that passes an interface: whoever looks
 * for captures on it must know them. `own` is the owner's, for as long as the socket is
 * open.
 */
struct socket_own {
	struct list link; /* not in a list: not open */
	uint64_t inode;
};
void socket_own(struct encap_host *host, struct socket_own *own, int fd);
void socket_disown(struct socket_own *own);
bool socket_is_own(const struct encap_host *host, uint64_t inode);

/*
 * Of what the kernel says beside a message of a socket with SO_RXQ_OVFL: how many messages
 * were lost, because its queue was full, since `known`, which it brings up to date. 0 for
 * any other word of the kernel's.
 */
uint32_t socket_overruns(const struct cmsghdr *c, uint32_t *known);

#endif
