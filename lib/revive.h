/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TVD_REVIVE_H
#define TVD_REVIVE_H

#include <ev.h>

/*
 * When epoll has no memory for a descriptor, libev stops its watcher and calls it
 * once with EV_ERROR. A watcher that has to live as long as its descriptor asks
 * anew here, first of all; until epoll takes it, it is called in each turn.
 */
static inline void revive(struct ev_loop *loop, ev_io *io, int events)
{
	if (!(events & EV_ERROR))
		return;
	ev_io_stop(loop, io);
	ev_io_set(io, io->fd, EV_READ); /* not only started: libev takes it for unchanged */
	ev_io_start(loop, io);
}

#endif
