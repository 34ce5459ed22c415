/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling switches which VLANs are needed here: the Applicant of MRP (IEEE 802.1Q,
 * clause 10), for the VIDs of one link and one protocol. What is said to the wire,
 * and what is heard from it, is mrp_pdu.h's.
 *
 * This is an Applicant-Only Participant: it declares what it needs, and it hears
 * whether that has to be said again. It has no Registrar and sends no LeaveAll,
 * since it does not prune: a host sends into its VLANs whoever has declared them,
 * so that a wire without MRP carries it as well. Hence there is no state LO either,
 * in which others are asked to declare what they need.
 *
 * Time is in milliseconds, of a clock that never goes back, and given by the caller.
 */
#ifndef TVD_MRP_H
#define TVD_MRP_H

#include <stdbool.h>
#include <stdint.h>

#define MRP_VID_MAX 4094u

#define MRP_JOIN_TIME 200u  /* JoinTime: between two transmissions */
#define MRP_PERIOD    1000u /* PeriodicTransmissionTime */
#define MRP_NEVER     UINT64_MAX

/* Table 10-3. V: Very anxious, A: Anxious, Q: Quiet, L: Leaving; O: observer, P: passive
 * member, N: new member, A: active member. */
enum mrp_state {
	MRP_VO,
	MRP_VP,
	MRP_VN,
	MRP_AN,
	MRP_AA,
	MRP_QA,
	MRP_LA,
	MRP_AO,
	MRP_QO,
	MRP_AP,
	MRP_QP,
	MRP_STATES
};

/* What happens to one VID: requests, what was heard (R), and time. */
enum mrp_event {
	MRP_NEW,
	MRP_JOIN,
	MRP_LEAVE,
	MRP_R_NEW,
	MRP_R_JOIN_IN,
	MRP_R_IN,
	MRP_R_JOIN_EMPTY,
	MRP_R_EMPTY,
	MRP_R_LEAVE,
	MRP_R_LEAVE_ALL,
	MRP_REDECLARE,
	MRP_PERIODIC,
	MRP_TRANSMIT,
	MRP_EVENTS
};

/* What a VID has to say at the next transmission. */
enum mrp_say { MRP_SAY_NOTHING, MRP_SAY_NEW, MRP_SAY_JOIN, MRP_SAY_LEAVE };

struct mrp {
	/* There is one other on the link, a switch: then nobody else's declaration
	 * stands for ours. */
	bool point_to_point;
	bool periodic; /* declares again each second */
	uint8_t state[MRP_VID_MAX + 1];
	unsigned declared; /* VIDs */
	unsigned pending;  /* VIDs that have something to say */
	uint64_t last_sent, send_at, period_at;
	uint32_t random;
};

/* Nothing declared, nothing to say. The seed spreads the transmissions of many hosts
 * on a link that is not point to point. */
void mrp_init(struct mrp *mrp, bool point_to_point, bool periodic, uint32_t seed);

/* Declares a VID (1 to MRP_VID_MAX), or withdraws it. Again is no change. */
void mrp_join(struct mrp *mrp, unsigned vid, uint64_t now);
void mrp_leave(struct mrp *mrp, unsigned vid, uint64_t now);

/* Whether it is declared, now or as soon as something can be sent. */
bool mrp_is_declared(const struct mrp *mrp, unsigned vid);

/* One of the MRP_R_ events, of one VID; or of all, where vid is 0. */
void mrp_heard(struct mrp *mrp, enum mrp_event event, unsigned vid, uint64_t now);

/* Whoever heard what was said may be gone: says it all again. */
void mrp_redeclare(struct mrp *mrp, uint64_t now);

/* When mrp_due() is to be asked next, or MRP_NEVER. */
uint64_t mrp_next(const struct mrp *mrp);

/* Whether it is time to transmit. */
bool mrp_due(struct mrp *mrp, uint64_t now);

/* What a VID has to say now. */
enum mrp_say mrp_say(const struct mrp *mrp, unsigned vid);

/* What VIDs first to last had to say has been sent. */
void mrp_said(struct mrp *mrp, unsigned first, unsigned last);

/* The end of a transmission, complete or not: what is left waits for the next. */
void mrp_transmitted(struct mrp *mrp, uint64_t now);

/* The state after an event (see Table 10-3). */
enum mrp_state mrp_next_state(enum mrp_state state, enum mrp_event event, bool point_to_point);

/* "VO", "QA" and so on. */
const char *mrp_state_name(enum mrp_state state);

#endif
