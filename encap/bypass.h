/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending IP packets past the kernel's network stack, where their way is known: the
 * Ethernet and IP headers are ours then, the source is the uplink's address, and one
 * call sends a batch. What cannot go this way goes through a socket, as always.
 */
#ifndef TVD_BYPASS_H
#define TVD_BYPASS_H

#include "encap/encap.h"

struct bypass;
struct list;

/* What is sent is the same but for length and destination. */
struct bypass_to {
	uint8_t protocol;
	uint8_t ttl;
};

/*
 * One for each interface, in a list of all; counted. 0; or negative errno, when this
 * kernel, or another process that has the interface already, does not let us: see
 * xsk_open().
 */
int bypass_get(struct list *all, const struct encap_uplink *uplink, struct bypass **bypass);
void bypass_put(struct bypass *bypass);

/* Whether it is still the one for the uplink. */
bool bypass_fits(const struct bypass *bypass, const struct encap_uplink *uplink);

enum bypass_result {
	BYPASS_ADDED,
	BYPASS_NOT,  /* it cannot go this way now: the caller sends it otherwise */
	BYPASS_FULL, /* the device takes no more */
};

/* Copies one packet's payload for sending. */
enum bypass_result bypass_add(struct bypass *bypass, struct encap_host *host,
			      const struct encap_uplink *uplink, const struct ipaddr *dst,
			      const struct bypass_to *to, const struct frame *payload);

/* Sends what was added since, so many packets. 0, or negative errno: they are lost. What
 * the device has no room for now goes with the next, or with bypass_resume(). */
int bypass_flush(struct bypass *bypass, unsigned *packets);

/* Sends what a device that was full has left, if there is any: due now and then. */
void bypass_resume(struct bypass *bypass);

#endif
