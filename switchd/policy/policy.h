/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow policy in force, and where segments meet on this host. Made anew at each
 * commit: halves that say the same go on with their counters, rules and connections.
 */
#ifndef TVD_POLICY_H
#define TVD_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "switchd/policy/decide.h"
#include "switchd/policy/plan.h"
#include "switchd/switchd.h"

/* What has passed, or has not, from one domain to another on this host. */
struct flow_count {
	uint64_t frames, bytes, refused;
};

/* The flow between two domains of which a half is stated. */
struct policy_flow {
	struct half *half[MATRIX_SIDES]; /* NULL: closed, since nobody states it */
	struct flow_count count;
};

/* Of each pair of segments that was asked for lately; see policy_sweep(). */
#define POLICY_RECENT 64u

struct policy_recent {
	const struct segment *from, *to;
	bool any; /* the crossing is not closed */
	struct crossing crossing;
};

struct policy {
	struct plan plan;	   /* points into the desired state in force */
	struct policy_flow *flows; /* in the order of the matrix */
	struct half within;	   /* of each domain to itself: open */
	struct flow_count within_count;
	uint64_t domains; /* a hash of which segments there are, and of which domains */
	bool anew;	  /* a half is another than in the one before, or gone */
	/* Connections that ended since it changed, until all were looked at; whether monitors are
	 * to be told then. */
	size_t ended;
	bool tell;
	struct policy_recent recent[POLICY_RECENT];
};

/* Another segment, whose local ports may get what comes in here. */
struct joint {
	struct segment *to;
	const struct plan_junction *junction;
	struct crossing crossing;
	struct flow_count *count;
	bool free;     /* crossing_is_free() */
	bool mute;     /* nothing ever does, nor is the answer to what comes from there */
	bool per_port; /* crossing_per_port() */
	bool passes;   /* of the frame that is being flooded: it does */
};

/* Of one segment. */
struct joints {
	size_t count;
	struct joint at[];
};

/*
 * Brings policy and junctions in line with a checked configuration, whose segments are there
 * already; `next` has to stay where its lists are. 0, or -ENOMEM with nothing
 * changed.
 */
int policy_apply(struct switchd *sw, const struct desired *next);

/*
 * Ends some of the connections that the policy in force does not let in any more, and when it has
 * seen all of them tells how many; until then they are there for nobody who looks for
 * them. false: not all yet, call it again soon.
 */
bool policy_sweep(struct switchd *sw);

/* A segment is about to go: it meets nobody any more. */
void policy_segment_gone(struct segment *segment);

/* No policy at all, with which nothing crosses. */
void policy_clear(struct switchd *sw);

/* The crossing from one segment to another; where it counts. NULL: nowhere, it is closed. */
struct flow_count *policy_crossing(struct policy *policy, const struct segment *from,
				   const struct segment *to, struct crossing *crossing);

/*
 * Whether what passes a port (or, where that is NULL, a segment) may be copied to another
 * port: a mirror is a flow, too, which nothing holds back. It may not where that is closed, nor
 * where the way that it makes would join others that are, unless the port that gets it says
 * that this is meant.
 */
bool policy_allows_mirror(const struct switchd *sw, struct port *port,
			  const struct segment *segment, struct port *to);

/* The joint of a segment to another, or NULL. */
struct joint *policy_joint(const struct segment *from, const struct segment *to);

#endif
