/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a switch passes to a new process while its guests go on, so that at any moment
 * one of the two serves, or will, whichever of them dies.
 *
 * The successor sends the request "takeover" with one end of a SOCK_SEQPACKET pair,
 * the channel. The answer's items are what saved.h saves. Meanwhile the predecessor
 * forwards. When the successor says "go" on the channel,
 * the predecessor leaves its loop, so that it reads and sends nothing any more, and
 * passes its descriptors in messages on the channel, each with one JSON object, of
 * which {"port", "fds", "state"} is followed by as many bytes of state as it says:
 *
 *	{"control": true}	what it listens with for requests
 *	{"port": NAME, "fds": n, "state": bytes}	see inherit.h and port.h
 *	{"connections": [...], "now": ms}	that began, or changed, after they were told of;
 *			only to a successor that says "late": true in its request
 *	{"end": true}
 *
 * It keeps all of them. The successor makes everything ready but reads nothing. Then it
 * says "left NAME" for each name that it has no use for, and "serving". The predecessor
 * answers "yours" and ends; from that word on the successor serves. The end of the
 * channel says that the predecessor is gone. A successor that dies, or is not ready in
 * TAKEOVER_FREEZE_MS, leaves the predecessor to go on; to one that is merely slow it says "mine"
 * and then closes. A predecessor that is gone without that word cannot go on: once
 * it has begun to pass descriptors, the successor then serves with what has come.
 */
#ifndef TVD_TAKEOVER_H
#define TVD_TAKEOVER_H

#include <ev.h>
#include <stdbool.h>

#include "lib/ctl.h"
#include "switchd/inherit.h"
#include "switchd/saved.h"
#include "switchd/switchd.h"

#define TAKEOVER_GO	 "go"
#define TAKEOVER_LEFT	 "left "
#define TAKEOVER_SERVING "serving"
#define TAKEOVER_YOURS	 "yours"
#define TAKEOVER_MINE	 "mine"

#define TAKEOVER_FREEZE_MS 15000u /* how long a predecessor waits for "serving" */

/* ---- the predecessor ---- */

/* Serves the request; takes *fd. */
void takeover_serve(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd);

/* After the loop was left: hands over if that is due, which blocks. The channel if
 * there is a successor now, to be closed when all is down; -1 to go on, or to end. */
int takeover_hand_over(struct switchd *sw);

/* Gives up a takeover that has not come to its end. */
void takeover_abandon(struct switchd *sw);

/* libev's epoll instance, which was made just now; see port_host. -1: unknown. */
int takeover_epoll(void);

/* ---- the successor; it blocks ---- */

struct takeover {
	int channel;
	int control; /* what the predecessor listened with; -1: none came */
	bool gone;   /* the predecessor has died */
	struct switchd *sw;
	ev_io io;
};

/* Asks who serves at `path` for all it has. 0; or negative errno with a message,
 * and the predecessor goes on. */
int takeover_ask(struct takeover *takeover, const char *path, struct saved *saved, struct err *err);

/* Stops the predecessor and takes its descriptors, and what it has to add to what is saved. 0,
 * also if it has died meanwhile. */
int takeover_go(struct takeover *takeover, struct inherit *inherit, struct saved *saved,
		struct err *err);

/* When all is ready, and inherit holds what nobody wanted. 0: this process serves, and
 * has to; else the predecessor does. */
int takeover_serving(struct takeover *takeover, const struct inherit *inherit, struct err *err);

/* From the loop: undoes what the predecessor leaves, and opens what it has kept, as
 * soon as it is gone. */
void takeover_watch(struct takeover *takeover, struct switchd *sw);

/* At the end; a predecessor that was not told otherwise goes on. */
void takeover_close(struct takeover *takeover);

#endif
