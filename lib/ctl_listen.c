/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/ctl_listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Removes what a former process left at the path; 0 when the path is free. */
static int remove_leftover(const struct sockaddr_un *addr, struct err *err)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, EEXIST, "%s exists and is not a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? errno : 0;
	(void)close(fd);
	if (rc != ECONNREFUSED) /* EAGAIN too: somebody listens, and is busy */
		return err_set(err, EADDRINUSE, "%s is in use by another process", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, errno, "cannot remove the leftover %s: %s", path,
			       strerror(errno));
	return 0;
}

static int listen_at(const struct sockaddr_un *addr, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code;

	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	/* Linux gives the file the mode of the descriptor: never wider, not for a moment. */
	if (fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 &&
	    listen(fd, 128) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	return err_set(err, code, "cannot listen at %s: %s", addr->sun_path, strerror(code));
}

int ctl_listen(const struct sockaddr_un *addr, struct err *err)
{
	int rc = remove_leftover(addr, err);

	return rc < 0 ? rc : listen_at(addr, err);
}
