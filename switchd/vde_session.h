/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the commands of a VDE management socket know of the session in which they
 * are given. The lines of the protocol and the socket are vde_mgmt.c's business.
 */
#ifndef TVD_VDE_SESSION_H
#define TVD_VDE_SESSION_H

#include "lib/ctl_line.h"
#include "lib/err.h"
#include "switchd/switchd.h"
#include "switchd/vde_line.h"

struct vde_session {
	struct switchd *sw;
	struct port *port; /* the one that listens; NULL: it is gone */
	struct ctl_buffer out;
	bool ending;  /* nothing more is to be answered */
	bool listing; /* a long list goes on in vde_command_more() */
	uint32_t cursor;
	unsigned listed;
};

/* Adds a line to the answer. */
void vde_say(struct vde_session *session, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Does what a line says; what it answers with is in session->out. 0, or negative
 * errno, with a message if strerror() does not say enough.
 */
int vde_command_run(struct vde_session *session, const struct vde_line *line, struct err *err);

/* The next part of a long list, until session->listing is false. */
void vde_command_more(struct vde_session *session);

#endif
