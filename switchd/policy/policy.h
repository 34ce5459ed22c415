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

struct policy {
	struct plan plan;	   /* points into the desired state in force */
	struct policy_flow *flows; /* in the order of the matrix */
	struct half within;	   /* of each domain to itself: open */
	struct flow_count within_count;
};

/* Another segment, whose local ports may get what comes in here. */
struct joint {
	struct segment *to;
	const struct plan_junction *junction;
	struct crossing crossing;
	struct flow_count *count;
	bool open;     /* everything passes */
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
