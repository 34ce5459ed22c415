/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors of ports that outlived the process that opened them: handed over by
 * a predecessor, or kept by systemd's descriptor store. Each has a name that
 * says which port it belongs to and what interface that wants, so that a port
 * that was configured otherwise meanwhile does not get it.
 */
#ifndef TVD_INHERIT_H
#define TVD_INHERIT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "switchd/port/port.h"

#define INHERIT_NAME_MAX 255u /* systemd's limit of FDNAME */
#define INHERIT_MOST	 65536u
#define INHERIT_STATE	 "state" /* the descriptor of what was saved, see saved.h */

/* "port.", the port's name, a hash of its interface */
#define INHERIT_PORT_NAME (NAME_MAX_LEN + 32)

struct inherit;

/* NULL when out of memory. */
struct inherit *inherit_create(void);

/* Closes what nobody took; of those that systemd keeps it is told to let go. */
void inherit_destroy(struct inherit *inherit);

/*
 * Puts a descriptor, which is taken whatever happens. 0; -EINVAL for a name that
 * cannot be one, -EEXIST, -ENOMEM, -ENOSPC.
 */
int inherit_add(struct inherit *inherit, const char *name, int fd, bool stored);

/*
 * What systemd passes, from the values of $LISTEN_PID, $LISTEN_FDS and
 * $LISTEN_FDNAMES (each may be NULL), in descriptors from `first` on. 0, also when
 * nothing was passed to this process; -EINVAL with a message if it is not what
 * systemd would pass: then nothing is taken.
 */
#define INHERIT_FIRST 3
int inherit_listen(struct inherit *inherit, const char *pid, const char *count, const char *names,
		   int first, struct err *err);

/* The descriptor of that name, now the caller's, or -1. `stored` (may be NULL):
 * whether systemd has it. */
int inherit_take(struct inherit *inherit, const char *name, bool *stored);

size_t inherit_left(const struct inherit *inherit);

/* The name for the descriptor of a port of that configuration; false if the type
 * has none to pass on. */
bool inherit_port_name(const struct port_conf *conf, char name[INHERIT_PORT_NAME]);

#endif
