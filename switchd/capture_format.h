/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of capture files: classic pcap with time stamps of nanoseconds, and
 * pcapng with one interface, in the byte order of this machine, as both formats
 * want it. Nothing here does I/O.
 */
#ifndef TVD_CAPTURE_FORMAT_H
#define TVD_CAPTURE_FORMAT_H

#include "lib/frame.h"

enum capture_format { CAPTURE_PCAP, CAPTURE_PCAPNG };

enum capture_direction { CAPTURE_IN, CAPTURE_OUT }; /* into the switch, out of it */

/* What readers allocate for a packet; more than any frame has, so none is cut. */
#define CAPTURE_SNAPLEN 262144u

/* What stands in front of the first record; `name` is of the interface (pcapng,
 * cut to CAPTURE_NAME_MAX). Bytes written, 0 if they do not fit. */
#define CAPTURE_NAME_MAX   255u
#define CAPTURE_HEADER_MAX 384u
size_t capture_format_header(enum capture_format format, const char *name, uint8_t *to,
			     size_t room);

/* Bytes of a frame's record, and of its frame: a tag beside the bytes counts. */
size_t capture_format_frame_len(const struct frame *frame);
size_t capture_format_record_len(enum capture_format format, const struct frame *frame);

/* The frame's bytes, its tag put back where it was; capture_format_frame_len() of them. */
void capture_format_frame(const struct frame *frame, uint8_t *to);

/* One record, `time_ns` since the epoch. Bytes written, 0 if it does not fit whole. */
size_t capture_format_record(enum capture_format format, const struct frame *frame,
			     enum capture_direction dir, uint64_t time_ns, uint8_t *to,
			     size_t room);

#endif
