/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What systemd is told of the service's state, sd_notify(3)'s protocol: lines of
 * KEY=VALUE in datagrams to $NOTIFY_SOCKET. Without that variable nothing here
 * does anything. Telling never blocks and never fails: a lost word costs at most
 * a late state, since the watchdog is fed again.
 */
#ifndef TVD_NOTIFY_H
#define TVD_NOTIFY_H

struct ev_loop;

/*
 * Connects, and feeds the watchdog from the loop if $WATCHDOG_USEC and
 * $WATCHDOG_PID ask this process to: a loop that hangs is noticed. Before the
 * sandbox.
 */
void notify_init(struct ev_loop *loop);

/* Serving, or serving again after a reload; `status` is for `systemctl status`. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *status);

void notify_close(void);

#endif
