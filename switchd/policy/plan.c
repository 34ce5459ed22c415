/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/names.h"
#include "switchd/policy/machines.h"

/* What is known of a domain while a plan is made. */
struct domain {
	const struct segment_conf *segment; /* its first one */
	size_t segments;
	const struct port_conf *port; /* one in it */
	bool elsewhere; /* a junction that is not on this host has one of its segments */
};

/* Two segments that meet, by their numbers in the desired state, the lower one first. */
struct pair {
	uint32_t one, two;
	const struct plan_junction *junction;
};

struct planner {
	struct plan *plan;
	const struct desired *desired;
	struct names *segments;
	struct domain *domains; /* by their numbers in the matrix */
	struct pair *pairs;
	size_t pair_count, pair_room;
	struct err *err;
};

static bool no_memory(struct planner *planner)
{
	return err_set(planner->err, ENOMEM, "out of memory") == 0;
}

static size_t domain_of(const struct planner *planner, const struct segment_conf *segment)
{
	return (size_t)matrix_domain_find(planner->plan->matrix, segment->domain);
}

/* ---- Guests in several domains ---- */

/* A machine may carry anything between its segments. Joined one after the other they are all
 * joined. */
static bool join_segments(void *arg, const struct machine *machine)
{
	struct planner *planner = arg;
	struct matrix *matrix = planner->plan->matrix;
	size_t former = 0;

	for (size_t i = 0; i < machine->count; i++) {
		size_t domain =
		    domain_of(planner, names_find(planner->segments, machine->segments[i]));

		if (i > 0 && domain != former &&
		    !(matrix_join(matrix, former, domain, &machine->port->head, machine->what,
				  machine->name) &&
		      matrix_join(matrix, domain, former, &machine->port->head, machine->what,
				  machine->name)))
			return no_memory(planner);
		former = domain;
	}
	return true;
}

/* That there is a port in these domains: see check_carried(). */
static void note_port(struct planner *planner, const struct port_conf *port)
{
	const struct trunk_conf *trunk = port->trunk.items;
	const char *untagged = port_conf_untagged(port);

	if (untagged)
		planner->domains[domain_of(planner, names_find(planner->segments, untagged))].port =
		    port;
	for (size_t i = 0; i < port->trunk.count; i++)
		planner
		    ->domains[domain_of(planner, names_find(planner->segments, trunk[i].segment))]
		    .port = port;
}

/* ---- Junctions ---- */

static bool add_pair(struct planner *planner, const struct segment_conf *one,
		     const struct segment_conf *two, const struct plan_junction *junction)
{
	const struct segment_conf *segments = planner->desired->segments.items;
	struct pair *grown;

	grown =
	    array_grow(planner->pairs, planner->pair_count, &planner->pair_room, sizeof(*grown));
	if (!grown)
		return no_memory(planner);
	planner->pairs = grown;
	if (one > two) {
		const struct segment_conf *swapped = one;

		one = two;
		two = swapped;
	}
	planner->pairs[planner->pair_count++] =
	    (struct pair){(uint32_t)(one - segments), (uint32_t)(two - segments), junction};
	return true;
}

static int pair_compare(const void *a, const void *b)
{
	const struct pair *one = a, *two = b;

	if (one->one != two->one)
		return one->one < two->one ? -1 : 1;
	return (one->two > two->two) - (one->two < two->two);
}

static struct plan_junction *next_junction(struct planner *planner, size_t segments)
{
	struct plan_junction *junction = &planner->plan->junctions[planner->plan->count];

	assert(planner->plan->junctions);
	junction->segments = calloc(segments, sizeof(struct segment_conf *));
	if (!junction->segments)
		return NULL;
	planner->plan->count++;
	return junction;
}

static bool check_transparent(struct planner *planner, const struct plan_junction *junction)
{
	for (size_t i = 0; i < junction->count; i++) {
		const struct segment_conf *segment = junction->segments[i];
		const void *place = junction->conf ? (const void *)junction->conf : segment;

		assert(segment); /* those that are not here are not in it */
		/* It carries IP for its own prefixes, and nobody's MAC address. */
		for (size_t k = 0; k < segment->encaps.count; k++)
			if (strcmp(segment_conf_encap(segment, k)->type, "macrewrite") == 0)
				return conf_fail(
				    place, planner->err,
				    "junction \"%s\": segment \"%s\" rewrites MAC addresses: only "
				    "a gateway can join it to others",
				    junction->name, segment->name);

		if (segment->id == 0)
			return conf_fail(
			    place, planner->err,
			    "junction \"%s\": segment \"%s\" has id 0: its members elsewhere "
			    "run no switchd, and only a gateway can join them to others",
			    junction->name, segment->name);
	}
	return true;
}

static bool add_named(struct planner *planner, const struct junction_conf *conf)
{
	struct plan_junction *junction = next_junction(planner, conf->segments.count);
	char *const *names = conf->segments.items;

	if (!junction)
		return no_memory(planner);
	junction->conf = conf;
	junction->type = (enum junction_type)conf->type;
	junction->here = junction_conf_is_here(conf, planner->desired->host);
	junction->name = strdup(conf->name);
	if (!junction->name)
		return no_memory(planner);
	for (size_t i = 0; i < conf->segments.count; i++) {
		const struct segment_conf *segment = names_find(planner->segments, names[i]);

		if (!segment)
			continue; /* not here: config_policy_check() */
		if (!junction->here)
			planner->domains[domain_of(planner, segment)].elsewhere = true;
		for (size_t k = 0; k < junction->count; k++)
			if (!add_pair(planner, junction->segments[k], segment, junction))
				return false;
		junction->segments[junction->count++] = segment;
	}
	if (junction->here && junction->type == JUNCTION_TRANSPARENT)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		return check_transparent(planner, junction);
	return true;
}

/* An entry that is not closed joins domains of one segment each, unless they are joined as the
 * list says. */
static bool add_implied(struct planner *planner, const struct matrix_flow *flow, size_t named)
{
	const struct domain *from = &planner->domains[flow->from],
			    *to = &planner->domains[flow->to];
	struct plan_junction *junction;
	struct pair key;

	if (flow->from == 0 || flow->to == 0 || from->segments != 1 || to->segments != 1 ||
	    matrix_effective(planner->plan->matrix, flow->from, flow->to) == FLOW_CLOSED)
		return true;
	/* The opposite flow may have implied it. */
	if (flow->from > flow->to &&
	    matrix_effective(planner->plan->matrix, flow->to, flow->from) != FLOW_CLOSED)
		return true;
	if (!add_pair(planner, from->segment, to->segment, NULL))
		return false;
	assert(planner->pairs);
	key = planner->pairs[--planner->pair_count];
	if (bsearch(&key, planner->pairs, named, sizeof(key), pair_compare))
		return true;
	junction = next_junction(planner, 2);
	if (!junction)
		return no_memory(planner);
	junction->here = true;
	junction->count = 2;
	junction->segments[0] = from->segment < to->segment ? from->segment : to->segment;
	junction->segments[1] = from->segment < to->segment ? to->segment : from->segment;
	if (asprintf(&junction->name, "%s:%s", junction->segments[0]->name,
		     junction->segments[1]->name) < 0) {
		junction->name = NULL;
		return no_memory(planner);
	}
	return check_transparent(planner, junction) &&
	       add_pair(planner, from->segment, to->segment, junction);
}

static bool check_pairs(struct planner *planner)
{
	if (planner->pair_count)
		qsort(planner->pairs, planner->pair_count, sizeof(struct pair), pair_compare);
	for (size_t i = 1; i < planner->pair_count; i++) {
		const struct segment_conf *segments = planner->desired->segments.items;
		const struct pair *pair = &planner->pairs[i];

		if (pair_compare(&pair[-1], pair) != 0)
			continue;
		return conf_fail(
		    pair->junction->conf, planner->err,
		    "junction \"%s\": segments \"%s\" and \"%s\" meet in junction \"%s\" "
		    "already",
		    pair->junction->name, segments[pair->one].name, segments[pair->two].name,
		    pair[-1].junction->name);
	}
	return true;
}

static bool check_counts(struct planner *planner)
{
	const struct segment_conf *segments = planner->desired->segments.items;
	uint32_t *counts = calloc(planner->desired->segments.count + 1, sizeof(*counts));
	bool ok = true;

	if (!counts)
		return no_memory(planner);
	for (size_t i = 0; ok && i < planner->pair_count; i++) {
		const struct pair *pair = &planner->pairs[i];
		uint32_t more =
		    pair->junction->type == JUNCTION_TRANSPARENT && pair->junction->here;

		counts[pair->one] += more;
		counts[pair->two] += more;
		if (counts[pair->one] > JOINED_MAX || counts[pair->two] > JOINED_MAX)
			ok = conf_fail(
			    &segments[pair->one], planner->err,
			    "segment \"%s\": it meets more than %u others transparently, "
			    "\"%s\" among them: use a gateway",
			    segments[pair->one].name, JOINED_MAX, segments[pair->two].name);
	}
	free(counts);
	return ok;
}

/* Whether the list of domains names it. */
static bool is_listed(const struct desired *desired, const char *name)
{
	const struct domain_conf *domains = desired->domains.items;

	for (size_t i = 0; i < desired->domains.count; i++)
		if (strcmp(domains[i].name, name) == 0)
			return true;
	return false;
}

/* Where frames may cross they do so on the host of the receiver: that has to carry both.
 * Of a domain that nothing else here names, rules alone let nothing through: hosts may
 * share them. */
static bool check_carried(struct planner *planner, const struct matrix_flow *flow)
{
	const struct matrix *matrix = planner->plan->matrix;
	const struct domain *one = &planner->domains[flow->from],
			    *two = &planner->domains[flow->to];
	const char *missing = matrix_domain(matrix, flow->to);

	if (matrix_effective(matrix, flow->from, flow->to) == FLOW_CLOSED)
		return true;
	if (one->segments == 0) {
		const struct domain *swapped = one;

		one = two;
		two = swapped;
		missing = matrix_domain(matrix, flow->from);
	}
	if (two->segments != 0 || !one->port || one->elsewhere || !*missing)
		return true;
	if (matrix_effective(matrix, flow->from, flow->to) == FLOW_CONTROLLED &&
	    !is_listed(planner->desired, missing))
		return true;
	return conf_fail(
	    flow->half[MATRIX_OUT].entry, planner->err,
	    "policy \"%s\": port \"%s\" is in domain \"%s\" here, and so a segment of domain "
	    "\"%s\" has to be: each host with ports in one of two joined segments carries "
	    "both",
	    flow->half[MATRIX_OUT].entry->name, one->port->name, one->segment->domain, missing);
}

static bool plan_all(struct planner *planner)
{
	const struct segment_conf *segments = planner->desired->segments.items;
	const struct junction_conf *junctions = planner->desired->junctions.items;
	const struct matrix *matrix = planner->plan->matrix;
	bool out_of_memory;
	size_t named;

	for (size_t i = 0; i < planner->desired->segments.count; i++) {
		struct domain *domain = &planner->domains[domain_of(planner, &segments[i])];

		assert(planner->domains);
		if (names_add(planner->segments, segments[i].name,
			      (void *)(uintptr_t)&segments[i]) < 0)
			return no_memory(planner);
		if (domain->segments++ == 0)
			domain->segment = &segments[i];
	}
	for (size_t i = 0; i < planner->desired->ports.count; i++)
		note_port(planner, desired_port_at(planner->desired, i));
	if (!machines_each(planner->desired, join_segments, planner, &out_of_memory))
		return out_of_memory ? no_memory(planner) : false;
	for (size_t i = 0; i < planner->desired->junctions.count; i++)
		if (!add_named(planner, &junctions[i]))
			return false;
	if (!check_pairs(planner))
		return false;
	named = planner->pair_count;
	for (size_t i = 0; i < matrix_flow_count(matrix); i++)
		if (!check_carried(planner, matrix_flow_at(matrix, i)) ||
		    !add_implied(planner, matrix_flow_at(matrix, i), named))
			return false;
	return check_counts(planner) && matrix_check_indirect(matrix, planner->err);
}

int plan_make(struct plan *plan, const struct desired *desired, struct err *err)
{
	struct planner planner = {.plan = plan, .desired = desired, .err = err};
	bool ok;

	memset(plan, 0, sizeof(*plan));
	plan->matrix = matrix_create(desired, err);
	if (!plan->matrix)
		return -EINVAL;
	/* No more than one implied by each entry. */
	plan->junctions =
	    calloc(desired->junctions.count + desired->policy.count + 1, sizeof(*plan->junctions));
	planner.segments = names_create();
	planner.domains = calloc(matrix_domain_count(plan->matrix), sizeof(struct domain));
	ok = (plan->junctions && planner.segments && planner.domains) || no_memory(&planner);
	ok = ok && plan_all(&planner);
	free(planner.pairs);
	free(planner.domains);
	names_destroy(planner.segments);
	if (ok)
		return 0;
	plan_clear(plan);
	return -EINVAL;
}

void plan_clear(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->junctions[i].name);
		free(plan->junctions[i].segments);
	}
	free(plan->junctions);
	matrix_destroy(plan->matrix);
	memset(plan, 0, sizeof(*plan));
}

bool plan_may_meet(const struct plan *plan, const struct segment_conf *one,
		   const struct segment_conf *two)
{
	int from = matrix_domain_find(plan->matrix, one->domain);
	int to = matrix_domain_find(plan->matrix, two->domain);

	return from >= 0 && to >= 0 &&
	       (matrix_may_cross(plan->matrix, (size_t)from, (size_t)to) ||
		matrix_may_cross(plan->matrix, (size_t)to, (size_t)from));
}

bool plan_check(const struct desired *desired, struct err *err)
{
	struct plan plan;

	if (desired->policy.count == 0 && desired->junctions.count == 0 && !machines_any(desired))
		return true;
	if (plan_make(&plan, desired, err) < 0)
		return false;
	plan_clear(&plan);
	return true;
}
