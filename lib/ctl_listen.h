/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a control socket comes to its path. At start-up only.
 */
#ifndef TVD_CTL_LISTEN_H
#define TVD_CTL_LISTEN_H

#include <sys/un.h>

#include "lib/err.h"

/*
 * A non-blocking socket that listens at the path with mode 0600, in the place of
 * a leftover one if need be; or negative errno with a message: -EADDRINUSE when a
 * process answers there, -EEXIST when something is there that is no socket.
 */
int ctl_listen(const struct sockaddr_un *addr, struct err *err);

#endif
