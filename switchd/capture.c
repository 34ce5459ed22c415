/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/revive.h"
#include "switchd/egress.h"
#include "switchd/policy/policy.h"

LOG_MODULE("capture");

/* What a reader may lag behind. Enough for several superframes, the largest records. */
#define BUFFER_SIZE (256u * 1024u)

/* What the kernel accepts for its own filters: more is no filter of a person. */
#define FILTER_MAX 4096u

struct capture {
	struct list link;      /* in switchd.captures */
	struct list by_source; /* in the port's or the segment's captures */
	struct switchd *sw;
	char *name, *file; /* may be NULL */
	struct port *port; /* of what: one of the two */
	struct segment *segment;
	struct port *to_port; /* where to: this or fd */
	struct bpf_program filter;
	uint64_t frames, drops;
	void (*ended)(void *arg);
	void *arg;
	/* A capture must not go while lists are walked: capture_flush() reaps it. */
	bool dead;

	/* The rest if it goes to fd. */
	int fd;
	int fd_flags; /* to restore; -1: not changed */
	enum capture_format format;
	bool watched; /* among the readers */
	bool waiting; /* for the reader to take more */
	uint8_t *buffer;
	size_t start, used;
};

/*
 * Readers that may be slow or hang up. Their descriptors came from other processes,
 * which may still hold the same open files: epoll forgets such a file only if it
 * is told to, and libev, which leaves that to close(), takes what it hears
 * afterwards for a fork. So they have an epoll instance of their own inside
 * libev's. Without it, before capture_open(), each turn of the loop tries.
 */
static struct {
	int epoll;
	ev_io io;
} readers = {.epoll = -1};

/* A frame whose tag was put back, for filters. */
static uint8_t scratch[FRAME_LARGE + VLAN_TAG_LEN];

static const char *title(const struct capture *capture)
{
	return capture->name ? capture->name : "(live)";
}

static const char *source_name(const struct capture *capture)
{
	return capture->port ? capture->port->conf->name : capture->segment->conf.name;
}

/* ---- the way to a file, pipe or socket ---- */

/* Whether to be told that the reader can take more; of its end we are told anyhow. */
static void watch(struct capture *capture, bool waiting)
{
	struct epoll_event event = {.events = waiting ? EPOLLOUT : 0, .data.ptr = capture};

	if (!capture->watched || capture->waiting == waiting)
		return;
	(void)epoll_ctl(readers.epoll, EPOLL_CTL_MOD, capture->fd, &event); /* @syscall epoll_ctl */
	capture->waiting = waiting;
}

static void unwatch(struct capture *capture)
{
	if (capture->watched)
		(void)epoll_ctl(readers.epoll, EPOLL_CTL_DEL, capture->fd, NULL);
	capture->watched = capture->waiting = false;
}

static void end_later(struct capture *capture, const char *why)
{
	if (capture->name)
		log_warn("mirror %s of %s has ended: %s%s%s", capture->name, source_name(capture),
			 capture->file ? capture->file : "", capture->file ? ": " : "", why);
	else
		log_debug("live capture of %s has ended: %s", source_name(capture), why);
	unwatch(capture);
	capture->dead = true;
}

/* Writes until nothing is left or the reader takes no more, and then waits for it. */
static void drain(struct capture *capture)
{
	while (capture->used > 0 && !capture->dead) {
		ssize_t n = write(capture->fd, capture->buffer + capture->start,
				  capture->used); /* @syscall write */

		if (n > 0) {
			capture->start += (size_t)n;
			capture->used -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			watch(capture, true);
			return;
		} else if (n == 0) {
			end_later(capture, "nothing can be written");
		} else if (errno != EINTR) {
			end_later(capture,
				  errno == EPIPE ? "nobody reads it any more" : strerror(errno));
		}
	}
	capture->start = 0;
	watch(capture, false);
}

static void on_readers(struct ev_loop *loop, ev_io *io, int events)
{
	struct epoll_event ready[16];
	int count = epoll_wait(readers.epoll, ready, 16, 0); /* @syscall epoll_wait */

	revive(loop, io, events);
	for (int i = 0; i < count; i++) {
		struct capture *capture = ready[i].data.ptr;

		if (ready[i].events & (EPOLLERR | EPOLLHUP))
			end_later(capture, "nobody reads it any more");
		else
			drain(capture);
	}
}

static void record(struct capture *capture, const struct frame *frame, enum capture_direction dir,
		   uint64_t now)
{
	size_t need = capture_format_record_len(capture->format, frame), n;

	if (need > BUFFER_SIZE - capture->used) {
		capture->drops++;
		return;
	}
	if (need > BUFFER_SIZE - capture->used - capture->start) {
		memmove(capture->buffer, capture->buffer + capture->start, capture->used);
		capture->start = 0;
	}
	n = capture_format_record(capture->format, frame, dir, now,
				  capture->buffer + capture->start + capture->used,
				  BUFFER_SIZE - capture->start - capture->used);
	capture->used += n;
	capture->frames++;
	if (capture->used >= BUFFER_SIZE / 2 && !capture->waiting)
		drain(capture);
}

/* ---- the way to a port ---- */

static struct frame *copy_with_tag(const struct frame *frame)
{
	struct frame *copy;
	uint8_t *data;

	if (capture_format_frame_len(frame) == frame->len)
		return frame_clone(frame);
	copy = frame_copy(frame);
	data = copy ? frame_push(copy, VLAN_TAG_LEN) : NULL;
	if (!data) {
		frame_free(copy);
		return NULL;
	}
	capture_format_frame(frame, data);
	copy->tag.tpid = 0;
	return copy;
}

static void mirror(struct capture *capture, const struct frame *frame)
{
	struct frame *copy = capture->to_port->state ? copy_with_tag(frame) : NULL;

	if (!copy) {
		capture->drops++;
		return;
	}
	copy->origin = NULL; /* what becomes of a copy is not the sender's loss */
	capture->frames++;
	egress_port(capture->to_port, copy);
}

/* ---- frames ---- */

static bool wanted(const struct capture *capture, const struct frame *frame)
{
	const struct bpf_program *filter = &capture->filter;
	size_t len = capture_format_frame_len(frame);
	const uint8_t *data = frame->data;

	if (filter->bf_len == 0)
		return true;
	if (len != frame->len) {
		capture_format_frame(frame, scratch);
		data = scratch;
	}
	return bpf_filter(filter->bf_insns, data, (u_int)len, (u_int)len) != 0;
}

void capture_list(struct list *captures, const struct frame *frame, enum capture_direction dir)
{
	/* What a mirror sends is not captured again: two ports may mirror each other. */
	static bool busy;
	uint64_t now;

	if (busy)
		return;
	busy = true;
	now = clock_wall_ns();
	list_for_each (captures, it) {
		struct capture *capture = container_of(it, struct capture, by_source);

		if (capture->dead || !wanted(capture, frame))
			continue;
		if (capture->to_port)
			mirror(capture, frame);
		else
			record(capture, frame, dir, now);
	}
	busy = false;
}

/* ---- life ---- */

/*
 * libpcap lets filters jump backwards (for "protochain"), so a valid one may run
 * for ever. Here time is everybody's.
 */
static bool filter_is_safe(const struct bpf_program *filter)
{
	if (filter->bf_len > FILTER_MAX || !bpf_validate(filter->bf_insns, (int)filter->bf_len))
		return false;
	for (u_int i = 0; i < filter->bf_len; i++) {
		const struct bpf_insn *insn = &filter->bf_insns[i];

		if (insn->code == (BPF_JMP | BPF_JA) && insn->k > INT32_MAX)
			return false;
	}
	return true;
}

static struct capture *find(const struct switchd *sw, const char *name)
{
	list_for_each ((struct list *)&sw->captures, it) {
		struct capture *capture = container_of(it, struct capture, link);

		if (capture->name && !capture->dead && strcmp(capture->name, name) == 0)
			return capture;
	}
	return NULL;
}

static int check(const struct switchd *sw, const struct capture_spec *spec, struct err *err)
{
	if (spec->name && find(sw, spec->name))
		return err_set(err, EEXIST, "there is a mirror \"%s\" already", spec->name);
	if (spec->to_port && !policy_allows_mirror(sw, spec->port, spec->segment, spec->to_port))
		return err_set(err, EPERM,
			       "the flow policy closes what would be copied to port \"%s\"",
			       spec->to_port->conf->name);
	if (spec->port && spec->port == spec->to_port)
		return err_set(err, EINVAL, "port \"%s\" cannot be mirrored to itself",
			       spec->port->conf->name);
	if (spec->filter.bf_len && !filter_is_safe(&spec->filter))
		return err_set(
		    err, EINVAL,
		    "the filter is not valid, or jumps backwards as \"protochain\" does");
	return 0;
}

/*
 * A regular file makes us wait for nobody, and epoll takes none. Everything else
 * has a reader that may be slow.
 * @syscall newfstatat fcntl
 */
static int prepare_fd(struct capture *capture, struct err *err)
{
	struct epoll_event event = {.data.ptr = capture};
	struct stat st;
	int flags;

	if (fstat(capture->fd, &st) < 0)
		return err_set(err, errno, "the file to write: %s", strerror(errno));
	if (S_ISREG(st.st_mode))
		return 0;
	flags = fcntl(capture->fd, F_GETFL);
	if (flags < 0 ||
	    (!(flags & O_NONBLOCK) && fcntl(capture->fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return err_set(err, errno, "the file to write: %s", strerror(errno));
	if (!(flags & O_NONBLOCK))
		capture->fd_flags = flags;
	if (readers.epoll >= 0)
		capture->watched =
		    epoll_ctl(readers.epoll, EPOLL_CTL_ADD, capture->fd, &event) == 0;
	return 0;
}

static int prepare(struct capture *capture, const struct capture_spec *spec, struct err *err)
{
	if ((spec->name && !(capture->name = strdup(spec->name))) ||
	    (spec->file && !(capture->file = strdup(spec->file))))
		return err_set(err, ENOMEM, "out of memory");
	if (capture->fd < 0)
		return 0;
	capture->buffer = malloc(BUFFER_SIZE);
	if (!capture->buffer)
		return err_set(err, ENOMEM, "out of memory");
	capture->used = capture_format_header(capture->format, source_name(capture),
					      capture->buffer, BUFFER_SIZE);
	return prepare_fd(capture, err);
}

static void destroy(struct capture *capture)
{
	list_del(&capture->link);
	list_del(&capture->by_source);
	if (capture->fd >= 0) {
		unwatch(capture);
		if (capture->fd_flags >= 0)
			(void)fcntl(capture->fd, F_SETFL, capture->fd_flags);
		close(capture->fd); /* @syscall close */
	}
	pcap_freecode(&capture->filter);
	free(capture->buffer);
	free(capture->name);
	free(capture->file);
	free(capture);
}

int capture_start(struct switchd *sw, struct capture_spec *spec, struct capture **started,
		  struct err *err)
{
	struct capture *capture;
	int ret = check(sw, spec, err);

	capture = ret == 0 ? calloc(1, sizeof(*capture)) : NULL;
	if (!capture) {
		if (ret == 0)
			ret = err_set(err, ENOMEM, "out of memory");
		if (spec->fd >= 0)
			close(spec->fd);
		pcap_freecode(&spec->filter);
		return ret;
	}
	*capture = (struct capture){
	    .sw = sw,
	    .port = spec->port,
	    .segment = spec->segment,
	    .to_port = spec->to_port,
	    .filter = spec->filter,
	    .ended = spec->ended,
	    .arg = spec->arg,
	    .fd = spec->fd,
	    .fd_flags = -1,
	    .format = spec->format,
	};
	list_init(&capture->link);
	list_init(&capture->by_source);
	ret = prepare(capture, spec, err);
	if (ret < 0) {
		destroy(capture);
		return ret;
	}
	list_add_tail(&sw->captures, &capture->link);
	list_add_tail(capture->port ? &capture->port->captures : &capture->segment->captures,
		      &capture->by_source);
	log_debug("capture %s of %s begins", title(capture), source_name(capture));
	*started = capture;
	return 0;
}

void capture_stop(struct capture *capture)
{
	if (!capture)
		return;
	if (capture->fd >= 0)
		drain(capture);
	destroy(capture);
}

int capture_stop_name(struct switchd *sw, const char *name)
{
	struct capture *capture = find(sw, name);

	if (!capture)
		return -ENOENT;
	capture_stop(capture);
	return 0;
}

static void stop_and_tell(struct capture *capture)
{
	void (*ended)(void *) = capture->ended;
	void *arg = capture->arg;

	capture_stop(capture);
	if (ended)
		ended(arg);
}

void capture_port_gone(struct port *port)
{
	list_for_each_safe (&port->runtime->sw->captures, it) {
		struct capture *capture = container_of(it, struct capture, link);

		if (capture->port == port || capture->to_port == port)
			stop_and_tell(capture);
	}
}

void capture_segment_gone(struct segment *segment)
{
	list_for_each_safe (&segment->sw->captures, it) {
		struct capture *capture = container_of(it, struct capture, link);

		if (capture->segment == segment)
			stop_and_tell(capture);
	}
}

void capture_policy_changed(struct switchd *sw)
{
	list_for_each_safe (&sw->captures, it) {
		struct capture *capture = container_of(it, struct capture, link);

		if (!capture->to_port ||
		    policy_allows_mirror(sw, capture->port, capture->segment, capture->to_port))
			continue;
		log_warn("mirror %s ends: the flow policy closes what it copies to port %s",
			 title(capture), capture->to_port->conf->name);
		stop_and_tell(capture);
	}
}

int capture_open(struct switchd *sw)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	readers.epoll = fd;
	ev_io_init(&readers.io, on_readers, fd, EV_READ);
	ev_io_start(sw->loop, &readers.io);
	return 0;
}

void capture_close(struct switchd *sw)
{
	list_for_each_safe (&sw->captures, it)
		stop_and_tell(container_of(it, struct capture, link));
	if (readers.epoll < 0)
		return;
	ev_io_stop(sw->loop, &readers.io);
	close(readers.epoll);
	readers.epoll = -1;
}

void capture_flush(struct switchd *sw)
{
	list_for_each_safe (&sw->captures, it) {
		struct capture *capture = container_of(it, struct capture, link);

		if (capture->fd >= 0 && !capture->waiting)
			drain(capture);
		if (capture->dead)
			stop_and_tell(capture);
	}
}

json_t *capture_show(const struct capture *capture)
{
	json_t *json;

	if (!capture->name)
		return NULL;
	json = json_pack("{s:s, s:s, s:I, s:I}", "name", capture->name,
			 capture->port ? "port" : "segment", source_name(capture), "frames",
			 (json_int_t)capture->frames, "drops", (json_int_t)capture->drops);
	if (capture->to_port)
		json_object_set_new(json, "to_port", json_string(capture->to_port->conf->name));
	else
		json_object_set_new(json, "file",
				    capture->file ? json_string(capture->file) : json_null());
	return json;
}

struct capture *capture_of_link(struct list *link)
{
	return container_of(link, struct capture, link);
}
