/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/decide.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "lib/flow.h"
#include "switchd/policy/conn.h"

LOG_MODULE("policy");

/* What rules see of a packet with extension headers: enough for any header that they may look at.
 */
#define VIEW_MAX 2048u

static_assert(CONN_HALVES == DECISION_HALVES, "a connection has the word of each half");

/* One frame that asks, and what is known of it so far. */
struct ask {
	struct conns *conns;
	const struct crossing *crossing;
	const struct crossing_frame *cf;
	struct flow_info flow;
	struct conn *conn; /* whose part it is, or would be */
	bool back;	   /* to who began that */
	struct decision d;
	struct rule *rule[DECISION_HALVES];   /* d.rule, to be counted in */
	struct half *waived[DECISION_HALVES]; /* halves that would have refused it */
};

/* ---- halves ---- */

enum half_kind crossing_kind(const struct half *out, const struct half *in)
{
	const int a = out ? out->kind : HALF_CLOSED, b = in ? in->kind : HALF_CLOSED;

	return (enum half_kind)(a < b ? a : b);
}

static bool is_controlled(const struct half *half)
{
	return half && half->kind == HALF_CONTROLLED;
}

static bool is_closed(const struct half *half)
{
	return !half || half->kind == HALF_CLOSED;
}

bool crossing_is_free(const struct crossing *crossing)
{
	return crossing_kind(crossing->out, crossing->in) == HALF_OPEN &&
	       !is_controlled(crossing->back_out) && !is_controlled(crossing->back_in);
}

static bool has_ports(const struct half *half)
{
	return is_controlled(half) && half->rules->has_ports;
}

bool crossing_per_port(const struct crossing *crossing)
{
	return has_ports(crossing->out) || has_ports(crossing->in) ||
	       has_ports(crossing->back_out) || has_ports(crossing->back_in);
}

static struct half *half_of(const struct crossing *crossing, unsigned which)
{
	return which == DECISION_OUT ? crossing->out : crossing->in;
}

/* The half that has given its word for a connection; `which` as seen from who began it. */
static struct half *half_that_let_in(const struct ask *a, unsigned which)
{
	if (!a->back)
		return half_of(a->crossing, which);
	return which == DECISION_OUT ? a->crossing->back_out : a->crossing->back_in;
}

static enum reason refusal_of(unsigned which)
{
	return which == DECISION_OUT ? REASON_POLICY_OUT : REASON_POLICY_IN;
}

/* ---- rules ---- */

/*
 * A receiver looks behind extension headers, and so do rules: what they see is the
 * packet as it would be without. libpcap itself would find no port there, and a rule that
 * excludes one could be got round.
 */
static struct rule *match_behind_extensions(const struct ask *a, const struct rules *rules)
{
	const struct crossing_frame *cf = a->cf;
	const struct packet *packet = cf->packet;
	const size_t head = packet->l3_off + sizeof(struct ipv6_header);
	const size_t gone = packet->l4_off - head;
	uint8_t view[VIEW_MAX];
	struct ipv6_header ip;
	size_t len = cf->frame->len - packet->l4_off;

	if (len > sizeof(view) - head)
		len = sizeof(view) - head;
	memcpy(view, cf->frame->data, head);
	memcpy(&ip, view + packet->l3_off, sizeof(ip));
	ip.next_header = packet->protocol;
	ip.payload_len = htons((uint16_t)(ntohs(ip.payload_len) - gone));
	memcpy(view + packet->l3_off, &ip, sizeof(ip));
	memcpy(view + head, cf->frame->data + packet->l4_off, len);
	return rules_match(rules, view, (uint32_t)(head + len), (uint32_t)(cf->frame->len - gone),
			   cf->from_port, cf->to_port);
}

static struct rule *match(const struct ask *a, const struct rules *rules)
{
	const struct crossing_frame *cf = a->cf;

	if (a->flow.moved)
		return match_behind_extensions(a, rules);
	return rules_match(rules, cf->frame->data, cf->frame->len, cf->frame->len, cf->from_port,
			   cf->to_port);
}

/* Whether a frame answers something, or goes on with it: alone it makes no sense. */
static bool goes_on(const struct flow_info *flow)
{
	return flow->answer || flow->kind == FLOW_KIND_ERROR ||
	       (flow->kind == FLOW_KIND_TCP && !tcp_begins(flow));
}

/* What a closed half says: who comes with an answer is told what is missing. */
static enum reason refusal_when_closed(const struct ask *a, unsigned which)
{
	const struct crossing *x = a->crossing;

	if (goes_on(&a->flow) && (is_controlled(x->back_out) || is_controlled(x->back_in)))
		return REASON_STATE;
	return is_closed(x->out) && is_closed(x->in) ? REASON_POLICY_CLOSED : refusal_of(which);
}

/* Asks one half of the frame's own flow. *rule: the one that lets it through. */
static enum reason ask_half(const struct ask *a, unsigned which, struct rule **rule)
{
	const struct half *half = half_of(a->crossing, which);

	*rule = NULL;
	if (is_closed(half))
		return refusal_when_closed(a, which);
	if (half->kind == HALF_OPEN)
		return REASON_NONE;
	if (a->flow.kind == FLOW_KIND_FRAGMENT)
		return REASON_FRAGMENT;
	if (a->flow.kind == FLOW_KIND_BROKEN)
		return refusal_of(which);
	*rule = match(a, half->rules);
	return *rule ? REASON_NONE : refusal_of(which);
}

/* ---- what is said of it ---- */

static void refuse(struct ask *a, unsigned which, enum reason reason, enum decision_by by)
{
	a->d.reason = reason;
	a->d.audited = REASON_NONE;
	a->d.half = (enum decision_half)which;
	a->d.by = by;
}

/* A half in audit mode lets pass what it would refuse. false: it is not in audit mode. */
static bool waive(struct ask *a, unsigned which, struct half *half, enum reason reason)
{
	if (!half || !half->audit)
		return false;
	a->waived[which] = half;
	if (a->d.audited == REASON_NONE) {
		a->d.audited = reason;
		a->d.half = (enum decision_half)which;
	}
	return true;
}

static const char *flow_text(const struct flow_info *flow, char *buf, size_t size)
{
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "", proto[16];
	const bool ports = flow->src.port || flow->dst.port;

	if (!flow->family)
		return "a frame that is not IP";
	(void)inet_ntop(flow->family, flow->src.addr, src, sizeof(src));
	(void)inet_ntop(flow->family, flow->dst.addr, dst, sizeof(dst));
	if (ports)
		(void)snprintf(buf, size, "%s%s %s port %u to %s port %u",
			       flow->kind == FLOW_KIND_ERROR ? "error about " : "",
			       conn_proto_name(flow->kind, flow->protocol, proto), src,
			       flow->src.port, dst, flow->dst.port);
	else
		(void)snprintf(buf, size, "%s%s %s to %s",
			       flow->kind == FLOW_KIND_ERROR ? "error about " : "",
			       conn_proto_name(flow->kind, flow->protocol, proto), src, dst);
	return buf;
}

static void log_refusal(struct ask *a, struct half *half, enum reason reason)
{
	char text[160];

	if (!(half->log || half->audit) || log_get_level() < LOG_LEVEL_INFO ||
	    !log_limit_pass(&half->limit, LOG_LEVEL_INFO, log_module))
		return;
	log_info("%s: %s %s: %s", half->name, flow_text(&a->flow, text, sizeof(text)),
		 half->audit ? "would be dropped" : "dropped", reason_text(reason));
}

static void log_rule(const struct ask *a, struct rule *rule, const struct half *half)
{
	char text[160];

	if (!rule->log || log_get_level() < LOG_LEVEL_INFO ||
	    !log_limit_pass(&rule->limit, LOG_LEVEL_INFO, log_module))
		return;
	log_info("%s: %s passes by rule \"%s\"", half->name,
		 flow_text(&a->flow, text, sizeof(text)), rule->filter);
}

static void count_refusal(struct ask *a, struct half *half, enum reason reason)
{
	half->refused_frames++;
	half->refused_bytes += a->cf->frame->len;
	log_refusal(a, half, reason);
}

/* Once it is known what becomes of the frame. */
static struct decision conclude(struct ask *a, struct half *refused_by)
{
	for (unsigned i = 0; i < DECISION_HALVES; i++)
		a->d.rule[i] = a->rule[i];
	if (a->cf->probe)
		return a->d;
	if (a->d.reason != REASON_NONE) {
		if (refused_by)
			count_refusal(a, refused_by, a->d.reason);
		return a->d;
	}
	for (unsigned i = 0; i < DECISION_HALVES; i++) {
		if (a->rule[i]) {
			a->rule[i]->frames++;
			a->rule[i]->bytes += a->cf->frame->len;
		}
		if (a->waived[i])
			count_refusal(a, a->waived[i], a->d.audited);
	}
	return a->d;
}

/* ---- by rules ---- */

/*
 * Multicast leaves nothing to be found again, since who answers is somebody else; but who
 * asks for an address does so by multicast.
 */
static bool may_open(const struct ask *a)
{
	const struct flow_info *flow = &a->flow;

	if (!a->conns || !conn_can_be(flow) || flow->kind == FLOW_KIND_ERROR || flow->answer)
		return false;
	if (flow->kind == FLOW_KIND_ARP || flow->kind == FLOW_KIND_ND)
		return true;
	if (flow->kind == FLOW_KIND_TCP && !tcp_begins(flow) && !tcp_continues(flow))
		return false;
	return !mac_is_group(&a->cf->packet->eth.dst);
}

/* What a stateful rule says of a frame that it matches. */
static enum reason check_beginning(const struct ask *a, const struct rule *rule, bool refused)
{
	if (a->flow.kind != FLOW_KIND_TCP || tcp_begins(&a->flow))
		return REASON_NONE;
	return rule->pickup && !refused && tcp_continues(&a->flow) ? REASON_NONE : REASON_STATE;
}

static enum decision_by by_what(const struct ask *a, const struct half *half)
{
	if (!is_controlled(half))
		return DECISION_BY_FLOW;
	return a->flow.kind == FLOW_KIND_FRAGMENT || a->flow.kind == FLOW_KIND_BROKEN
		   ? DECISION_BY_FORM
		   : DECISION_BY_RULE;
}

/*
 * The frame as one that begins something. `refused`: there is a connection, which did
 * not want it; then it can pass only by what asks for none.
 */
static struct decision by_rules(struct ask *a, bool refused)
{
	const struct crossing_frame *cf = a->cf;
	struct conn_grant grant = {{CONN_WORD_NONE, CONN_WORD_NONE}, {NULL, NULL}};

	a->d.by = DECISION_BY_FLOW;
	for (unsigned which = 0; which < DECISION_HALVES; which++) {
		struct half *half = half_of(a->crossing, which);
		struct rule *rule;
		enum reason reason = ask_half(a, which, &rule);
		enum decision_by by = by_what(a, half);

		if (rule && rule->stateful) {
			reason = check_beginning(a, rule, refused);
			grant.word[which] = CONN_WORD_RULE;
			grant.rule[which] = rule;
		}
		if (reason == REASON_STATE)
			by = DECISION_BY_STATE;
		if (reason != REASON_NONE) {
			grant.word[which] = CONN_WORD_AUDIT;
			if (!waive(a, which, half, reason)) {
				refuse(a, which, reason, by);
				a->rule[DECISION_OUT] = a->rule[DECISION_IN] = NULL;
				return conclude(a, half);
			}
			continue;
		}
		a->rule[which] = rule;
		if (rule)
			a->d.by = DECISION_BY_RULE;
	}
	if (!cf->probe) {
		for (unsigned i = 0; i < DECISION_HALVES; i++) {
			if (a->rule[i])
				log_rule(a, a->rule[i], half_of(a->crossing, i));
		}
		if ((grant.word[DECISION_OUT] || grant.word[DECISION_IN]) && !refused &&
		    may_open(a))
			(void)conns_open(a->conns, &a->flow, cf->from, cf->to, cf->sender, &grant,
					 cf->frame->len, cf->now);
	}
	return conclude(a, NULL);
}

/* ---- by a connection ---- */

/* A rule for one port gives its word for nothing that goes elsewhere. */
static bool rules_hold(const struct ask *a)
{
	for (unsigned i = 0; i < DECISION_HALVES; i++) {
		const struct rule *rule = a->conn->rule[i];

		if (rule && rule->port && !rule_holds_at(rule, a->cf->from_port, a->cf->to_port))
			return false;
	}
	return true;
}

static struct decision by_connection(struct ask *a, enum tcp_verdict verdict,
				     const struct tcp *next)
{
	const struct crossing_frame *cf = a->cf;
	bool open = crossing_kind(a->crossing->out, a->crossing->in) == HALF_OPEN;

	a->d.by = DECISION_BY_CONNECTION;
	a->d.answer = a->back;
	for (unsigned i = 0; i < DECISION_HALVES && !open; i++) {
		/* The half of the same domain in the frame's own flow. */
		const unsigned own = a->back ? !i : i;
		struct rule *rule = a->conn->rule[i];
		enum reason reason = REASON_NONE;

		if (a->conn->word[i] == CONN_WORD_NONE) {
			reason = ask_half(a, own, &rule);
			if (is_closed(half_of(a->crossing, own)))
				reason = refusal_of(own);
			if (reason != REASON_NONE &&
			    !waive(a, own, half_of(a->crossing, own), reason)) {
				refuse(a, own, reason, DECISION_BY_RULE);
				a->rule[DECISION_OUT] = a->rule[DECISION_IN] = NULL;
				return conclude(a, half_of(a->crossing, own));
			}
		} else if (a->conn->word[i] == CONN_WORD_AUDIT) {
			(void)waive(a, own, half_that_let_in(a, i), refusal_of(own));
		}
		a->rule[own] = rule;
	}
	if (!cf->probe)
		conn_note(a->conns, a->conn, a->back, verdict, next, cf->frame->len, cf->now);
	return conclude(a, NULL);
}

/* Whether all that have given their word for the connection are in audit mode. */
static bool waive_state(struct ask *a)
{
	bool enforced = false;

	for (unsigned i = 0; i < DECISION_HALVES; i++) {
		if (a->conn->word[i] != CONN_WORD_NONE &&
		    !waive(a, i, half_that_let_in(a, i), REASON_STATE))
			enforced = true;
	}
	return !enforced;
}

/*
 * It cannot be a part of the connection that it claims to belong to, and may pass only
 * where that does not matter.
 */
static struct decision by_state(struct ask *a)
{
	struct crossing_frame quiet = *a->cf;
	struct ask rules = *a;
	unsigned which;

	quiet.probe = true;
	rules.cf = &quiet;
	if (a->flow.kind == FLOW_KIND_ERROR || by_rules(&rules, true).reason == REASON_NONE)
		return by_rules(a, true);
	a->d.by = DECISION_BY_STATE;
	a->d.answer = a->back;
	if (waive_state(a))
		return conclude(a, NULL);
	which = a->conn->word[DECISION_OUT] == CONN_WORD_RULE ? DECISION_OUT : DECISION_IN;
	refuse(a, which, REASON_STATE, DECISION_BY_STATE);
	return conclude(a, half_that_let_in(a, which));
}

/* ---- */

bool crossing_keeps(const struct crossing *crossing, const struct conn_info *info)
{
	for (unsigned i = 0; i < DECISION_HALVES; i++) {
		const struct half *half = half_of(crossing, i);

		if (is_closed(half))
			return false;
		if (info->word[i] == CONN_WORD_AUDIT && !half->audit)
			return false;
		if (info->word[i] == CONN_WORD_RULE &&
		    (half->kind != HALF_CONTROLLED || !rules_have(half->rules, info->rule[i])))
			return false;
	}
	return true;
}

struct decision decide(struct conns *conns, const struct crossing *crossing,
		       const struct crossing_frame *cf)
{
	struct ask a = {.conns = conns, .crossing = crossing, .cf = cf};
	struct tcp next;
	enum tcp_verdict verdict;

	if (cf->packet->tags || cf->frame->tag.tpid) {
		refuse(&a, DECISION_OUT, REASON_TAGGED, DECISION_BY_FORM);
		return conclude(&a, NULL);
	}
	if (crossing_is_free(crossing))
		return a.d;
	flow_parse(cf->frame, cf->packet, &a.flow);
	if (conns && conn_can_be(&a.flow))
		a.conn = conns_find(conns, &a.flow, cf->from, cf->to, cf->now, &a.back);
	if (!a.conn || !rules_hold(&a))
		return by_rules(&a, false);
	verdict = conn_track(a.conn, &a.flow, a.back, &next);
	switch (verdict) {
	case TCP_PASS:
	case TCP_NEUTRAL:
		return by_connection(&a, verdict, &next);
	case TCP_ANEW:
		return by_rules(&a, false);
	default:
		return by_state(&a);
	}
}

const char *decision_text(const struct decision *decision, const struct crossing *crossing,
			  char *buf, size_t size)
{
	const struct half *half = half_of(crossing, decision->half);
	const char *name = half && half->name ? half->name : "policy";
	const char *rule = NULL;
	const char *audit = decision->audited == REASON_NONE ? "" : ", in audit mode alone";

	for (unsigned i = DECISION_HALVES; i-- > 0;) {
		if (decision->rule[i])
			rule = decision->rule[i]->filter;
	}
	if (decision->reason != REASON_NONE)
		(void)snprintf(buf, size, "%s: %s", name, reason_text(decision->reason));
	else if (decision->by == DECISION_BY_CONNECTION)
		(void)snprintf(buf, size, "%s of a connection%s%s%s%s",
			       decision->answer ? "answer" : "part", rule ? " by rule \"" : "",
			       rule ? rule : "", rule ? "\"" : "", audit);
	else if (rule)
		(void)snprintf(buf, size, "%s: allowed by rule \"%s\"%s", name, rule, audit);
	else
		(void)snprintf(buf, size, "%s: %s%s", name,
			       decision->audited == REASON_NONE ? "open" : "passes", audit);
	return buf;
}
