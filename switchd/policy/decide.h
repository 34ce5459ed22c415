/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * May this frame cross from one segment to another? The rules of
 * switchd-forwarding(7), "Controlled flows", in one function, for transparent
 * junctions and gateways alike.
 *
 * A flow has two halves: what the sender's domain lets out and what the receiver's lets in. A
 * frame passes if both agree, or if it belongs to a connection that they let in and
 * that lets its answers back. Answers need the word of both domains, too: a domain gives
 * it by a stateful rule, or else by its half of the opposite flow.
 */
#ifndef TVD_DECIDE_H
#define TVD_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "learn/fdb.h"
#include "lib/frame.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "lib/reason.h"
#include "switchd/policy/rules.h"

struct conn_info;
struct conns;

enum half_kind { HALF_CLOSED, HALF_CONTROLLED, HALF_OPEN }; /* from the strictest */

/* What one domain says of one flow. */
struct half {
	const char *name;			/* for the log: "alpha -> beta (out)" */
	int kind;				/* enum half_kind */
	bool audit;				/* what it refuses passes, is counted and logged */
	bool log;				/* what it refuses is logged */
	struct rules *rules;			/* of a controlled one; not NULL then */
	uint64_t refused_frames, refused_bytes; /* in an audit, those that would have been */
	struct log_limit limit;
};

/*
 * The flow from one segment to another, and the opposite one, of which answers
 * make use. NULL is a closed half. Made at commit; decide() counts in the halves.
 */
struct crossing {
	struct half *out, *in;		 /* the sender's, the receiver's */
	struct half *back_out, *back_in; /* of the opposite flow: the receiver's, the sender's */
};

/* The frame that asks. */
struct crossing_frame {
	const struct frame *frame;
	const struct packet *packet;	/* packet_parse() of it */
	uint16_t from, to;		/* numbers of segments (of the FDB), different */
	const struct fdb_where *sender; /* where it came in: whose share of the table it uses */
	/* Names of the local ports where it comes from and goes to; NULL: a wire, or not
	 * known. See crossing_per_port(). */
	const char *from_port, *to_port;
	uint64_t now;
	bool probe; /* a trace or a check: nothing may change, nothing is counted */
};

enum decision_by {
	DECISION_BY_FLOW,	/* the halves alone: both open, or one closed */
	DECISION_BY_RULE,	/* rules, of which each controlled half has one that matches */
	DECISION_BY_CONNECTION, /* a connection let in before */
	DECISION_BY_STATE,	/* a connection, of which it cannot be a part; or none */
	DECISION_BY_FORM,	/* what it is: a fragment, tagged, broken */
};

enum decision_half { DECISION_OUT, DECISION_IN, DECISION_HALVES };

struct decision {
	enum reason reason; /* REASON_NONE: it passes */
	enum decision_by by;
	enum decision_half half; /* of what is refused (or would be, but for an audit): by which */
	bool answer;		 /* it passes, or not, as an answer */
	enum reason audited;	 /* passes, but only because a half is in audit mode: why not */
	/* The rules that let it pass, where its own halves are; NULL: none was asked. */
	const struct rule *rule[DECISION_HALVES];
};

/*
 * Decides. `conns` may be NULL where no flow is controlled. Counts and logs, and makes
 * or moves on the connection, unless it is a probe.
 */
struct decision decide(struct conns *conns, const struct crossing *crossing,
		       const struct crossing_frame *cf);

/* Whether the answer may depend on the ports: else one decision holds for all receivers
 * in a segment, and one call is enough (a second one would count twice). */
bool crossing_per_port(const struct crossing *crossing);

/* Whether a connection, which began in the direction of this crossing, is still let in: for
 * conns_sweep(), after a change. */
bool crossing_keeps(const struct crossing *crossing, const struct conn_info *info);

/*
 * Whether everything passes and nothing need be noted, so that nobody has to be asked: it is
 * open, and no connection of the opposite flow needs to hear of its answers.
 */
bool crossing_is_free(const struct crossing *crossing);

/* The stricter of two halves; NULL is closed. */
enum half_kind crossing_kind(const struct half *out, const struct half *in);

/* What was decided, as a sentence for a trace; returns buf. */
const char *decision_text(const struct decision *decision, const struct crossing *crossing,
			  char *buf, size_t size);

#endif
