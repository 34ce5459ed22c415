/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What systemd is told of the service's state, sd_notify(3)'s protocol: lines of
 * KEY=VALUE in datagrams to $NOTIFY_SOCKET. Without that variable nothing here
 * does anything. Telling never blocks and never fails: a lost word costs at most
 * a late state, since the watchdog is fed again.
 */
#ifndef TVD_NOTIFY_H
#define TVD_NOTIFY_H

#include <stdbool.h>

struct ev_loop;

/*
 * Connects, and feeds the watchdog from the loop if $WATCHDOG_USEC and
 * $WATCHDOG_PID ask this process to: a loop that hangs is noticed. Before the
 * sandbox.
 */
void notify_init(struct ev_loop *loop);

/* Serving, or serving again after a reload; `status` is for `systemctl status`, NULL
 * leaves it as it is. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *status);

/*
 * Gives systemd a copy of a descriptor to keep over a restart, under a name (see
 * sd_pid_notify_with_fds(3)), and takes those of a name back. A descriptor whose
 * interface goes, systemd drops by itself.
 */
bool notify_listened(void);
void notify_store(const char *name, int fd);
void notify_unstore(const char *name);

void notify_close(void);

#endif
