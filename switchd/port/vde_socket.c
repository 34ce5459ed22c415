/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of a vde port. A client says where its own data socket is, and the switch
 * connects to that: the one place where a client could make the switch, with the
 * switch's rights, speak to somebody else. Hence the checks here, each of which
 * closes a door; the last one looks at what was connected to in the end, whatever
 * was put in place of the path meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "switchd/port/sockets.h"
#include "switchd/port/vde_impl.h"

#define BACKLOG	    128
#define SOCKETS_MAX 8 /* of one process: see vde_forget_caller() */

static void path_in(const char *dir, const char *name, struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s", dir, name) >=
	    (int)sizeof(addr->sun_path))
		abort(); /* was checked */
}

static void data_path(const char *dir, unsigned number, struct sockaddr_un *addr)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%03u.0", number);
	path_in(dir, name, addr);
}

/* @syscall unlinkat */
static void remove_dir(const char *path)
{
	(void)unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

void vde_client_destroy(struct vde_client *client, const struct port *port)
{
	if (!client)
		return;
	if (!port->shared) {
		socket_remove_file(client->own.sun_path);
		/* The last one out, if nobody listens there any more. */
		*strrchr(client->own.sun_path, '/') = '\0';
		remove_dir(client->own.sun_path);
	}
	port_close_fd(port->host, client->data);
	port_close_fd(port->host, client->ctl);
	free(client);
}

/* ---- the directory ---- */

/*
 * Who may use the control socket may put a data socket beside it, and nobody may take
 * away another's: sticky. Where the port has a group, what is put there gets it; elsewhere
 * nothing depends on that, and services may be kept from setting the bit.
 */
static mode_t dir_mode(const struct vde_dir *dir)
{
	mode_t bits = dir->mode & 0666;

	return 01000 | (dir->grouped ? 02000 : 0) | bits | (bits & 0600 ? 0100 : 0) |
	       (bits & 0060 ? 0010 : 0) | (bits & 0006 ? 0001 : 0);
}

/* Owner and group of a file that the switch has made; -1: as it is.
 * @syscall fchownat */
static int give_file(const char *path, uid_t uid, gid_t gid)
{
	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		return 0;
	return fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The directory's owner and mode, if it is the switch's: one of root's is as the
 * administrator has made it. @syscall fchownat fchmod */
static int set_up(int fd, const struct stat *st, const struct vde_dir *dir,
		  const struct port_host *host, struct err *err)
{
	bool ours = st->st_uid == host->uid_now || st->st_uid == host->uid;
	uid_t uid = host->uid == st->st_uid ? (uid_t)-1 : host->uid;
	gid_t gid = dir->grouped ? dir->group : uid == (uid_t)-1 ? (gid_t)-1 : host->gid;

	if (!ours && st->st_uid != 0)
		return err_set(err, EPERM, "%s belongs to user %u", dir->path,
			       (unsigned)st->st_uid);
	if (!ours)
		return 0;
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return err_set(err, errno, "%s cannot be given to its user and group: %s%s",
			       dir->path, strerror(errno),
			       errno == EPERM ? " (switchd has to be a member of the group)" : "");
	if (fchmod(fd, dir_mode(dir)) < 0)
		return err_set(err, errno, "the mode of %s cannot be set: %s%s", dir->path,
			       strerror(errno),
			       errno == EPERM ? " (see CAVEATS in switchd-vde(7))" : "");
	return 0;
}

/* @syscall mkdirat openat newfstatat close */
static int make_dir(struct vde_dir *dir, const struct port_host *host, struct err *err)
{
	struct stat st;
	int fd, ret;

	if (mkdirat(AT_FDCWD, dir->path, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "cannot make %s: %s", dir->path, strerror(errno));
	fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "%s: %s", dir->path, strerror(errno));
	ret = fstat(fd, &st) < 0 ? err_set(err, errno, "%s: %s", dir->path, strerror(errno))
				 : set_up(fd, &st, dir, host, err);
	close(fd);
	dir->dev = st.st_dev;
	dir->ino = st.st_ino;
	return ret;
}

/* Data sockets of a predecessor that was killed: who has the control socket has the
 * directory. @syscall unlinkat */
static void remove_leftovers(const char *path)
{
	struct sockaddr_un addr;

	for (unsigned number = 0; number <= VDE_NUMBER_MAX; number++) {
		data_path(path, number, &addr);
		(void)unlinkat(AT_FDCWD, addr.sun_path, 0);
	}
}

/* @syscall listen close */
static int listen_at(const char *path, const char *mode, const char *group,
		     const struct port_host *host, struct err *err)
{
	int fd = socket_bind_file(path, SOCK_STREAM, mode, group, err);
	int code = 0;

	if (fd < 0)
		return fd;
	if (host->uid != host->uid_now)
		code = -give_file(path, host->uid, group ? (gid_t)-1 : host->gid);
	if (code == 0 && listen(fd, BACKLOG) < 0)
		code = errno;
	if (code == 0)
		return fd;
	socket_remove_file(path);
	close(fd);
	return err_set(err, code, "cannot listen at %s: %s", path, strerror(code));
}

/* What the configuration says of it. */
static int set_dir(struct vde_dir *dir, const struct vde_conf *conf, struct err *err)
{
	memset(dir, 0, sizeof(*dir));
	memcpy(dir->path, conf->path, strlen(conf->path));
	dir->mode = socket_mode(conf->mode);
	dir->grouped = conf->group != NULL;
	if (conf->group && !socket_group(conf->group, &dir->group))
		return err_set(err, ENOENT, "%s: /etc/group has no group \"%s\"", conf->path,
			       conf->group);
	return 0;
}

/*
 * Whether somebody listens there. To be known before the directory is touched: it may be
 * that of a predecessor, which may have to go on. @syscall socket connect close
 */
static bool is_served(const struct sockaddr_un *ctl)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served = fd >= 0 && (connect(fd, (const struct sockaddr *)ctl, sizeof(*ctl)) == 0 ||
				  errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return served;
}

int vde_dir_open(struct vde_dir *dir, const struct vde_conf *conf, const struct port_host *host,
		 struct err *err)
{
	struct sockaddr_un ctl;
	int fd;

	path_in(conf->path, "ctl", &ctl);
	if (is_served(&ctl))
		return err_set(err, EADDRINUSE, "%s is in use by another process", ctl.sun_path);
	fd = set_dir(dir, conf, err);
	if (fd < 0)
		return fd;
	fd = make_dir(dir, host, err);
	if (fd == 0)
		fd = listen_at(ctl.sun_path, conf->mode, conf->group, host, err);
	if (fd < 0)
		remove_dir(conf->path);
	else
		remove_leftovers(conf->path);
	return fd;
}

/* @syscall newfstatat */
int vde_dir_adopt(struct vde_dir *dir, const struct vde_conf *conf, int ctl)
{
	struct sockaddr_un addr;
	struct err err;
	struct stat st;
	int ret = set_dir(dir, conf, &err);

	path_in(conf->path, "ctl", &addr);
	if (ret < 0)
		return ret;
	if (!vde_listens_at(ctl, addr.sun_path) || lstat(conf->path, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return -EINVAL;
	dir->dev = st.st_dev;
	dir->ino = st.st_ino;
	return 0;
}

/* @syscall getsockopt */
bool vde_listens_at(int fd, const char *path)
{
	socklen_t len = sizeof(int);
	int listens = 0;

	return socket_is_bound_file(fd, SOCK_STREAM, path) &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

int vde_mgmt_open(const struct vde_conf *conf, const struct port_host *host, struct err *err)
{
	return listen_at(conf->mgmt, conf->mgmt_mode, conf->mgmt_group, host, err);
}

void vde_dir_close(const char *path)
{
	struct sockaddr_un ctl;

	path_in(path, "ctl", &ctl);
	socket_remove_file(ctl.sun_path);
	remove_dir(path);
}

/* ---- the client's data socket ---- */

static bool takes_datagrams(const struct port *port, void *path)
{
	const char *at = port->ops->datagrams_at ? port->ops->datagrams_at(port->conf) : NULL;

	return at && strcmp(at, path) == 0;
}

/* Whether the directory of a path is one where a client may have its socket: the
 * switch's own, its own, or one of root's such as /tmp. @syscall newfstatat */
static int check_dir(const struct vde_dir *dir, const struct vde_request *request,
		     const struct ucred *peer, bool *inside, struct err *err)
{
	const char *name = strrchr(request->path, '/') + 1;
	char parent[sizeof(request->path)];
	struct stat st;

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(name - request->path), request->path);
	if (stat(parent, &st) < 0)
		return err_set(err, errno, "its data socket %s: %s", request->path,
			       strerror(errno));
	/* The switch's sockets lie there, too; clients begin theirs with a dot. */
	*inside = st.st_dev == dir->dev && st.st_ino == dir->ino;
	if (*inside)
		return name[0] == '.'
			   ? 0
			   : err_set(err, EPERM, "%s is no data socket of a client", request->path);
	if (st.st_uid == peer->uid || st.st_uid == 0)
		return 0;
	return err_set(err, EPERM, "the directory of its data socket %s is user %u's",
		       request->path, (unsigned)st.st_uid);
}

/* @syscall newfstatat */
static int check_file(const struct vde_request *request, const struct ucred *peer, struct err *err)
{
	struct stat st;

	if (lstat(request->path, &st) < 0)
		return err_set(err, errno, "its data socket %s: %s", request->path,
			       strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ENOTSOCK, "its data socket %s is none", request->path);
	if (st.st_uid != peer->uid && peer->uid != 0)
		return err_set(err, EPERM, "its data socket %s is user %u's", request->path,
			       (unsigned)st.st_uid);
	return 0;
}

/*
 * Whether the socket that was connected to was bound with just this path. The
 * kernel writes the address with its end, and not more of it than is asked for.
 * @syscall getsockopt
 */
static bool is_bound_at(int fd, const char *path)
{
	struct sockaddr_un addr;
	socklen_t want = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	socklen_t len = want;

	memset(&addr, 0xff, sizeof(addr));
	return getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr, &len) == 0 && len == want &&
	       memcmp(addr.sun_path, path, strlen(path) + 1) == 0;
}

/* @syscall connect */
static int connect_client(int fd, const struct vde_request *request, struct err *err)
{
	struct sockaddr_un addr;

	(void)unix_address(&addr, request->path);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, errno, "its data socket %s: %s%s", request->path,
			       strerror(errno),
			       errno == EACCES ? " (see CAVEATS in switchd-vde(7))" : "");
	if (!is_bound_at(fd, request->path))
		return err_set(err, EPERM, "%s is not where its data socket was bound",
			       request->path);
	return 0;
}

/* Whether nobody has it: then it is removed.
 * @syscall socket connect close unlinkat */
static bool remove_dead(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead;

	if (fd < 0)
		return false;
	dead =
	    connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
	close(fd);
	if (dead)
		socket_remove_file(addr->sun_path);
	return dead;
}

/* A predecessor that was killed may have left what no port has any more. @syscall bind */
static int bind_own(int fd, const struct sockaddr_un *own)
{
	int ret = bind(fd, (const struct sockaddr *)own, sizeof(*own));

	if (ret == 0 || errno != EADDRINUSE)
		return ret;
	if (remove_dead(own))
		return bind(fd, (const struct sockaddr *)own, sizeof(*own));
	errno = EADDRINUSE;
	return -1;
}

/* Connected before it can be found, so that it never hears anybody else.
 * @syscall fchmod bind unlinkat */
static int bind_data(int fd, const struct vde_dir *dir, struct sockaddr_un *own, struct err *err)
{
	if (fchmod(fd, dir->mode) == 0 && bind_own(fd, own) == 0) {
		int code = dir->grouped ? -give_file(own->sun_path, (uid_t)-1, dir->group) : 0;

		if (code == 0)
			return 0;
		socket_remove_file(own->sun_path);
		errno = code;
	}
	return err_set(err, errno, "switchd's data socket %s: %s", own->sun_path, strerror(errno));
}

bool vde_data_is(int fd, const char *dir, unsigned number, struct sockaddr_un *own)
{
	struct sockaddr_un addr = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(addr);

	data_path(dir, number, own);
	if (!port_is_socket(fd, AF_UNIX, SOCK_DGRAM) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0 ||
	    strncmp(addr.sun_path, own->sun_path, sizeof(addr.sun_path)) != 0)
		return false;
	len = sizeof(addr.sun_family); /* there is no more than that for sure */
	return getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &addr, &len) == 0;
}

/* @syscall socket close unlinkat */
int vde_data_open(const struct vde_dir *dir, const struct port *port,
		  const struct vde_request *request, const struct ucred *peer, unsigned number,
		  struct sockaddr_un *own, struct err *err)
{
	char path[sizeof(request->path)];
	bool inside = false;
	int ret = check_dir(dir, request, peer, &inside, err), fd;

	if (ret == 0)
		ret = check_file(request, peer, err);
	memcpy(path, request->path, sizeof(path));
	if (ret == 0 && port->host->find(port->host, takes_datagrams, path))
		ret = err_set(err, EPERM, "%s is another port's socket", request->path);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	data_path(dir->path, number, own);
	ret = connect_client(fd, request, err);
	if (ret == 0)
		ret = bind_data(fd, dir, own, err);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	if (inside) /* the client would do it in a moment, if it lives as long */
		socket_remove_file(request->path);
	return fd;
}

/* ---- what the dead leave ---- */

/* libvdeplug connects first, then binds ".PID-N" with the first N that is free, and
 * then asks. @syscall newfstatat */
void vde_forget_caller(const struct vde_dir *dir, const struct ucred *peer)
{
	if (peer->pid <= 0)
		return;
	for (unsigned i = 0; i < SOCKETS_MAX; i++) {
		struct sockaddr_un addr;
		struct stat st;
		char name[32];

		(void)snprintf(name, sizeof(name), ".%05d-%05u", (int)peer->pid, i);
		path_in(dir->path, name, &addr);
		if (lstat(addr.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		    st.st_uid == peer->uid)
			remove_dead(&addr);
	}
}
