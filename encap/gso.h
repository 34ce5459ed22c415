/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Completing what a guest left to its "hardware": cutting superframes into
 * segments, and filling in checksums. Pure functions on frames; everything that
 * the metadata claims is checked against the headers first.
 */
#ifndef TVD_GSO_H
#define TVD_GSO_H

#include <stddef.h>

#include "lib/frame.h"

/* What the other end of a port or encap takes as it is. */
#define OFFLOAD_CSUM 0x01u /* partial checksums */
#define OFFLOAD_TSO4 0x02u
#define OFFLOAD_TSO6 0x04u
#define OFFLOAD_USO  0x08u
#define OFFLOAD_NONE 0u
#define OFFLOAD_ALL  0x0fu

/*
 * More segments than this are no honest superframe: no Linux sends TCP segments of
 * less than 48 bytes with their options, and one that lies would have us make
 * 65,000 packets of one read.
 */
#define OFFLOAD_SEGMENTS_MAX 2048u

/*
 * Whether the offload metadata agrees with the headers: a partial checksum lies
 * inside the frame; a superframe is whole TCP or UDP of the version it claims,
 * not an IP fragment, with its checksum start at the transport header, and has a
 * gso_size that is not 0 and cuts it into at most OFFLOAD_SEGMENTS_MAX segments.
 * REASON_NONE or REASON_BAD_OFFLOAD. What guests claim
 * goes through here once, where it comes in. A superframe loses its Ethernet
 * padding; one that needs only one segment is turned into an ordinary frame; and
 * one whose checksums somebody trusted has verified gets a partial one, for which
 * it has to be private, or REASON_NO_BUFFER is possible.
 */
enum reason offload_check(struct frame *frame);

/* The OFFLOAD_ bits that the frame needs of whoever takes it as it is. */
unsigned offload_needs(const struct frame *frame);

/* How many frames a frame stands for: 1, or the segments of a superframe as far as
 * its metadata can be believed. For counters. */
unsigned offload_segments(const struct frame *frame);

/*
 * Fills in a partial checksum. The frame must be private (frame_writable) and
 * checked. UDP's 0 becomes 0xffff. REASON_NONE or REASON_BAD_OFFLOAD.
 */
enum reason offload_complete_checksum(struct frame *frame);

/*
 * Payload bytes of a segment so that no segment is longer than max_len bytes
 * (Ethernet header included): gso_size or less; 0 if not even one byte fits. A
 * datagram cannot be cut: for UDP it is gso_size or 0.
 */
unsigned gso_fit(const struct frame *frame, size_t max_len);

/* Called for each segment in order; takes ownership of it. */
typedef void gso_emit_fn(void *arg, struct frame *segment);

/*
 * Cuts a checked superframe into frames with `size` payload bytes each, complete
 * with checksums, IP ids that count up, lengths, sequence numbers, and FIN, PSH
 * and CWR only where they belong. Takes ownership of the superframe. UDP: each
 * segment becomes a datagram of its own. A size above gso_size means gso_size.
 * Returns the number of segments emitted. *reason is REASON_NONE, or why not all
 * (REASON_NO_BUFFER: the pool ran dry) or none (REASON_OVERSIZE: size is 0, or
 * would cut a datagram; REASON_BAD_OFFLOAD: it was never checked) were; counting
 * that is the caller's.
 * Segments carry the superframe's tag, peer and origin.
 */
unsigned gso_segment(struct frame_pool *pool, struct frame *frame, unsigned size, gso_emit_fn *emit,
		     void *arg, enum reason *reason);

/*
 * Lowers the MSS option of a TCP SYN to what fits `max_len` bytes of frame
 * (Ethernet header included), keeping the checksum right, partial or whole.
 * Copies a shared frame first. Returns whether it changed anything; frames that
 * are no SYN, fragments, or malformed options are left alone.
 */
bool mss_clamp(struct frame *frame, size_t max_len);

#endif
