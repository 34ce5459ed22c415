/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/wait.h"

#include <errno.h>
#include <ev.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/revive.h"

static struct {
	struct ev_loop *loop;
	ev_io io;
	int ms; /* 0: not running */
	void (*tick)(void *arg);
	void *arg;
} ticks;

/*
 * libev's, too: what the program defines comes before the C library's. A sleep that is not
 * shorter than what is between ticks is ended by the next one, and libev sees then how long
 * it has to go on.
 */
int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	if (ticks.ms && timeout >= ticks.ms)
		timeout = -1;
#ifdef SYS_epoll_wait
	return (int)syscall(SYS_epoll_wait, epfd, events, max, timeout);
#else
	return epoll_pwait(epfd, events, max, timeout, NULL);
#endif
}

static void on_tick(struct ev_loop *loop, ev_io *io, int events)
{
	uint64_t times;

	revive(loop, io, events);
	/* Several at once if the turn was long: they count as one. */
	if (read(io->fd, &times, sizeof(times)) == sizeof(times)) /* @syscall read */
		ticks.tick(ticks.arg);
}

int wait_start(struct ev_loop *loop, unsigned ms, void (*tick)(void *arg), void *arg)
{
	const struct timespec each = {.tv_sec = ms / 1000u, .tv_nsec = ms % 1000u * 1000000u};
	const struct itimerspec when = {.it_interval = each, .it_value = each};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (timerfd_settime(fd, 0, &when, NULL) < 0) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	ticks.loop = loop;
	ticks.ms = (int)ms;
	ticks.tick = tick;
	ticks.arg = arg;
	ev_io_init(&ticks.io, on_tick, fd, EV_READ);
	ev_io_start(loop, &ticks.io);
	return 0;
}

void wait_stop(void)
{
	if (!ticks.ms)
		return;
	ticks.ms = 0;
	ev_io_stop(ticks.loop, &ticks.io);
	close(ticks.io.fd);
}

/*
 * The scheduler lets go first who asks for less time at once; that is about when, not about how
 * much. Twice what others have is enough, and more would make others' work go before ours for
 * longer. Since Linux 6.12; before, there is no such word, and it is not heard.
 */
void wait_behind_others(void)
{
	struct sched_attr attr = {.size = 0};

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0 ||
	    attr.sched_policy != SCHED_NORMAL || attr.sched_runtime == 0)
		return;
	attr.size = sizeof(attr);
	attr.sched_runtime *= 2;
	(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}
