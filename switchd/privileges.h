/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Isolation of switchd, in stages:
 *
 *   start      CAP_NET_ADMIN and CAP_NET_RAW in the network namespace it runs in,
 *              from file or ambient capabilities or from being root of a user
 *              namespace; uid 0 is never needed. With `user` also CAP_SETUID and
 *              CAP_SETGID. It may open anything, look up users, load plugins.
 *   user       no more files than that user, and no other groups.
 *   dropped    exactly CAP_NET_ADMIN and CAP_NET_RAW, and CAP_BPF if it was there and
 *              an uplink has asked for it, for ever: nothing that is
 *              executed could get more (no_new_privs, empty bounding set where it
 *              may be emptied). It may still open devices, namespaces and its
 *              configuration, and make interfaces and sockets.
 *   sandbox    only the system calls of sandbox.h.
 *
 * Why two capabilities stay: ports, uplinks and segments are added while the
 * switch runs. Making and moving a TAP needs CAP_NET_ADMIN, raw and packet sockets
 * need CAP_NET_RAW. The other way, a monitor process that keeps them and answers
 * requests for descriptors, would have to be as mighty as its requests are: who
 * may ask it for any interface of this network namespace gains nothing by not
 * holding the capability himself. A network namespace that holds only the
 * switch's interfaces is the better wall, and costs nothing.
 *
 * Core dumps stay possible (PR_SET_DUMPABLE is left at 1): a fault that leaves no
 * trace is not repaired. They contain guests' frames; who minds sets LimitCORE=0.
 * It opens no way in: without CAP_NET_ADMIN and CAP_NET_RAW of their own, other
 * processes of the same user cannot trace this one.
 */
#ifndef TVD_PRIVILEGES_H
#define TVD_PRIVILEGES_H

#include <stdbool.h>

#include "lib/err.h"

/*
 * Before the check, where an uplink has `fast = "bpf"`: CAP_BPF is to stay, if it is there.
 * Loading programs later, for an uplink that comes or a kernel's interface that is
 * replaced, needs it. A configuration that asks for it later has to do without.
 */
void privileges_want_bpf(void);

/*
 * At start: whether what is needed is there, and makes effective what is only
 * permitted. `user` may be NULL or empty. 0; -EPERM for a missing capability,
 * -ENOENT for an unknown user, with a message that says how to help.
 */
int privileges_check(const char *user, struct err *err);

/* The numbers of a user and of its group. 0; or -ENOENT or another with a message. */
int privileges_find_user(const char *user, unsigned *uid, unsigned *gid, struct err *err);

/* Makes a file or directory that belongs to the switch the user's. Before the
 * switch to that user. Negative errno if that cannot be done. */
int privileges_give(const char *path, const char *user);

/* Becomes that user, in its group and no other, and keeps the two capabilities.
 * Nothing if `user` is NULL or empty. */
int privileges_switch_user(const char *user, struct err *err);

/* Drops everything but the two capabilities, and enters the sandbox if asked. */
int privileges_drop(bool seccomp, struct err *err);

#endif
