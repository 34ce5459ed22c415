/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies of traffic: mirrors into a pcapng file or to another port, and live
 * captures that switchctl reads. A capture sees one port (both directions) or a
 * whole segment (each frame once, as it comes in). It costs nothing where there
 * is none, and never holds the switch up: what a slow reader does not take is
 * dropped and counted. Frames are shown as they pass: superframes whole, a
 * checksum that is left to the receiver not summed yet, a tag in its place.
 */
#ifndef TVD_CAPTURE_H
#define TVD_CAPTURE_H

#include <jansson.h>
#include <pcap/pcap.h>

#include "switchd/capture_format.h"
#include "switchd/switchd.h"

struct capture;

struct capture_spec {
	const char *name;  /* NULL for a live capture */
	struct port *port; /* of what: one of the two */
	struct segment *segment;
	const char *file; /* for display; may be NULL */
	/*
	 * Where to, taken over; -1: to_port. Unless it is a regular file it is
	 * made non-blocking while the capture lasts, which whoever else holds
	 * the same open file notices.
	 */
	int fd;
	enum capture_format format;
	struct port *to_port;
	struct bpf_program filter; /* bf_len 0: everything; instructions are taken over */
	/*
	 * Told when the capture ends otherwise than by capture_stop(): its reader
	 * is gone, its file cannot be written, its port or segment goes. May be
	 * NULL. The capture is gone when it returns; it may not start or stop others.
	 */
	void (*ended)(void *arg);
	void *arg;
};

/* Once, before the sandbox, when sw->loop is there; negative errno on failure. */
int capture_open(struct switchd *sw);

/* Ends all captures, and what capture_open() has opened. */
void capture_close(struct switchd *sw);

/*
 * Starts a capture. 0 and *capture; -EEXIST for a name in use, -EINVAL for a
 * filter that is not valid or a port mirrored to itself, -ENOMEM. On failure fd
 * and filter are freed too.
 */
int capture_start(struct switchd *sw, struct capture_spec *spec, struct capture **capture,
		  struct err *err);

/* Ends it: what is buffered is written as far as that does not block. NULL is fine. */
void capture_stop(struct capture *capture);

/* -ENOENT if there is none of that name. */
int capture_stop_name(struct switchd *sw, const char *name);

/* Ends captures of, and to, a port, or of a segment, that is about to go. */
void capture_port_gone(struct port *port);
void capture_segment_gone(struct segment *segment);

/* Ends mirrors that copy what they may not any more. */
void capture_policy_changed(struct switchd *sw);

/* Writes what this turn of the loop has captured, and takes away captures that
 * cannot go on. Once a turn, before the loop sleeps. */
void capture_flush(struct switchd *sw);

/* A new JSON object for `mirror show`; NULL for a live capture. */
json_t *capture_show(const struct capture *capture);
struct capture *capture_of_link(struct list *link); /* member of switchd.captures */

/* For capture_port() and capture_segment(). */
void capture_list(struct list *captures, const struct frame *frame, enum capture_direction dir);

static inline void capture_port(struct port *port, const struct frame *frame,
				enum capture_direction dir)
{
	if (!list_empty(&port->captures))
		capture_list(&port->captures, frame, dir);
}

static inline void capture_segment(struct segment *segment, const struct frame *frame)
{
	if (!list_empty(&segment->captures))
		capture_list(&segment->captures, frame, CAPTURE_IN);
}

#endif
