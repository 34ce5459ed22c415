/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client of VDE writes to a switch's control socket: one request in the
 * machine's own byte order, and nothing more for as long as it is connected.
 *
 *	uint32_t magic		0xfeedface
 *	uint32_t version	3
 *	uint32_t type		low byte: 0 a port, 1 port number 0; the rest: which
 *				number, 0 any
 *	struct sockaddr_un	the client's data socket
 *	char[]			a description, without an end, to the end of what came
 *
 * Taking it apart, without I/O.
 */
#ifndef TVD_VDE_REQUEST_H
#define TVD_VDE_REQUEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "lib/err.h"
#include "lib/unix_bind.h"

#define VDE_MAGIC	0xfeedfaceu
#define VDE_VERSION	3u
#define VDE_DESCRIPTION 128u /* the longest that is read and kept */
#define VDE_REQUEST_MIN (12 + sizeof(struct sockaddr_un))
#define VDE_REQUEST_MAX 512u /* more of it is not read at once */
#define VDE_NUMBER_MAX	1023 /* of a port of a switch */
#define VDE_NUMBER_ANY	(-1)

struct vde_request {
	int number; /* 0 to VDE_NUMBER_MAX, or VDE_NUMBER_ANY */
	char path[UNIX_PATH_MAX_LEN + 1];
	char description[VDE_DESCRIPTION + 1]; /* printable ASCII only */
};

/*
 * Reads what has come so far. 1: a whole request; 0: it is not whole yet; -EPROTO
 * with a message when it will never be one.
 */
int vde_request_parse(const uint8_t *bytes, size_t len, struct vde_request *request,
		      struct err *err);

#endif
