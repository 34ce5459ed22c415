/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UNIX sockets at paths: taking the place of what a former process left behind,
 * and of nothing else.
 */
#ifndef TVD_UNIX_BIND_H
#define TVD_UNIX_BIND_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "lib/err.h"

/* The longest path that an address holds. */
#define UNIX_PATH_MAX_LEN (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* Fills an address; false when the path is empty or too long. */
bool unix_address(struct sockaddr_un *addr, const char *path);

/*
 * A new socket (SOCK_STREAM or SOCK_DGRAM), non-blocking and closed on exec, bound
 * to a path. Its file has the mode, less the umask, from its first moment on. The
 * descriptor, or negative errno with a message: -EADDRINUSE when somebody is there,
 * -EEXIST when what is there is no socket.
 */
int unix_bind(const struct sockaddr_un *addr, int type, mode_t mode, struct err *err);

#endif
