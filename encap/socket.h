/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of the sockets that backends send and receive with.
 */
#ifndef TVD_SOCKET_H
#define TVD_SOCKET_H

/* setsockopt() of an int: 0 or negative errno. */
int socket_set_int(int fd, int level, int option, int value);

/* Asks for a buffer of so many bytes, beyond the system's limit where that is
 * allowed: SO_RCVBUFFORCE and SO_RCVBUF, or the same for sending. */
void socket_set_buffer(int fd, int force, int plain, int bytes);

/* Attaches a filter that takes nothing. 0 or negative errno. */
int socket_drop_everything(int fd);

#endif
