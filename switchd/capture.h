/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies of traffic: mirrors into a pcapng file or to another port, and live
 * captures that switchctl reads. A capture sees one port (both directions) or a
 * whole segment (each frame once, as it comes in). It costs nothing where there
 * is none, and never holds the switch up: what a slow reader does not take is
 * dropped and counted.
 */
#ifndef TVD_CAPTURE_H
#define TVD_CAPTURE_H

#include <jansson.h>
#include <pcap/pcap.h>

#include "switchd/switchd.h"

struct capture;

enum capture_direction { CAPTURE_IN, CAPTURE_OUT }; /* into the switch, out of it */

enum capture_format { CAPTURE_PCAP, CAPTURE_PCAPNG };

struct capture_spec {
	const char *name;  /* NULL for a live capture */
	struct port *port; /* of what: one of the two */
	struct segment *segment;
	const char *file; /* for display; may be NULL */
	int fd;		  /* where to; taken over; -1: to_port */
	enum capture_format format;
	struct port *to_port;
	struct bpf_program filter; /* bf_len 0: everything; instructions are taken over */
};

/*
 * Starts a capture. 0 and *capture; -EEXIST for a name in use, -EINVAL for a
 * filter that is not valid, -ENOMEM. On failure fd and filter are freed too.
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
