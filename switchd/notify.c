/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/notify.h"

#include <errno.h>
#include <ev.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"

LOG_MODULE("notify");

static struct {
	int fd;
	struct ev_loop *loop;
	ev_timer watchdog;
} notify = {.fd = -1};

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *fmt, ...)
{
	char text[512];
	struct iovec iov = {.iov_base = text};
	const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	va_list ap;
	int n;

	if (notify.fd < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	iov.iov_len = (size_t)n;
	/* @syscall sendmsg */
	if (sendmsg(notify.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("systemd was not told: %s", strerror(errno));
}

/* A path, or '@' and a name that is in no file system. */
static int connect_to(const char *where)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(where);
	socklen_t size;
	int fd;

	if (len == 0 || len >= sizeof(addr.sun_path) || (where[0] != '/' && where[0] != '@')) {
		log_warn("NOTIFY_SOCKET \"%s\" is no socket of this machine; systemd is told "
			 "nothing",
			 where);
		return -1;
	}
	memcpy(addr.sun_path, where, len);
	if (where[0] == '@')
		addr.sun_path[0] = '\0';
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (where[0] == '/'));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, size) < 0) {
		log_warn("%s: %s; systemd is told nothing", where, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void on_watchdog(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
	tell("WATCHDOG=1");
}

/* The environment's number; 0 if it is missing or none. */
static unsigned long long number_of(const char *name)
{
	const char *text = getenv(name);
	unsigned long long value;
	char *end;

	if (!text || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : 0;
}

static void start_watchdog(void)
{
	unsigned long long usec = number_of("WATCHDOG_USEC");
	double half;

	if (usec == 0)
		return;
	if (getenv("WATCHDOG_PID") && number_of("WATCHDOG_PID") != (unsigned long long)getpid())
		return;
	half = (double)usec / 2e6;
	ev_timer_init(&notify.watchdog, on_watchdog, half, half);
	ev_timer_start(notify.loop, &notify.watchdog);
}

void notify_init(struct ev_loop *loop)
{
	const char *where = getenv("NOTIFY_SOCKET");

	notify_close();
	if (!where)
		return;
	notify.fd = connect_to(where);
	notify.loop = loop;
	if (notify.fd >= 0)
		start_watchdog();
}

void notify_ready(const char *status)
{
	tell("READY=1%s%s", status ? "\nSTATUS=" : "", status ? status : "");
}

void notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	tell("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
	     (unsigned long long)now.tv_sec * 1000000u + (unsigned long long)now.tv_nsec / 1000u);
}

void notify_stopping(void)
{
	tell("STOPPING=1\nSTATUS=ending");
}

void notify_status(const char *status)
{
	tell("STATUS=%s", status);
}

bool notify_listened(void)
{
	return notify.fd >= 0;
}

void notify_store(const char *name, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	char text[300];
	struct iovec iov = {.iov_base = text};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int n = snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);

	if (notify.fd < 0 || n < 0 || (size_t)n >= sizeof(text))
		return;
	iov.iov_len = (size_t)n;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	/* @syscall sendmsg */
	if (sendmsg(notify.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("systemd does not keep %s: %s", name, strerror(errno));
}

void notify_unstore(const char *name)
{
	tell("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void notify_close(void)
{
	if (notify.fd < 0)
		return;
	ev_timer_stop(notify.loop, &notify.watchdog);
	close(notify.fd); /* @syscall close */
	notify.fd = -1;
}
