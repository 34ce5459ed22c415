/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accelerator of EtherIP over IPv4 (`fast = "bpf"`): the kernel cuts superframes and
 * merges what arrives, which it does for many segments at once where we would pay for each.
 *
 * To send, a superframe is written to a helper TAP. A program there puts the outer headers
 * in front and hands it to the uplink, where it is cut: the network header is still that of
 * the frame inside, so what is before it, all 50 bytes, counts as the link's and is copied
 * to each segment. No filter of the uplink is needed for that, so nothing can leave without
 * its outer headers when somebody takes filters away. To receive, an XDP program of the
 * uplink takes the outer headers off and leaves a mark with the source and the EtherIP
 * header beside the packet; the driver's side of the kernel merges what has equal marks; a
 * tc program hands what is marked to the helper TAP, behind a label that says the same. What
 * nobody has marked is not touched, so nothing that has no outer header gets in.
 *
 * All this is for TCP between two hosts, whole, without tags and fragments. Everything else
 * goes and comes by sockets; and so does the first packet from any source, which has to be
 * accepted there before the XDP program hears of that source. What comes by the TAP is
 * judged once more like any datagram, so the program's table decides about speed alone.
 *
 * The host loads and attaches the programs (switchd/accelerate.h); here is the traffic.
 */
#ifndef TVD_ACCEL_H
#define TVD_ACCEL_H

#include "encap/accel_bpf.h"
#include "encap/encap.h"

struct accel;

/*
 * For an uplink, with the memory that the programs use, of which the first is the caller's
 * and stays his, and the helper TAP without its offloads, which is read from now on. 0, or
 * negative errno.
 */
int accel_open(struct accel **out, struct encap_host *host, const struct encap_uplink *uplink,
	       struct accel_shared *shared, int tap);
void accel_close(struct accel *accel);

/* What it may do from now on. What is on the way arrives all the same. */
void accel_allow(struct accel *accel, bool send, bool receive);

/* Whether the TAP neither gives nor takes anything any more: somebody has set it down, or
 * deleted it. What is sent goes the default way from then on. */
bool accel_failed(const struct accel *accel);

/* Frames that came by the TAP: the host compares them with what the XDP program took. */
uint64_t accel_received(const struct accel *accel);

/* ---- for EtherIP ---- */

/* Whether a superframe can be sent to its peer as it is now. `frame` begins with its
 * Ethernet header. */
bool accel_can_send(struct accel *accel, const struct frame *frame);

/*
 * Takes those frames out of a batch that go this way; they begin with the EtherIP header.
 * All superframes do: what cannot be sent any more is dropped and counted. Frames of one
 * flow stay in order.
 */
void accel_send(struct accel *accel, struct encap *encap, struct frame_batch *batch, uint8_t ttl);

/* A datagram of this source with this EtherIP header was accepted: the next ones may be
 * taken from the uplink. */
void accel_accept(struct accel *accel, const struct ipaddr *src, const uint8_t header[2]);

#endif
