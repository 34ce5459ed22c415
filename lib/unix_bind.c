/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/unix_bind.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool unix_address(struct sockaddr_un *addr, const char *path)
{
	size_t len = strlen(path);

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (len == 0 || len > UNIX_PATH_MAX_LEN)
		return false;
	memcpy(addr->sun_path, path, len);
	return true;
}

/* Removes what a former process left at the path; 0 when the path is free.
 * @syscall newfstatat socket connect close unlinkat */
static int remove_leftover(const struct sockaddr_un *addr, int type, struct err *err)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, EEXIST, "%s exists and is not a socket", path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? errno : 0;
	(void)close(fd);
	if (rc != ECONNREFUSED) /* EAGAIN too: somebody listens, and is busy */
		return err_set(err, EADDRINUSE, "%s is in use by another process", path);
	if (unlinkat(AT_FDCWD, path, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "cannot remove the leftover %s: %s", path,
			       strerror(errno));
	return 0;
}

int unix_bind(const struct sockaddr_un *addr, int type, mode_t mode, struct err *err)
{
	int rc = remove_leftover(addr, type, err);
	int fd, code;

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	/* Linux gives the file the mode of the descriptor: never wider, not for a moment.
	 * @syscall fchmod bind */
	if (fchmod(fd, mode) == 0 && bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	return err_set(err, code, "cannot listen at %s: %s", addr->sun_path, strerror(code));
}
