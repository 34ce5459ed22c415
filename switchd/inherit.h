/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What outlived the process that opened it: descriptors of ports, and states that go
 * with them, handed over by a predecessor or kept by systemd's descriptor store.
 * Each has a name that says which port it belongs to and what that wants to be
 * attached to, so that a port that was configured otherwise meanwhile does not get
 * it. The descriptors of one port share a name.
 */
#ifndef TVD_INHERIT_H
#define TVD_INHERIT_H

#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "switchd/port/port.h"

#define INHERIT_NAME_MAX 255u /* systemd's limit of FDNAME */
#define INHERIT_MOST	 65536u
#define INHERIT_STATE	 "state" /* the descriptor of what was saved, see saved.h */

/* "port.", the port's name (a port of many has two parts and a '/'), '.', and a hash of
 * what it is attached to */
#define INHERIT_PORT_NAME (2 * NAME_MAX_LEN + 32)

static_assert(INHERIT_PORT_NAME <= INHERIT_NAME_MAX + 1, "systemd takes the names of all ports");

struct inherit;

/* NULL when out of memory. */
struct inherit *inherit_create(void);

/* Closes what nobody took; of those that systemd keeps it is told to let go. */
void inherit_destroy(struct inherit *inherit);

/*
 * Puts a descriptor, which is taken whatever happens, beside those of the same name. 0;
 * -EINVAL for a name that cannot be one, -ENOMEM, -ENOSPC.
 */
int inherit_add(struct inherit *inherit, const char *name, int fd, bool stored);

/* Puts the state that goes with the descriptors of that name, if there are any. */
void inherit_set_state(struct inherit *inherit, const char *name, json_t *state);

/*
 * What systemd passes, from the values of $LISTEN_PID, $LISTEN_FDS and
 * $LISTEN_FDNAMES (each may be NULL), in descriptors from `first` on. 0, also when
 * nothing was passed to this process; -EINVAL with a message if it is not what
 * systemd would pass: then nothing is taken.
 */
#define INHERIT_FIRST 3
int inherit_listen(struct inherit *inherit, const char *pid, const char *count, const char *names,
		   int first, struct err *err);

/* All of that name, now the caller's. 0 or -ENOENT. `stored` (may be NULL): whether
 * systemd has the descriptors too. */
int inherit_take(struct inherit *inherit, const char *name, struct port_heritage *heritage,
		 bool *stored);

/* Whether anything of that name can be taken. */
bool inherit_has(const struct inherit *inherit, const char *name);

/* How many names nobody has taken, and which. */
size_t inherit_left(const struct inherit *inherit);
void inherit_each_left(const struct inherit *inherit, void (*fn)(void *arg, const char *name),
		       void *arg);

/* The name for the descriptor of a port of that configuration; false if the type
 * has none to pass on. */
bool inherit_port_name(const struct port_conf *conf, char name[INHERIT_PORT_NAME]);

#endif
