/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ports on sockets have in common: addresses, socket files, and who is at the
 * other end.
 */
#ifndef TVD_SOCKETS_H
#define TVD_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/err.h"

/* For conf_key.wants. */
const char *socket_wants_path(const char *value);
const char *socket_wants_endpoint(const char *value); /* "192.0.2.1:4000", "[2001:db8::1]:4000" */
const char *socket_wants_place(const char *value);    /* either; a path begins with '/' */
const char *socket_wants_mode(const char *value);     /* "0660" */
const char *socket_wants_group(const char *value);    /* a name or a number */

/* Fills a socket address from what socket_wants_endpoint() takes, and returns its length. */
socklen_t socket_endpoint(const char *text, struct sockaddr_storage *ss);

/* "192.0.2.1:4000" for a socket address; returns buf. */
const char *socket_endpoint_format(const struct sockaddr_storage *ss, char *buf, size_t size);

/* What a key says that socket_wants_mode() has taken; NULL: the default, 0600. */
mode_t socket_mode(const char *text);

/* The number of a group of /etc/group, or of one that is given by its number; false if
 * there is none. */
bool socket_group(const char *name, gid_t *gid);

/*
 * Like unix_bind(); the file gets a mode (NULL: "0600") and a group (NULL: as made).
 * Groups are those of /etc/group: what else the system may know of them is out of
 * reach once switchd serves.
 */
int socket_bind_file(const char *path, int type, const char *mode, const char *group,
		     struct err *err);

/* Removes it, on the way out. */
void socket_remove_file(const char *path);

/*
 * Whether a descriptor that somebody hands us is a socket of that type bound to that
 * address; to that path, where its file must be there still. At start-up only.
 */
bool socket_is_bound(int fd, int type, const struct sockaddr_storage *at);
bool socket_is_bound_file(int fd, int type, const char *path);

/* A buffer as large as may be. */
void socket_set_buffers(int fd, int bytes);

/* What every connection of TCP gets: no delays, and an end when the peer has fallen silent. */
void socket_set_tcp(int fd);

/* Whether a connection's peer has left already, and nothing that it said waits. */
bool socket_is_gone(int fd);

#endif
