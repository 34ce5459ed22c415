/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switchd/commit.h"
#include "switchd/events.h"
#include "switchd/notify.h"

LOG_MODULE("commit");

/* So often it begins anew because others change something all the time; then it does all
 * at once. */
#define AGAIN_MOST 3u

#define PAUSE_SECONDS 0.005

struct reload {
	struct switchd *sw;
	ev_timer step;
	struct desired_loading *loading; /* NULL: it has read all */
	struct desired next;
	uint64_t commits; /* how many there were when the next state was checked */
	enum { IDLE, LOAD, CHECK, COMMIT } doing;
	uint64_t asked, begun, ended; /* numbers of the last that were */
	unsigned again;
	bool told; /* systemd waits */
	int ret;   /* of the last that has ended */
	struct err err;
};

/* For who asks systemd. */
static void say_state(const struct err *err)
{
	char status[sizeof(struct err) + 64];

	if (!err) {
		notify_status("serving");
		return;
	}
	(void)snprintf(status, sizeof(status), "serving; the last reload was refused: %.*s",
		       (int)strcspn(err->text, "\n"), err->text);
	notify_status(status);
}

static void finish(struct reload *reload, int ret)
{
	struct switchd *sw = reload->sw;
	struct err *err = &reload->err;

	desired_loading_end(reload->loading);
	reload->loading = NULL;
	if (ret < 0) {
		desired_clear(&reload->next);
		sw->reload_failures++;
		log_error("reload refused%s: %s", ret == -ENOMEM ? "" : ", nothing changed",
			  err->text);
	} else {
		sw->reloads++;
		log_info("reloaded %s", sw->config_file);
	}
	event_reload(sw, ret < 0 ? err->text : NULL);
	say_state(ret < 0 ? err : NULL);
	reload->doing = IDLE;
	reload->again = 0;
	reload->ret = ret;
	reload->ended = reload->begun;
	if (reload->told && reload->ended == reload->asked) {
		reload->told = false;
		notify_ready(NULL);
	}
}

static int begin(struct reload *reload)
{
	reload->begun = reload->asked;
	memset(&reload->next, 0, sizeof(reload->next));
	reload->loading = desired_loading_begin(reload->sw->config_file);
	reload->doing = LOAD;
	return reload->loading ? 0 : err_set(&reload->err, ENOMEM, "out of memory");
}

static int load(struct reload *reload)
{
	int ret = desired_loading_step(reload->loading, &reload->next, &reload->err);

	if (ret != 0)
		return ret < 0 ? ret : 0;
	desired_loading_end(reload->loading);
	reload->loading = NULL;
	ret = desired_keep(&reload->next, &reload->sw->desired, &reload->err);
	reload->commits = reload->sw->commits;
	reload->doing = CHECK;
	return ret;
}

static int check(struct reload *reload)
{
	reload->doing = COMMIT;
	return desired_check(&reload->next, &reload->err);
}

/* Does one step. false: there is nothing more to do. */
static bool step(struct reload *reload)
{
	int ret = 0;

	/* Somebody else has changed something since: what he has made is to be kept. */
	if (reload->doing > LOAD && reload->commits != reload->sw->commits) {
		desired_clear(&reload->next);
		reload->doing = IDLE;
		reload->again++;
	}
	switch (reload->doing) {
	case IDLE:
		ret = begin(reload);
		break;
	case LOAD:
		ret = load(reload);
		break;
	case CHECK:
		ret = check(reload);
		break;
	case COMMIT:
		ret = commit_checked(reload->sw, &reload->next, &reload->err);
		finish(reload, ret);
		return reload->asked != reload->ended;
	}
	if (ret < 0)
		finish(reload, ret);
	return reload->doing != IDLE || reload->asked != reload->ended;
}

/* After a step that took long there are some turns without one: a request that came
 * meanwhile takes two or three until its answer is there. */
static void on_step(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct reload *reload = timer->data;
	const uint64_t begun = clock_ns();
	double pause;
	bool more;

	(void)events;
	do
		more = step(reload);
	while (more && reload->again > AGAIN_MOST);
	if (!more)
		return;
	pause = (double)(clock_ns() - begun) / 1e9 / 2;
	if (pause > PAUSE_SECONDS)
		pause = PAUSE_SECONDS;
	ev_now_update(loop);
	ev_timer_set(timer, pause > PAUSE_SECONDS / 10 ? pause : 0., 0.);
	ev_timer_start(loop, timer);
}

uint64_t reload_ask(struct switchd *sw)
{
	struct reload *reload = sw->reload;

	if (!ev_is_active(&reload->step)) {
		ev_timer_set(&reload->step, 0., 0.);
		ev_timer_start(sw->loop, &reload->step);
	}
	return ++reload->asked;
}

void reload_ask_told(struct switchd *sw)
{
	notify_reloading();
	sw->reload->told = true;
	(void)reload_ask(sw);
}

int reload_result(const struct switchd *sw, uint64_t number, struct err *err)
{
	const struct reload *reload = sw->reload;

	if (reload->ended < number)
		return -EINPROGRESS;
	*err = reload->err;
	return reload->ret;
}

int reload_open(struct switchd *sw)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (!reload)
		return -ENOMEM;
	reload->sw = sw;
	ev_timer_init(&reload->step, on_step, 0., 0.);
	reload->step.data = reload;
	sw->reload = reload;
	return 0;
}

void reload_close(struct switchd *sw)
{
	struct reload *reload = sw->reload;

	if (!reload)
		return;
	ev_timer_stop(sw->loop, &reload->step);
	desired_loading_end(reload->loading);
	desired_clear(&reload->next);
	free(reload);
	sw->reload = NULL;
}
