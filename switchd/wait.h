/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the loop sleeps. For each sleep that has an end the kernel sets up a timer and takes
 * it down again, which is a fortieth of a round trip through the switch; and libev names an
 * end always, a minute where it has no timers. So there is one timer that the kernel runs by
 * itself, and sleeps that it ends soon enough have no end of their own.
 */
#ifndef TVD_WAIT_H
#define TVD_WAIT_H

struct ev_loop;

/*
 * From now on that loop, the only one of the process, calls tick(arg) each `ms`; sleeps of that
 * length or more have no end of their own. Before the sandbox. 0 or negative errno.
 */
int wait_start(struct ev_loop *loop, unsigned ms, void (*tick)(void *arg), void *arg);
void wait_stop(void);

/*
 * Lets whoever is woken by a frame run before this process, where both are on one core: its
 * answer is there then before this process would sleep, which saves that and being woken for
 * it. Before the sandbox; it is no matter if the kernel cannot.
 */
void wait_behind_others(void);

#endif
