/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a switch passes to a new process while its guests go on. The successor
 * sends the request "takeover" with one end of a SOCK_SEQPACKET pair, the
 * channel. The answer's items are what saved.h saves, and {"descriptor": NAME}
 * for each descriptor, which comes in a message of the channel. Until then both
 * hold everything and the predecessor forwards. The point of no return is the
 * successor's message "go": the predecessor closes all it has, its control socket
 * too, and at last the channel, whose end tells the successor to begin. As long
 * as "go" was not said, the end of the channel, or ten seconds of silence, leave
 * the predecessor as it was.
 */
#ifndef TVD_TAKEOVER_H
#define TVD_TAKEOVER_H

#include "lib/ctl.h"
#include "switchd/inherit.h"
#include "switchd/saved.h"
#include "switchd/switchd.h"

#define TAKEOVER_GO "go"

/* ---- the predecessor ---- */

/* Serves the request; takes *fd. */
void takeover_serve(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd);

/* After the loop: the channel if a successor waits for the end of this process, to
 * be closed when all is down; else -1. */
int takeover_channel(struct switchd *sw);

/* Gives up a takeover that has not come to its end. */
void takeover_abandon(struct switchd *sw);

/* libev's epoll instance, which was made just now; see port_host. -1: unknown. */
int takeover_epoll(void);

/* ---- the successor; before the sandbox, and it blocks ---- */

struct takeover {
	int channel;
};

/* Asks who serves at `path` for all it has. 0; or negative errno with a message,
 * and the predecessor goes on. */
int takeover_ask(struct takeover *takeover, const char *path, struct saved *saved,
		 struct inherit *inherit, struct err *err);

/* The point of no return: waits until the predecessor has let go. */
int takeover_go(struct takeover *takeover, struct err *err);

/* At the end, and instead of takeover_go() to leave the predecessor alone. */
void takeover_close(struct takeover *takeover);

#endif
