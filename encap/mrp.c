/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/mrp.h"

#include <assert.h>
#include <string.h>

static const char names[MRP_STATES][3] = {"VO", "VP", "VN", "AN", "AA", "QA",
					  "LA", "AO", "QO", "AP", "QP"};

/* What each state says when there is a transmission. QA, which may say its Join once
 * more where that saves bytes, does not: nor do those that may say that they are not. */
static const uint8_t says[MRP_STATES] = {
    [MRP_VP] = MRP_SAY_JOIN, [MRP_VN] = MRP_SAY_NEW,   [MRP_AN] = MRP_SAY_NEW,
    [MRP_AA] = MRP_SAY_JOIN, [MRP_LA] = MRP_SAY_LEAVE, [MRP_AP] = MRP_SAY_JOIN,
};

static const bool members[MRP_STATES] = {
    [MRP_VP] = true, [MRP_VN] = true, [MRP_AN] = true, [MRP_AA] = true,
    [MRP_QA] = true, [MRP_AP] = true, [MRP_QP] = true,
};

/*
 * Table 10-3, without LO. From AN it goes to QA only where the Registrar has heard of
 * the VID; there is none here, and so it goes to AA. What depends on the link is in
 * mrp_next_state().
 */
/* clang-format off */
#define ROW(vo, vp, vn, an, aa, qa, la, ao, qo, ap, qp)                                            \
	{MRP_##vo, MRP_##vp, MRP_##vn, MRP_##an, MRP_##aa, MRP_##qa, MRP_##la, MRP_##ao, MRP_##qo, \
	 MRP_##ap, MRP_##qp}
#define STAY	   ROW(VO, VP, VN, AN, AA, QA, LA, AO, QO, AP, QP)
#define NOT_THERE  ROW(VO, VP, VN, AN, AA, AA, LA, AO, AO, AP, AP)
#define SAY_AGAIN  ROW(VO, VP, VN, VN, VP, VP, LA, VO, VO, VP, VP)

static const uint8_t table[MRP_EVENTS][MRP_STATES] = {
	[MRP_NEW] =	     ROW(VN, VN, VN, AN, VN, VN, VN, VN, VN, VN, VN),
	[MRP_JOIN] =	     ROW(VP, VP, VN, AN, AA, QA, AA, AP, QP, AP, QP),
	[MRP_LEAVE] =	     ROW(VO, VO, LA, LA, LA, LA, LA, AO, QO, AO, QO),
	[MRP_R_NEW] =	     STAY,
	[MRP_R_JOIN_IN] =    ROW(AO, AP, VN, AN, QA, QA, LA, QO, QO, QP, QP),
	[MRP_R_IN] =	     STAY,
	[MRP_R_JOIN_EMPTY] = NOT_THERE,
	[MRP_R_EMPTY] =	     NOT_THERE,
	[MRP_R_LEAVE] =	     SAY_AGAIN,
	[MRP_R_LEAVE_ALL] =  SAY_AGAIN,
	[MRP_REDECLARE] =    SAY_AGAIN,
	[MRP_PERIODIC] =     ROW(VO, VP, VN, AN, AA, AA, LA, AO, QO, AP, AP),
	[MRP_TRANSMIT] =     ROW(VO, AA, AN, AA, QA, QA, VO, AO, QO, QA, QP),
};
/* clang-format on */

enum mrp_state mrp_next_state(enum mrp_state state, enum mrp_event event, bool point_to_point)
{
	assert(state < MRP_STATES && event < MRP_EVENTS);
	/* A switch that declares a VID has not thereby heard that we do. */
	if (point_to_point && event == MRP_R_JOIN_IN && (state == MRP_VO || state == MRP_VP))
		return state;
	/* Only there is it ours that the other one has. */
	if (point_to_point && event == MRP_R_IN && state == MRP_AA)
		return MRP_QA;
	return (enum mrp_state)table[event][state];
}

const char *mrp_state_name(enum mrp_state state)
{
	return state < MRP_STATES ? names[state] : "?";
}

void mrp_init(struct mrp *mrp, bool point_to_point, bool periodic, uint32_t seed)
{
	memset(mrp, 0, sizeof(*mrp));
	mrp->point_to_point = point_to_point;
	mrp->periodic = periodic;
	mrp->send_at = mrp->period_at = MRP_NEVER;
	mrp->random = seed;
}

static uint32_t random_below(struct mrp *mrp, uint32_t limit)
{
	mrp->random = mrp->random * 1664525u + 1013904223u;
	return (mrp->random >> 8) % limit;
}

/*
 * The next transmission: at once, but no two within JoinTime, where there are two on
 * the link; else at random, so that not all answer together and who hears another say
 * the same can be quiet.
 */
static void request(struct mrp *mrp, uint64_t now)
{
	uint64_t at = now;

	if (mrp->pending == 0 || mrp->send_at != MRP_NEVER)
		return;
	if (!mrp->point_to_point)
		at = now + 1 + random_below(mrp, MRP_JOIN_TIME);
	else if (mrp->last_sent && mrp->last_sent + MRP_JOIN_TIME > now)
		at = mrp->last_sent + MRP_JOIN_TIME;
	mrp->send_at = at;
}

static void apply(struct mrp *mrp, unsigned vid, enum mrp_event event)
{
	enum mrp_state old = (enum mrp_state)mrp->state[vid];
	enum mrp_state next = mrp_next_state(old, event, mrp->point_to_point);

	mrp->state[vid] = (uint8_t)next;
	mrp->declared = mrp->declared + members[next] - members[old];
	mrp->pending =
	    mrp->pending + (says[next] != MRP_SAY_NOTHING) - (says[old] != MRP_SAY_NOTHING);
}

static void apply_to_all(struct mrp *mrp, enum mrp_event event)
{
	for (unsigned vid = 1; vid <= MRP_VID_MAX; vid++)
		apply(mrp, vid, event);
}

void mrp_join(struct mrp *mrp, unsigned vid, uint64_t now)
{
	assert(vid >= 1 && vid <= MRP_VID_MAX);
	apply(mrp, vid, MRP_JOIN);
	if (mrp->periodic && mrp->period_at == MRP_NEVER)
		mrp->period_at = now + MRP_PERIOD;
	request(mrp, now);
}

void mrp_leave(struct mrp *mrp, unsigned vid, uint64_t now)
{
	assert(vid >= 1 && vid <= MRP_VID_MAX);
	apply(mrp, vid, MRP_LEAVE);
	if (mrp->declared == 0)
		mrp->period_at = MRP_NEVER;
	request(mrp, now);
}

bool mrp_is_declared(const struct mrp *mrp, unsigned vid)
{
	return members[mrp->state[vid]];
}

void mrp_heard(struct mrp *mrp, enum mrp_event event, unsigned vid, uint64_t now)
{
	assert(vid <= MRP_VID_MAX);
	if (vid)
		apply(mrp, vid, event);
	else
		apply_to_all(mrp, event);
	request(mrp, now);
}

void mrp_redeclare(struct mrp *mrp, uint64_t now)
{
	apply_to_all(mrp, MRP_REDECLARE);
	request(mrp, now);
}

uint64_t mrp_next(const struct mrp *mrp)
{
	return mrp->send_at < mrp->period_at ? mrp->send_at : mrp->period_at;
}

bool mrp_due(struct mrp *mrp, uint64_t now)
{
	if (now >= mrp->period_at) {
		mrp->period_at = now + MRP_PERIOD;
		apply_to_all(mrp, MRP_PERIODIC);
		request(mrp, now);
	}
	/* What there was to say may have been answered meanwhile. */
	if (now >= mrp->send_at && mrp->pending == 0)
		mrp->send_at = MRP_NEVER;
	return now >= mrp->send_at;
}

enum mrp_say mrp_say(const struct mrp *mrp, unsigned vid)
{
	return (enum mrp_say)says[mrp->state[vid]];
}

void mrp_said(struct mrp *mrp, unsigned first, unsigned last)
{
	assert(first >= 1 && last <= MRP_VID_MAX);
	for (unsigned vid = first; vid <= last; vid++)
		apply(mrp, vid, MRP_TRANSMIT);
}

void mrp_transmitted(struct mrp *mrp, uint64_t now)
{
	mrp->last_sent = now;
	mrp->send_at = MRP_NEVER;
	request(mrp, now);
}
