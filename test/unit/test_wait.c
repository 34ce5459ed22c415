/* SPDX-License-Identifier: BSD-2-Clause */
/* How the loop sleeps: until the next tick, and no shorter time is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <ev.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "switchd/wait.h"

struct world {
	struct ev_loop *loop;
	unsigned ticks, timers;
};

static void on_tick(void *arg)
{
	struct world *w = arg;

	w->ticks++;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct world *w = timer->data;

	(void)loop;
	(void)events;
	w->timers++;
}

static void run_until(struct world *w, const unsigned *what, unsigned count)
{
	for (unsigned turns = 0; *what < count && turns < 100000; turns++)
		(void)ev_run(w->loop, EVRUN_ONCE);
	assert_true(*what >= count);
}

static void ticks_end_sleeps(void **state)
{
	struct world w = {.loop = ev_loop_new(EVFLAG_NOENV)};

	(void)state;
	assert_non_null(w.loop);
	assert_int_equal(wait_start(w.loop, 2, on_tick, &w), 0);
	run_until(&w, &w.ticks, 3); /* libev would sleep for a minute */
	wait_stop();
	wait_stop();
	ev_loop_destroy(w.loop);
}

/* Those that are due before a tick, and those that are due after many. */
static void timers_keep_their_time(void **state)
{
	struct world w = {.loop = ev_loop_new(EVFLAG_NOENV)};
	ev_timer timer;

	(void)state;
	assert_non_null(w.loop);
	assert_int_equal(wait_start(w.loop, 3600000, on_tick, &w), 0);
	ev_timer_init(&timer, on_timer, 0.001, 0.);
	timer.data = &w;
	ev_timer_start(w.loop, &timer);
	run_until(&w, &w.timers, 1);
	assert_int_equal(w.ticks, 0);
	wait_stop();
	assert_int_equal(wait_start(w.loop, 1, on_tick, &w), 0);
	ev_now_update(w.loop);
	ev_timer_set(&timer, 0.01, 0.);
	ev_timer_start(w.loop, &timer);
	run_until(&w, &w.timers, 2);
	assert_true(w.ticks > 1);
	wait_stop();
	ev_loop_destroy(w.loop);
}

/* Else all works as well, and slower. */
static void libev_waits_here(void **state)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	(void)state;
	if (!libc) {
		skip();
	} else {
		assert_ptr_not_equal(dlsym(RTLD_DEFAULT, "epoll_wait"), dlsym(libc, "epoll_wait"));
		(void)dlclose(libc);
	}
}

static struct sched_attr scheduled(void)
{
	struct sched_attr attr = {.size = 0};

	assert_int_equal(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0), 0);
	return attr;
}

/* Another policy is somebody's choice, and stays as it is. */
static void others_go_first(void **state)
{
	struct sched_attr before = scheduled(), batch = before, after;

	(void)state;
	if (before.sched_policy != SCHED_NORMAL)
		skip();
	wait_behind_others();
	after = scheduled();
	assert_int_equal(after.sched_policy, before.sched_policy);
	assert_int_equal(after.sched_nice, before.sched_nice);
	/* Before Linux 6.12 it is 0, and stays that. */
	assert_int_equal(after.sched_runtime, 2 * before.sched_runtime);
	batch.size = sizeof(batch);
	batch.sched_policy = SCHED_BATCH;
	assert_int_equal(syscall(SYS_sched_setattr, 0, &batch, 0), 0);
	wait_behind_others();
	assert_int_equal(scheduled().sched_runtime, before.sched_runtime);
	assert_int_equal(scheduled().sched_policy, SCHED_BATCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ticks_end_sleeps),
	    cmocka_unit_test(timers_keep_their_time),
	    cmocka_unit_test(libev_waits_here),
	    cmocka_unit_test(others_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
