/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "switchd/capture.h"
#include "switchd/events.h"
#include "switchd/membership.h"
#include "switchd/policy/conn.h"
#include "switchd/segment.h"

LOG_MODULE("policy");

/* ---- halves ---- */

static void half_destroy(struct half *half)
{
	if (!half)
		return;
	rules_destroy(half->rules);
	free((char *)(uintptr_t)half->name);
	free(half);
}

static struct rules *make_rules(const struct flow_conf *entry, struct err *err)
{
	const struct rule_conf *confs = entry->allow.items;
	struct rule_spec *specs = calloc(entry->allow.count + 1, sizeof(*specs));
	struct rules *rules = NULL;

	for (size_t i = 0; specs && i < entry->allow.count; i++)
		specs[i] = (struct rule_spec){confs[i].filter, confs[i].port, confs[i].stateful,
					      confs[i].pickup, confs[i].log};
	if (specs)
		rules = rules_create(specs, entry->allow.count, err);
	free(specs);
	return rules;
}

/* NULL when out of memory. `former` is the half in force; NULL: none. */
static struct half *half_create(const struct flow_conf *entry, enum matrix_side side,
				const struct half *former)
{
	struct half *half = calloc(1, sizeof(*half));
	char from[MATRIX_DOMAIN_TEXT], to[MATRIX_DOMAIN_TEXT], *name = NULL;
	struct err err;

	if (!half ||
	    asprintf(&name, "%s -> %s (%s)", matrix_domain_text(entry->from, from),
		     matrix_domain_text(entry->to, to), side == MATRIX_OUT ? "out" : "in") < 0) {
		free(half);
		return NULL;
	}
	half->name = name;
	half->kind = entry->flow; /* the same words in the same order */
	half->audit = entry->mode == FLOW_AUDIT;
	half->log = entry->log;
	if (former) {
		half->refused_frames = former->refused_frames;
		half->refused_bytes = former->refused_bytes;
	}
	if (entry->flow != FLOW_CONTROLLED)
		return half;
	half->rules = make_rules(entry, &err);
	if (!half->rules) {
		half_destroy(half);
		return NULL;
	}
	if (former && former->rules)
		rules_adopt(half->rules, former->rules);
	return half;
}

/* The flow of the same domains in another policy, or NULL. */
static struct policy_flow *same_flow(const struct policy *policy, const struct matrix *matrix,
				     const struct matrix_flow *flow)
{
	const struct matrix_flow *same;
	int from, to;

	if (!policy)
		return NULL;
	from = matrix_domain_find(policy->plan.matrix, matrix_domain(matrix, flow->from));
	to = matrix_domain_find(policy->plan.matrix, matrix_domain(matrix, flow->to));
	if (from < 0 || to < 0)
		return NULL;
	same = matrix_flow_find(policy->plan.matrix, (size_t)from, (size_t)to);
	return same ? &policy->flows[same - matrix_flow_at(policy->plan.matrix, 0)] : NULL;
}

/* Makes the halves of one flow; those that say what they said before are the same. */
static bool make_halves(struct policy *policy, const struct policy *former, size_t i)
{
	const struct matrix *matrix = policy->plan.matrix;
	const struct matrix_flow *flow = matrix_flow_at(matrix, i);
	struct policy_flow *was = same_flow(former, matrix, flow);

	if (was)
		policy->flows[i].count = was->count;
	for (int side = 0; side < MATRIX_SIDES; side++) {
		const struct flow_conf *entry = flow->half[side].entry, *old = NULL;
		struct half *half = was ? was->half[side] : NULL;

		if (!entry)
			continue;
		if (half)
			old = matrix_flow_at(former->plan.matrix, (size_t)(was - former->flows))
				  ->half[side]
				  .entry;
		if (!old || !conf_equal(&flow_schema, old, entry)) {
			half = half_create(entry, (enum matrix_side)side, half);
			policy->anew = true;
		}
		if (!half)
			return false;
		policy->flows[i].half[side] = half;
	}
	return true;
}

static bool has_half(const struct policy *policy, const struct matrix *matrix,
		     const struct matrix_flow *flow, const struct half *half)
{
	const struct policy_flow *same = same_flow(policy, matrix, flow);

	return same && (same->half[MATRIX_OUT] == half || same->half[MATRIX_IN] == half);
}

/* Frees a policy but for the halves that another one has, too. */
static void destroy(struct policy *policy, const struct policy *heir)
{
	const struct matrix *matrix;

	if (!policy)
		return;
	matrix = policy->plan.matrix;
	for (size_t i = 0; policy->flows && i < matrix_flow_count(matrix); i++) {
		for (int side = 0; side < MATRIX_SIDES; side++) {
			struct half *half = policy->flows[i].half[side];

			if (half && !has_half(heir, matrix, matrix_flow_at(matrix, i), half))
				half_destroy(half);
		}
	}
	free(policy->flows);
	plan_clear(&policy->plan);
	free(policy);
}

/* How many halves are stated. */
static size_t count_halves(const struct policy *policy)
{
	size_t count = 0;

	for (size_t i = 0; i < matrix_flow_count(policy->plan.matrix); i++) {
		const struct matrix_flow *flow = matrix_flow_at(policy->plan.matrix, i);

		for (int side = 0; side < MATRIX_SIDES; side++)
			count += flow->half[side].entry != NULL;
	}
	return count;
}

static uint64_t hash_domains(const struct desired *desired)
{
	static const struct hash_key key = {{0x646f6d61, 0x696e73}};
	const struct segment_conf *segments = desired->segments.items;
	uint64_t hash = 0;

	for (size_t i = 0; i < desired->segments.count; i++) {
		const struct segment_conf *segment = &segments[i];

		hash ^= hash_bytes(&key, segment->name, strlen(segment->name) + 1);
		hash = hash_u64(&key, hash);
		hash ^= hash_bytes(&key, segment->domain, strlen(segment->domain) + 1);
		hash = hash_u64(&key, hash);
	}
	return hash;
}

static struct policy *create(const struct desired *next, const struct policy *former)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	struct err err;
	size_t count;

	if (!policy || plan_make(&policy->plan, next, &err) < 0) {
		free(policy);
		return NULL;
	}
	policy->within = (struct half){.name = "within the domain", .kind = HALF_OPEN};
	if (former)
		policy->within_count = former->within_count;
	policy->domains = hash_domains(next);
	count = matrix_flow_count(policy->plan.matrix);
	policy->anew = !former || count_halves(former) != count_halves(policy) ||
		       former->domains != policy->domains;
	policy->flows = calloc(count + 1, sizeof(*policy->flows));
	for (size_t i = 0; policy->flows && i < count; i++) {
		if (!make_halves(policy, former, i)) {
			destroy(policy, former);
			return NULL;
		}
	}
	if (!policy->flows) {
		destroy(policy, former);
		return NULL;
	}
	return policy;
}

/* ---- joints ---- */

struct flow_count *policy_crossing(struct policy *policy, const struct segment *from,
				   const struct segment *to, struct crossing *crossing)
{
	const struct matrix *matrix = policy->plan.matrix;
	int one = matrix_domain_find(matrix, from->conf.domain);
	int two = matrix_domain_find(matrix, to->conf.domain);
	const struct matrix_flow *there, *back;
	struct flow_count *count = NULL;

	memset(crossing, 0, sizeof(*crossing));
	if (one < 0 || two < 0)
		return NULL;
	if (one == two) {
		*crossing = (struct crossing){&policy->within, &policy->within, &policy->within,
					      &policy->within};
		return &policy->within_count;
	}
	there = matrix_flow_find(matrix, (size_t)one, (size_t)two);
	back = matrix_flow_find(matrix, (size_t)two, (size_t)one);
	if (there) {
		struct policy_flow *flow = &policy->flows[there - matrix_flow_at(matrix, 0)];

		crossing->out = flow->half[MATRIX_OUT];
		crossing->in = flow->half[MATRIX_IN];
		count = &flow->count;
	}
	if (back) {
		struct policy_flow *flow = &policy->flows[back - matrix_flow_at(matrix, 0)];

		crossing->back_out = flow->half[MATRIX_OUT];
		crossing->back_in = flow->half[MATRIX_IN];
		/* Answers are counted where the connection is, if nowhere else. */
		if (!count)
			count = &flow->count;
	}
	return count;
}

static bool add_joint(struct policy *policy, struct segment *from, struct segment *to,
		      const struct plan_junction *junction)
{
	struct joints *joints = from->next_joints;
	size_t count = joints ? joints->count : 0;
	struct joint joint = {.to = to, .junction = junction};
	struct joints *grown;
	int one, two;

	joint.count = policy_crossing(policy, from, to, &joint.crossing);
	/* Closed both ways: as if they did not meet. */
	if (!joint.count ||
	    (crossing_kind(joint.crossing.out, joint.crossing.in) == HALF_CLOSED &&
	     crossing_kind(joint.crossing.back_out, joint.crossing.back_in) == HALF_CLOSED))
		return true;
	one = matrix_domain_find(policy->plan.matrix, from->conf.domain);
	two = matrix_domain_find(policy->plan.matrix, to->conf.domain);
	joint.free = crossing_is_free(&joint.crossing);
	joint.mute = !matrix_may_cross(policy->plan.matrix, (size_t)one, (size_t)two);
	joint.per_port = crossing_per_port(&joint.crossing);
	grown = realloc(joints, sizeof(*joints) + (count + 1) * sizeof(joint));
	if (!grown)
		return false;
	grown->at[count] = joint;
	grown->count = count + 1;
	from->next_joints = grown;
	return true;
}

static bool make_joints(struct switchd *sw, struct policy *policy)
{
	for (size_t i = 0; i < policy->plan.count; i++) {
		const struct plan_junction *junction = &policy->plan.junctions[i];

		if (!junction->here || junction->type != JUNCTION_TRANSPARENT)
			continue;
		for (size_t k = 0; k < junction->count; k++) {
			struct segment *from = switchd_segment(sw, junction->segments[k]->name);

			for (size_t n = 0; from && n < junction->count; n++) {
				struct segment *to =
				    switchd_segment(sw, junction->segments[n]->name);

				if (to && to != from && !add_joint(policy, from, to, junction))
					return false;
			}
		}
	}
	return true;
}

/* Puts the joints that were made in force, or frees them. */
static void settle_joints(struct switchd *sw, bool made)
{
	list_for_each (&sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);

		if (made) {
			free(segment->joints);
			segment->joints = segment->next_joints;
		} else {
			free(segment->next_joints);
		}
		segment->next_joints = NULL;
	}
	list_for_each (&sw->segments, it)
		segment_update_merge(container_of(it, struct segment, link));
}

struct joint *policy_joint(const struct segment *from, const struct segment *to)
{
	for (size_t i = 0; from->joints && i < from->joints->count; i++)
		if (from->joints->at[i].to == to)
			return &from->joints->at[i];
	return NULL;
}

void policy_segment_gone(struct segment *segment)
{
	struct joints *joints = segment->joints;

	for (size_t i = 0; joints && i < joints->count; i++) {
		struct joints *other = joints->at[i].to->joints;

		for (size_t k = 0; other && k < other->count; k++) {
			if (other->at[k].to != segment)
				continue;
			other->count--;
			memmove(&other->at[k], &other->at[k + 1],
				(other->count - k) * sizeof(other->at[0]));
			break;
		}
	}
	free(joints);
	segment->joints = NULL;
	if (segment->sw->policy)
		memset(segment->sw->policy->recent, 0, sizeof(segment->sw->policy->recent));
}

/* ---- mirrors ---- */

/* Domains are closed to each other where nothing says otherwise. */
static bool may_copy(const struct switchd *sw, const struct segment *from, struct port *to)
{
	struct matrix *matrix = sw->policy ? sw->policy->plan.matrix : NULL;

	if (to->conf->indirect)
		return true;
	for (struct membership *m = membership_next(to, NULL); m; m = membership_next(to, m)) {
		int one, two;

		if (strcmp(from->conf.domain, m->segment->conf.domain) == 0)
			continue;
		one = matrix ? matrix_domain_find(matrix, from->conf.domain) : -1;
		two = matrix ? matrix_domain_find(matrix, m->segment->conf.domain) : -1;
		if (one < 0 || two < 0 || !matrix_allows_way(matrix, (size_t)one, (size_t)two))
			return false;
	}
	return true;
}

bool policy_allows_mirror(const struct switchd *sw, struct port *port,
			  const struct segment *segment, struct port *to)
{
	if (!port)
		return may_copy(sw, segment, to);
	for (struct membership *m = membership_next(port, NULL); m; m = membership_next(port, m))
		if (!may_copy(sw, m->segment, to))
			return false;
	return true;
}

/* ---- connections ---- */

#define SWEPT_AT_ONCE 32768u /* places of the table: some milliseconds */

/* Connections come by the hundred thousand, and pairs of segments do not. */
static const struct policy_recent *recent(struct switchd *sw, const struct segment *from,
					  const struct segment *to)
{
	struct policy *policy = sw->policy;
	struct policy_recent *entry =
	    &policy->recent[(from->number * 31u + to->number) % POLICY_RECENT];

	if (entry->from != from || entry->to != to) {
		entry->from = from;
		entry->to = to;
		entry->any = policy_crossing(policy, from, to, &entry->crossing) != NULL;
	}
	return entry;
}

/* What the policy, as it is now, would not let in any more ends. */
static bool keeps(void *arg, const struct conn_info *info)
{
	struct switchd *sw = arg;
	const struct segment *from = sw->segment_by_number[info->from];
	const struct segment *to = sw->segment_by_number[info->to];
	const struct policy_recent *entry;

	if (!from || !to || !sw->policy)
		return false;
	entry = recent(sw, from, to);
	return entry->any && crossing_keeps(&entry->crossing, info);
}

bool policy_sweep(struct switchd *sw)
{
	struct policy *policy = sw->policy;

	if (!policy)
		return true;
	if (!conns_sweep(sw->conns, SWEPT_AT_ONCE, &policy->ended))
		return false;
	if (policy->ended)
		log_info("%zu connections end that the policy does not let in any more",
			 policy->ended);
	if (policy->tell)
		event_policy(sw, policy->ended);
	policy->ended = 0;
	policy->tell = false;
	return true;
}

/* ---- in force ---- */

int policy_apply(struct switchd *sw, const struct desired *next)
{
	bool changed = !conf_key_equal(&desired_schema, &sw->desired, next, "policy") ||
		       !conf_key_equal(&desired_schema, &sw->desired, next, "junctions");
	struct policy *former = sw->policy;
	struct policy *policy;

	if (!former && next->policy.count == 0 && next->junctions.count == 0) {
		capture_policy_changed(sw);
		return 0;
	}
	policy = create(next, former);
	if (!policy)
		return -ENOMEM;
	if (!make_joints(sw, policy)) {
		settle_joints(sw, false);
		destroy(policy, former);
		return -ENOMEM;
	}
	settle_joints(sw, true);
	sw->policy = policy;
	policy->tell = changed || (former && former->tell);
	policy->ended = former ? former->ended : 0;
	destroy(former, policy);
	capture_policy_changed(sw);
	if (policy->anew)
		conns_recheck(sw->conns, keeps, sw);
	(void)policy_sweep(sw);
	return 0;
}

void policy_clear(struct switchd *sw)
{
	list_for_each (&sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);

		free(segment->joints);
		segment->joints = NULL;
	}
	destroy(sw->policy, NULL);
	sw->policy = NULL;
}
