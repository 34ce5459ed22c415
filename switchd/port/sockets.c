/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/addr.h"
#include "lib/unix_bind.h"
#include "switchd/port/port.h"

#define GROUP_FILE     "/etc/group"
#define GROUP_FILE_MAX (1u << 20)
#define MODE_DEFAULT   0600
/* A peer that is gone without a word is given up after about this long. */
#define TCP_SILENCE_SECONDS 20

#define SOCKET_TEXT (ADDR_STRLEN + 16) /* "[ADDRESS]:PORT" */

/* ---- what keys hold ---- */

const char *socket_wants_path(const char *value)
{
	struct sockaddr_un addr;

	return unix_address(&addr, value) ? NULL
					  : "the path of a UNIX socket (1 to 107 characters)";
}

/* A decimal number up to max, and nothing else. */
static bool parse_number(const char *text, unsigned long max, unsigned long *value)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 10 || text[len])
		return false;
	*value = strtoul(text, NULL, 10);
	return *value <= max;
}

static bool parse_endpoint(const char *text, struct ipaddr *addr, in_port_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_STRLEN];
	unsigned long number;
	size_t len;

	if (!colon || !parse_number(colon + 1, UINT16_MAX, &number) || number == 0)
		return false;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		if (len < 2 || colon[-1] != ']')
			return false;
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	*port = htons((uint16_t)number);
	/* Brackets around IPv6 and nothing else. */
	return ipaddr_parse(host, addr) == 0 && (addr->family == AF_INET6) == (text[len] == ']') &&
	       !ipaddr_is_multicast(addr);
}

const char *socket_wants_endpoint(const char *value)
{
	struct ipaddr addr;
	in_port_t port;

	return parse_endpoint(value, &addr, &port)
		   ? NULL
		   : "ADDRESS:PORT, with an IPv6 address in brackets";
}

const char *socket_wants_place(const char *value)
{
	if (*value == '/')
		return socket_wants_path(value);
	return socket_wants_endpoint(value) ? "ADDRESS:PORT, with an IPv6 address in brackets, or "
					      "a path that begins with '/'"
					    : NULL;
}

static bool parse_mode(const char *text, mode_t *mode)
{
	size_t len = strspn(text, "01234567");

	if (len < 3 || len > 4 || text[len] || (len == 4 && text[0] != '0'))
		return false;
	*mode = (mode_t)strtoul(text, NULL, 8);
	return true;
}

const char *socket_wants_mode(const char *value)
{
	mode_t mode;

	return parse_mode(value, &mode) ? NULL : "three octal digits, such as \"0660\"";
}

mode_t socket_mode(const char *text)
{
	mode_t mode = MODE_DEFAULT;

	if (text && !parse_mode(text, &mode))
		abort(); /* was checked */
	return mode;
}

const char *socket_wants_group(const char *value)
{
	size_t len = strlen(value);

	return len && len <= 64 && !strpbrk(value, ": \t\n") ? NULL : "a group's name or number";
}

/* ---- addresses ---- */

socklen_t socket_endpoint(const char *text, struct sockaddr_storage *ss)
{
	struct ipaddr addr;
	in_port_t port;
	socklen_t len;

	if (!parse_endpoint(text, &addr, &port))
		abort(); /* was checked */
	len = ipaddr_to_sockaddr(&addr, ss);
	if (addr.family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_port = port;
	else
		((struct sockaddr_in *)ss)->sin_port = port;
	return len;
}

const char *socket_endpoint_format(const struct sockaddr_storage *ss, char *buf, size_t size)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	char text[ADDR_STRLEN];
	struct ipaddr addr;

	if (ss->ss_family == AF_INET6) {
		addr = ipaddr_v6(&v6->sin6_addr);
		(void)snprintf(buf, size, "[%s]:%u", ipaddr_format(&addr, text),
			       ntohs(v6->sin6_port));
	} else if (ss->ss_family == AF_INET) {
		addr = ipaddr_v4(v4->sin_addr);
		(void)snprintf(buf, size, "%s:%u", ipaddr_format(&addr, text), ntohs(v4->sin_port));
	} else {
		(void)snprintf(buf, size, "?");
	}
	return buf;
}

/* ---- files ---- */

/* The file as a text, or NULL. @syscall openat read close */
static char *read_groups(void)
{
	int fd = open(GROUP_FILE, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(GROUP_FILE_MAX + 1);
	size_t used = 0;

	while (text && used < GROUP_FILE_MAX) {
		ssize_t n = read(fd, text + used, GROUP_FILE_MAX - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (text)
		text[used] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* The number in a line "name:password:number:members". */
static bool group_of_line(char *line, const char *name, gid_t *gid)
{
	const char *field = strsep(&line, ":");
	unsigned long number;

	if (!line || strcmp(field, name) != 0)
		return false;
	(void)strsep(&line, ":");
	field = line ? strsep(&line, ":") : NULL;
	if (!field || !parse_number(field, UINT32_MAX - 1, &number))
		return false;
	*gid = (gid_t)number;
	return true;
}

bool socket_group(const char *name, gid_t *gid)
{
	unsigned long number;
	char *text, *rest, *line;
	bool found = false;

	if (parse_number(name, UINT32_MAX - 1, &number)) {
		*gid = (gid_t)number;
		return true;
	}
	text = rest = read_groups();
	while (!found && rest && (line = strsep(&rest, "\n")))
		found = group_of_line(line, name, gid);
	free(text);
	return found;
}

int socket_bind_file(const char *path, int type, const char *mode_text, const char *group,
		     struct err *err)
{
	struct sockaddr_un addr;
	gid_t gid = 0;
	int fd, code;

	if (!unix_address(&addr, path))
		abort(); /* was checked */
	if (group && !socket_group(group, &gid))
		return err_set(err, ENOENT, "%s: " GROUP_FILE " has no group \"%s\"", path, group);
	fd = unix_bind(&addr, type, socket_mode(mode_text), err);
	if (fd < 0 || !group)
		return fd;
	/* @syscall fchownat */
	if (fchownat(AT_FDCWD, path, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW) == 0)
		return fd;
	code = errno;
	socket_remove_file(path);
	close(fd);
	return err_set(err, code, "%s cannot be given to group \"%s\": %s%s", path, group,
		       strerror(code), code == EPERM ? " (switchd has to be a member of it)" : "");
}

/* @syscall unlinkat */
void socket_remove_file(const char *path)
{
	(void)unlinkat(AT_FDCWD, path, 0);
}

/* ---- sockets of a former process ---- */

bool socket_is_bound(int fd, int type, const struct sockaddr_storage *at)
{
	struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(own);
	char have[SOCKET_TEXT], want[SOCKET_TEXT];

	if (!port_is_socket(fd, at->ss_family, type) ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return false;
	(void)socket_endpoint_format(&own, have, sizeof(have));
	(void)socket_endpoint_format(at, want, sizeof(want));
	return strcmp(have, want) == 0;
}

bool socket_is_bound_file(int fd, int type, const char *path)
{
	struct sockaddr_un own = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(own);
	struct stat st;

	if (!port_is_socket(fd, AF_UNIX, type) ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return false;
	/* A path of full length has no end. */
	return strncmp(own.sun_path, path, sizeof(own.sun_path)) == 0 && lstat(path, &st) == 0 &&
	       S_ISSOCK(st.st_mode);
}

/* Beyond the system's limit a privilege is needed that a user namespace lacks.
 * @syscall setsockopt */
void socket_set_buffers(int fd, int bytes)
{
	static const int options[2][2] = {{SO_SNDBUFFORCE, SO_SNDBUF}, {SO_RCVBUFFORCE, SO_RCVBUF}};

	for (int i = 0; i < 2; i++) {
		if (setsockopt(fd, SOL_SOCKET, options[i][0], &bytes, sizeof(bytes)) < 0)
			(void)setsockopt(fd, SOL_SOCKET, options[i][1], &bytes, sizeof(bytes));
	}
}

/* ---- connections ---- */

/* @syscall setsockopt */
void socket_set_tcp(int fd)
{
	static const int options[][3] = {
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, TCP_SILENCE_SECONDS / 2},
	    {IPPROTO_TCP, TCP_KEEPINTVL, TCP_SILENCE_SECONDS / 4},
	    {IPPROTO_TCP, TCP_KEEPCNT, 2},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_SILENCE_SECONDS * 1000},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i][0], options[i][1], &options[i][2], sizeof(int));
}

/* @syscall recvmsg */
bool socket_is_gone(int fd)
{
	char byte;
	struct iovec iov = {&byte, sizeof(byte)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}
