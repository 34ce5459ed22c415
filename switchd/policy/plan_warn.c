/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a plan allows and might not be meant.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/names.h"
#include "switchd/policy/machines.h"
#include "switchd/policy/may_match.h"
#include "switchd/policy/plan.h"

static void warn_of_flow(const struct plan *plan, const struct matrix_flow *flow,
			 void (*tell)(const char *text))
{
	const struct flow_conf *entry = flow->half[MATRIX_OUT].entry;
	char from[MATRIX_DOMAIN_TEXT], to[MATRIX_DOMAIN_TEXT];
	struct err said = {""};

	if (matrix_effective(plan->matrix, flow->from, flow->to) != FLOW_OPEN ||
	    matrix_may_cross(plan->matrix, flow->to, flow->from))
		return;
	(void)conf_fail(entry, &said,
			"warning: policy \"%s\": the flow from %s to %s is open, and nothing "
			"lets answers back",
			entry->name,
			matrix_domain_text(matrix_domain(plan->matrix, flow->from), from),
			matrix_domain_text(matrix_domain(plan->matrix, flow->to), to));
	tell(said.text);
}

static void warn_of_junction(const struct plan *plan, const struct plan_junction *junction,
			     void (*tell)(const char *text))
{
	for (size_t i = 0; i < junction->count; i++) {
		for (size_t k = 0; k < i; k++) {
			struct err said = {""};

			if (plan_may_meet(plan, junction->segments[i], junction->segments[k]))
				continue;
			(void)conf_fail(
			    junction->conf, &said,
			    "warning: junction \"%s\": segments \"%s\" and \"%s\" meet, "
			    "but their domains are closed to each other",
			    junction->name, junction->segments[k]->name,
			    junction->segments[i]->name);
			tell(said.text);
			return;
		}
	}
}

/* ---- guests that cannot find each other ---- */

static bool is_controlled(const struct plan *plan, size_t one, size_t two)
{
	const struct matrix_flow *flow = matrix_flow_find(plan->matrix, one, two);

	return matrix_effective(plan->matrix, one, two) == FLOW_CONTROLLED &&
	       !matrix_flow_is_free(flow);
}

/* Whether one domain's half lets questions for neighbours cross. */
static bool half_lets_ask(const struct matrix_half *half)
{
	const struct flow_conf *entry = half->entry;
	const struct rule_conf *rules = entry ? entry->allow.items : NULL;

	if (!entry || entry->flow == FLOW_CLOSED)
		return false;
	if (entry->flow == FLOW_OPEN || entry->mode == FLOW_AUDIT)
		return true;
	for (size_t i = 0; i < entry->allow.count; i++)
		if (filter_may_ask(rules[i].filter))
			return true;
	return false;
}

static bool flow_lets_ask(const struct matrix_flow *flow)
{
	return flow && half_lets_ask(&flow->half[MATRIX_OUT]) &&
	       half_lets_ask(&flow->half[MATRIX_IN]);
}

/* Two domains that meet on one subnet by rules, of which none lets them look for each other. */
static void warn_of_strangers(const struct plan *plan, size_t one, size_t two,
			      void (*tell)(const char *text))
{
	const struct matrix_flow *flow = matrix_flow_find(plan->matrix, one, two);
	const struct matrix_flow *back = matrix_flow_find(plan->matrix, two, one);
	char first[MATRIX_DOMAIN_TEXT], second[MATRIX_DOMAIN_TEXT];
	struct err said = {""};

	if (!is_controlled(plan, one, two)) {
		const struct matrix_flow *other = flow;

		flow = back;
		back = other;
		if (!is_controlled(plan, two, one))
			return;
	}
	if (flow_lets_ask(flow) || flow_lets_ask(back))
		return;
	(void)conf_fail(flow->half[MATRIX_OUT].entry, &said,
			"warning: policy \"%s\": no rule lets ARP or neighbour discovery through, "
			"so guests of %s and %s do not find each other",
			flow->half[MATRIX_OUT].entry->name,
			matrix_domain_text(matrix_domain(plan->matrix, flow->from), first),
			matrix_domain_text(matrix_domain(plan->matrix, flow->to), second));
	tell(said.text);
}

static void warn_of_strange_segments(const struct plan *plan, const struct plan_junction *junction,
				     void (*tell)(const char *text))
{
	for (size_t i = 0; i < junction->count; i++) {
		int one = matrix_domain_find(plan->matrix, junction->segments[i]->domain);

		for (size_t k = 0; k < i; k++) {
			int two = matrix_domain_find(plan->matrix, junction->segments[k]->domain);

			if (one >= 0 && two >= 0 && one != two)
				warn_of_strangers(plan, (size_t)two, (size_t)one, tell);
		}
	}
}

/* ---- machines past the rules ---- */

/* Who looks at machines, for or against whom. */
struct look {
	const struct plan *plan;
	const struct desired *desired;
	struct names *segments;
	struct names *former; /* what was told before; NULL: nothing */
	size_t *domains;      /* of one machine, each once */
	uint32_t *seen;	      /* of each domain, in which machine */
	uint32_t number;
	void (*tell)(const char *text); /* NULL: to be noted in `former` */
};

/* Two of the domains, of which one controls what the other sends; false: there are none. */
static bool find_controlled(const struct look *look, size_t count, size_t *one, size_t *two)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < i; k++) {
			*one = look->domains[k];
			*two = look->domains[i];
			if (is_controlled(look->plan, *one, *two) ||
			    is_controlled(look->plan, *two, *one))
				return true;
		}
	}
	return false;
}

static bool look_at_machine(void *arg, const struct machine *machine)
{
	struct look *look = arg;
	const struct matrix *matrix = look->plan->matrix;
	char first[MATRIX_DOMAIN_TEXT], second[MATRIX_DOMAIN_TEXT];
	size_t count = 0, one, two;
	struct err said = {""}, placed = {""};

	look->number++;
	for (size_t i = 0; i < machine->count; i++) {
		const struct segment_conf *segment =
		    names_find(look->segments, machine->segments[i]);
		size_t domain = (size_t)matrix_domain_find(matrix, segment->domain);

		if (look->seen[domain] != look->number)
			look->domains[count++] = domain;
		look->seen[domain] = look->number;
	}
	if (!find_controlled(look, count, &one, &two))
		return true;
	(void)err_set(&said, EINVAL,
		      "warning: %s \"%s\" joins %s and %s: it may carry anything between them, "
		      "whatever the rules of their flow say",
		      machine->what, machine->name,
		      matrix_domain_text(matrix_domain(matrix, one), first),
		      matrix_domain_text(matrix_domain(matrix, two), second));
	if (!look->tell)
		return names_add(look->former, said.text, look) != -ENOMEM;
	if (look->former && names_find(look->former, said.text))
		return true;
	(void)conf_fail(machine->port, &placed, "%s", said.text);
	look->tell(placed.text);
	return true;
}

/* Looks at all machines of a configuration with the means of `look`. */
static void look_at_all(struct look *look)
{
	const struct segment_conf *segments = look->desired->segments.items;
	size_t domains = matrix_domain_count(look->plan->matrix);
	bool no_memory = false;
	bool ok;

	look->segments = names_create();
	look->domains = calloc(domains, sizeof(*look->domains));
	look->seen = calloc(domains, sizeof(*look->seen));
	ok = look->segments && look->domains && look->seen;
	for (size_t i = 0; ok && i < look->desired->segments.count; i++)
		ok = names_add(look->segments, segments[i].name, (void *)(uintptr_t)&segments[i]) ==
		     0;
	if (ok)
		(void)machines_each(look->desired, look_at_machine, look, &no_memory);
	free(look->seen);
	free(look->domains);
	names_destroy(look->segments);
}

static void warn_of_machines(const struct plan *plan, const struct desired *desired,
			     const struct desired *former, void (*tell)(const char *text))
{
	struct look look = {.plan = plan, .desired = desired, .tell = tell};
	struct plan before;
	struct err err;

	if (!machines_any(desired))
		return;
	if (former && plan_make(&before, former, &err) == 0) {
		struct look back = {.plan = &before, .desired = former};

		back.former = look.former = names_create();
		if (back.former)
			look_at_all(&back);
		plan_clear(&before);
	}
	look_at_all(&look);
	names_destroy(look.former);
}

/* ---- */

void plan_warn(const struct desired *desired, const struct desired *former,
	       void (*tell)(const char *text))
{
	bool changed = !former || !conf_key_equal(&desired_schema, desired, former, "policy") ||
		       !conf_key_equal(&desired_schema, desired, former, "junctions");
	struct plan plan;
	struct err err;

	/* Without a policy nothing has rules, and no junction joins domains that may meet. */
	if (!changed && (desired->policy.count == 0 || !machines_any(desired)))
		return;
	if (plan_make(&plan, desired, &err) < 0)
		return;
	for (size_t i = 0; changed && i < matrix_flow_count(plan.matrix); i++)
		warn_of_flow(&plan, matrix_flow_at(plan.matrix, i), tell);
	for (size_t i = 0; changed && i < plan.count; i++) {
		const struct plan_junction *junction = &plan.junctions[i];

		if (junction->here && junction->conf)
			warn_of_junction(&plan, junction, tell);
		if (junction->here && junction->type == JUNCTION_TRANSPARENT)
			warn_of_strange_segments(&plan, junction, tell);
	}
	warn_of_machines(&plan, desired, former, tell);
	plan_clear(&plan);
}
