/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/ctl_listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/unix_bind.h"

int ctl_listen(const struct sockaddr_un *addr, struct err *err)
{
	int fd = unix_bind(addr, SOCK_STREAM, 0600, err);
	int code;

	if (fd == -EADDRINUSE) /* two labs on one machine, most often */
		return err_set(err, EADDRINUSE,
			       "%s is in use by another process: `run_dir` gives this one files of "
			       "its own, --takeover replaces that one",
			       addr->sun_path);
	if (fd < 0 || listen(fd, 128) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	return err_set(err, code, "cannot listen at %s: %s", addr->sun_path, strerror(code));
}
