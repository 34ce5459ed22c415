/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switchd: options, start-up, the loop, and the way down.
 *
 * Start-up goes from many privileges to few: read and check the configuration;
 * open what needs privileges; switch user if asked; drop what later additions of
 * ports do not need; lock the system calls down; serve.
 */
#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ctl.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "switchd/accelerate.h"
#include "switchd/capture.h"
#include "switchd/commit.h"
#include "switchd/connections.h"
#include "switchd/control.h"
#include "switchd/egress.h"
#include "switchd/inherit.h"
#include "switchd/nexthop.h"
#include "switchd/notify.h"
#include "switchd/policy/gateway.h"
#include "switchd/port/bulk.h"
#include "switchd/ports_links.h"
#include "switchd/privileges.h"
#include "switchd/reload.h"
#include "switchd/rtnl.h"
#include "switchd/saved.h"
#include "switchd/segment.h"
#include "switchd/sieve.h"
#include "switchd/snooping.h"
#include "switchd/takeover.h"
#include "switchd/uplink.h"
#include "switchd/wait.h"

LOG_MODULE("main");

#define AGED_AT_ONCE  512u /* entries of the FDB, each with an event */
#define SECOND_MS     1000u
#define NETLINK_DELAY 0.01 /* seconds in which changes of interfaces are taken together */

struct signals {
	ev_signal hup, term, intr;
};

/* ---- the turn of the loop ---- */

static void on_wakeup(struct ev_loop *loop, ev_check *check, int events)
{
	struct switchd *sw = check->data;

	(void)loop;
	(void)events;
	sw->now = clock_ms();
	sw->wakeups++;
}

/* While it is active, the loop looks for events without sleeping. */
static void on_spin(struct ev_loop *loop, ev_idle *idle, int events)
{
	(void)loop;
	(void)idle;
	(void)events;
}

/* To be woken takes longer than to look once more: for a while after the last frames, if
 * `busy_poll` says so, others may have the processor only when the kernel takes it. */
static void sleep_or_spin(struct switchd *sw)
{
	uint64_t ns = (uint64_t)sw->desired.busy_poll * 1000u, now;

	if (ns == 0) {
		ev_idle_stop(sw->loop, &sw->spin);
		return;
	}
	now = clock_ns();
	if (sw->worked)
		sw->spin_until = now + ns;
	if (now < sw->spin_until)
		ev_idle_start(sw->loop, &sw->spin);
	else
		ev_idle_stop(sw->loop, &sw->spin);
}

static void on_sleep(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct switchd *sw = prepare->data;

	(void)loop;
	(void)events;
	egress_flush(sw);
	capture_flush(sw);
	sleep_or_spin(sw);
	sw->work.wakeups += sw->worked;
	sw->worked = false;
}

/* When more has aged than is removed at once, the rest waits for the next turn. */
static void on_ageing(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct switchd *sw = timer->data;

	(void)events;
	if (!connections_age(sw) || fdb_age_some(sw->fdb, sw->now, AGED_AT_ONCE) == AGED_AT_ONCE)
		ev_timer_start(loop, &sw->ageing);
}

static void on_second(void *arg)
{
	struct switchd *sw = arg;

	ev_timer_start(sw->loop, &sw->ageing);
	sw->last_second.wakeups = sw->work.wakeups - sw->second_ago.wakeups;
	sw->last_second.frames = sw->work.frames - sw->second_ago.frames;
	sw->last_second.segments = sw->work.segments - sw->second_ago.segments;
	sw->second_ago = sw->work;
	if (sw->uplinks_unseen)
		uplinks_refresh(sw);
	if (sw->links_unseen)
		ports_follow_links(sw);
	gateways_tick(sw);
	list_for_each (&sw->uplinks, it)
		accelerate_follow(container_of(it, struct uplink, link));
	sieves_retry(sw->sieves);
	list_for_each (&sw->segments, it)
		segment_encaps_open(container_of(it, struct segment, link));
	snooping_second(sw);
	connections_second(sw);
}

static void on_uplinks_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	uplinks_refresh(timer->data);
	ports_follow_links(timer->data);
}

static void on_netlink(void *arg)
{
	struct switchd *sw = arg;

	if (!ev_is_active(&sw->uplinks_soon)) {
		ev_timer_set(&sw->uplinks_soon, NETLINK_DELAY, 0.);
		ev_timer_start(sw->loop, &sw->uplinks_soon);
	}
}

static void on_hup(struct ev_loop *loop, ev_signal *signal, int events)
{
	(void)loop;
	(void)events;
	reload_ask_told(signal->data);
}

static void on_end(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct switchd *sw = signal->data;

	(void)events;
	sw->told_to_end = true;
	log_info("signal %d: ending", signal->signum);
	ev_break(loop, EVBREAK_ALL);
}

/* ---- life ---- */

static int start_watchers(struct switchd *sw, struct signals *signals)
{
	ev_check_init(&sw->wakeup, on_wakeup);
	ev_set_priority(&sw->wakeup, EV_MAXPRI); /* before whoever asks for the time */
	sw->wakeup.data = sw;
	ev_check_start(sw->loop, &sw->wakeup);
	ev_prepare_init(&sw->flush, on_sleep);
	sw->flush.data = sw;
	ev_prepare_start(sw->loop, &sw->flush);
	ev_idle_init(&sw->spin, on_spin);
	ev_timer_init(&sw->ageing, on_ageing, 0., 0.);
	sw->ageing.data = sw;
	ev_timer_init(&sw->uplinks_soon, on_uplinks_soon, NETLINK_DELAY, 0.);
	sw->uplinks_soon.data = sw;
	ev_signal_init(&signals->hup, on_hup, SIGHUP);
	ev_signal_init(&signals->term, on_end, SIGTERM);
	ev_signal_init(&signals->intr, on_end, SIGINT);
	signals->hup.data = signals->term.data = signals->intr.data = sw;
	ev_signal_start(sw->loop, &signals->hup);
	ev_signal_start(sw->loop, &signals->term);
	ev_signal_start(sw->loop, &signals->intr);
	return wait_start(sw->loop, SECOND_MS, on_second, sw);
}

static void stop_watchers(struct switchd *sw, struct signals *signals)
{
	ev_signal_stop(sw->loop, &signals->hup);
	ev_signal_stop(sw->loop, &signals->term);
	ev_signal_stop(sw->loop, &signals->intr);
	wait_stop();
	ev_timer_stop(sw->loop, &sw->ageing);
	ev_timer_stop(sw->loop, &sw->uplinks_soon);
	ev_prepare_stop(sw->loop, &sw->flush);
	ev_idle_stop(sw->loop, &sw->spin);
	ev_check_stop(sw->loop, &sw->wakeup);
}

/* ---- what a former process has left ---- */

#define STATE_NONE  (-1)
#define DYING_TRIES 200
#define DYING_US    10000

struct heritage {
	bool asked;		  /* to take over from a running predecessor */
	struct takeover takeover; /* that */
	struct saved *saved;	  /* what it knew */
	int state;		  /* where this process saves what it knows, for the next */
};

/* From systemd. Without it the switch starts all the same, as after a first boot. */
static void take_from_systemd(struct switchd *sw, struct heritage *heritage)
{
	struct port_heritage file;
	struct err err;

	if (inherit_listen(sw->inherit, getenv("LISTEN_PID"), getenv("LISTEN_FDS"),
			   getenv("LISTEN_FDNAMES"), INHERIT_FIRST, &err) < 0)
		log_warn("nothing is taken from systemd's descriptor store: %s", err.text);
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (inherit_take(sw->inherit, INHERIT_STATE, &file, NULL) < 0)
		return;
	if (!heritage->asked && saved_read(heritage->saved, file.fd[0], &err) < 0) {
		log_warn("%s: only descriptors are kept", err.text);
		saved_destroy(heritage->saved);
		heritage->saved = saved_create();
	}
	port_heritage_clear(&file);
	if (heritage->saved)
		saved_states(heritage->saved, sw->inherit);
}

/* A file in memory that systemd keeps too: empty until this process ends in order,
 * since then no file can be made. */
static void prepare_state(struct heritage *heritage)
{
	if (!notify_listened())
		return;
	notify_unstore(INHERIT_STATE);
	heritage->state = memfd_create("switchd-state", MFD_CLOEXEC);
	if (heritage->state >= 0)
		notify_store(INHERIT_STATE, heritage->state);
}

/* 0; or negative errno: then a predecessor goes on. */
static int take_over(struct switchd *sw, struct heritage *heritage, struct desired *desired,
		     struct err *err)
{
	int ret;

	if (!heritage->asked) {
		if (saved_objects(heritage->saved, desired, err) < 0)
			log_warn("what switchctl had added is left out: %s", err->text);
		return 0;
	}
	ret = takeover_ask(&heritage->takeover, desired->control, heritage->saved, err);
	if (ret < 0)
		return ret;
	ret = saved_objects(heritage->saved, desired, err);
	if (ret < 0)
		return ret;
	/* From here on the predecessor may have to go on with all that is touched. */
	sw->port_host.succeeded = sw->encap_host.handed_over = true;
	return takeover_go(&heritage->takeover, sw->inherit, heritage->saved, err);
}

static int open_control(struct switchd *sw, struct heritage *heritage, const char *path,
			struct err *err)
{
	int fd = heritage->takeover.control, ret = -EADDRINUSE;

	if (fd < 0) {
		/* A predecessor that has died closes its last descriptors just now. */
		for (int tries = heritage->takeover.gone ? DYING_TRIES : 1;
		     tries > 0 && ret == -EADDRINUSE; tries--) {
			ret =
			    ctl_server_open(&sw->control, sw->loop, path, control_request, sw, err);
			if (ret == -EADDRINUSE && tries > 1)
				(void)usleep(DYING_US);
		}
		return ret;
	}
	ret = ctl_server_adopt(&sw->control, sw->loop, path, fd, control_request, sw, err);
	if (ret < 0)
		return ret;
	ctl_server_share(sw->control, true);
	heritage->takeover.control = -1;
	return 0;
}

/* All is ready: now it is this process that serves. */
static int end_takeover(struct switchd *sw, struct heritage *heritage, struct err *err)
{
	int ret = takeover_serving(&heritage->takeover, sw->inherit, err);

	if (ret < 0)
		return ret;
	sw->port_host.succeeded = sw->encap_host.handed_over = false;
	ctl_server_share(sw->control, false);
	list_for_each (&sw->ports, it)
		container_of(it, struct port_runtime, link)->port->shared = false;
	return 0;
}

/* Ports have what they could use, and the FDB has where to put what is known. */
static void end_heritage(struct switchd *sw, const struct heritage *heritage, size_t descriptors)
{
	size_t left = inherit_left(sw->inherit), entries, connections, neighbours;

	inherit_destroy(sw->inherit);
	sw->inherit = NULL;
	sw->now = clock_ms();
	entries = saved_fdb(heritage->saved, sw);
	connections = saved_connections(heritage->saved, sw);
	neighbours = saved_neighbours(heritage->saved, sw);
	saved_relays(heritage->saved, sw);
	if (heritage->asked || descriptors || entries)
		log_info("kept from before: %zu ports, %zu entries of the FDB, %zu connections, "
			 "%zu neighbours",
			 descriptors - left, entries, connections, neighbours);
}

/* ---- from start to end ---- */

/* As many as may be: a client on a socket takes two. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Everything that may need more privileges than the loop will have. */
static int start(struct switchd *sw, struct heritage *heritage, struct desired *desired,
		 struct err *err)
{
	bool seccomp = desired->seccomp;
	const char *user;
	size_t kept;
	int ret;

	ret = take_over(sw, heritage, desired, err);
	if (ret < 0)
		return ret;
	user = desired->user;
	if (user[0]) {
		ret = privileges_find_user(user, &sw->port_host.uid, &sw->port_host.gid, err);
		if (ret < 0)
			return ret;
	}
	raise_descriptors();
	if (desired->yield)
		wait_behind_others();
	sw->encap_host.ids_shared = desired->ids == IDS_SHARED;
	/* The control socket is at no other process's path, and stays there. */
	sw->port_host.instance = (uint32_t)hash_bytes(&(const struct hash_key){{0, 0}},
						      desired->control, strlen(desired->control));
	if (mkdir(desired->run_dir, 0755) == 0 && user[0])
		(void)privileges_give(desired->run_dir, user);
	sw->sieves = sieves_create(sw->rtnl, sw->port_host.instance);
	if (!sw->sieves)
		return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
	ret = open_control(sw, heritage, desired->control, err);
	if (ret < 0)
		return ret;
	if (user[0])
		(void)privileges_give(desired->control, user);
	kept = inherit_left(sw->inherit);
	if (!heritage->asked)
		accelerate_recover(sw);
	ret = commit(sw, desired, err);
	if (ret < 0)
		return ret;
	if (!heritage->asked) {
		ports_recover(sw);
		uplinks_recover(sw);
		sieves_recover(sw->sieves);
	}
	prepare_state(heritage);
	user = sw->desired.user;
	if (user[0]) {
		ret = privileges_switch_user(user, err);
		if (ret < 0)
			return ret;
	}
	sw->uid = sw->port_host.uid_now = geteuid();
	ret = privileges_drop(seccomp, err);
	if (ret == 0 && heritage->asked)
		ret = end_takeover(sw, heritage, err);
	if (ret == 0)
		end_heritage(sw, heritage, kept);
	return ret;
}

/* Until it is told to end, or a successor serves: then the channel to that, else -1. */
static int run(struct switchd *sw, struct heritage *heritage)
{
	size_t segments = sw->desired.segments.count, ports = sw->desired.ports.count;
	int successor;

	log_info("serving %s: %zu segment%s, %zu port%s; control socket %s", sw->config_file,
		 segments, segments == 1 ? "" : "s", ports, ports == 1 ? "" : "s",
		 sw->desired.control);
	notify_ready("serving");
	if (heritage->asked)
		takeover_watch(&heritage->takeover, sw);
	do {
		ev_run(sw->loop, 0);
		successor = sw->told_to_end ? -1 : takeover_hand_over(sw);
	} while (!sw->told_to_end && successor < 0);
	notify_stopping();
	sw->now = clock_ms();
	if (successor < 0 && heritage->state >= 0 && saved_write(sw, heritage->state) < 0)
		log_warn("what was learned is not kept for the next start");
	return successor;
}

static int serve(const char *config_file, struct desired *desired, bool takeover)
{
	struct heritage heritage = {
	    takeover, {.channel = -1, .control = -1}, saved_create(), STATE_NONE};
	struct signals signals;
	struct switchd sw;
	struct err err = {""};
	int ret = switchd_init(&sw, config_file), successor = -1;

	sw.inherit = inherit_create();
	if (!heritage.saved || !sw.inherit)
		ret = -ENOMEM;
	if (ret == 0)
		ret = rtnl_open(&sw.rtnl, sw.loop, on_netlink, &sw);
	if (ret == 0)
		ret = nexthops_open(&sw.nexthops, sw.loop, sw.rtnl, &sw.now);
	if (ret == 0)
		ret = capture_open(&sw);
	if (ret < 0) {
		log_error("cannot start: %s", strerror(-ret));
		switchd_fini(&sw);
		saved_destroy(heritage.saved);
		return EXIT_FAILURE;
	}
	sw.port_host.rtnl = sw.rtnl;
	sw.port_host.bulk = bulk_create();
	notify_init(sw.loop);
	take_from_systemd(&sw, &heritage);
	ret = start_watchers(&sw, &signals);
	if (ret < 0)
		(void)err_set(&err, -ret, "no timer: %s", strerror(-ret));
	else
		ret = start(&sw, &heritage, desired, &err);
	saved_destroy(heritage.saved);
	if (ret < 0)
		log_error("cannot start: %s", err.text);
	else
		successor = run(&sw, &heritage);
	stop_watchers(&sw, &signals);
	notify_close();
	if (heritage.takeover.sw) /* its watcher is in the loop */
		takeover_close(&heritage.takeover);
	switchd_fini(&sw);
	/* Not before: then a successor opens what was open here; or a predecessor goes on,
	 * and undoes what was left. */
	if (successor >= 0)
		close(successor);
	takeover_close(&heritage.takeover);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void usage(FILE *out)
{
	(void)fprintf(out, "usage: switchd [-c FILE] [-t] [-T] [-V] [-h] [-v]...\n"
			   "  -c, --config FILE  configuration (default " CONFIG_FILE_DEFAULT ")\n"
			   "  -t, --test         check the configuration and exit\n"
			   "  -T, --takeover     take over from the switchd that serves now\n"
			   "  -v, --verbose      log more: debug messages\n"
			   "  -V, --version      print the version and exit\n"
			   "  -h, --help         print this and exit\n"
			   "See switchd(8) and switchd.conf(5).\n");
}

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"takeover", no_argument, NULL, 'T'},
    {"test", no_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void print_warning(const char *text)
{
	(void)fprintf(stderr, "%s\n", text);
}

static bool wants_bpf(const struct desired *desired)
{
	const struct uplink_conf *uplinks = desired->uplinks.items;

	for (size_t i = 0; i < desired->uplinks.count; i++) {
		if (uplinks[i].fast == FAST_BPF)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	const char *config_file = CONFIG_FILE_DEFAULT;
	struct desired desired;
	bool test = false, verbose = false, takeover = false;
	struct err err = {""};
	int ret, option;

	while ((option = getopt_long(argc, argv, "c:tTVhv", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config_file = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'T':
			takeover = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'V':
			(void)printf("switchd (tvdswitch) %s\n", TVD_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr,
			      "switchd: '%s' is no option (a configuration stands behind -c)\n",
			      argv[optind]);
		usage(stderr);
		return 2;
	}
	log_init();
	(void)umask(0); /* whatever is made has its mode said */
	memset(&desired, 0, sizeof(desired));
	if (desired_load(&desired, config_file, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return EXIT_FAILURE;
	}
	if (test) {
		desired_warn(&desired, NULL, print_warning);
		config_policy_note(&desired, print_warning);
		(void)printf("%s: good\n", config_file);
		desired_clear(&desired);
		return EXIT_SUCCESS;
	}
	if (verbose)
		desired.log_level = LOG_LEVEL_DEBUG;
	/* A reader that hangs up is an error of a write, not the end of the switch. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (wants_bpf(&desired))
		privileges_want_bpf();
	if (privileges_check(desired.user, &err) < 0) {
		(void)fprintf(stderr, "switchd: %s\n", err.text);
		desired_clear(&desired);
		return EXIT_FAILURE;
	}
	ret = serve(config_file, &desired, takeover);
	desired_clear(&desired);
	return ret;
}
