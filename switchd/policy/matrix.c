/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/matrix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/names.h"

#define PATH_TOLD 6u /* steps of a path that a message has room for */

/* A way from one domain to another that nothing holds back. */
struct edge {
	uint32_t from, to;
	const struct conf_head *object; /* where it was said */
	const char *what, *name;
};

struct matrix {
	const char **domains;
	size_t domain_count;
	struct names *numbers; /* from names to entries of `domains` */
	struct matrix_flow *flows;
	size_t flow_count;
	struct edge *joined; /* those that are no entries */
	size_t joined_count;
};

const char *matrix_domain_text(const char *name, char buf[MATRIX_DOMAIN_TEXT])
{
	(void)snprintf(buf, MATRIX_DOMAIN_TEXT, *name ? "\"%s\"" : "the default domain", name);
	return buf;
}

/* ---- Making it ---- */

/* A domain gets its number with its first mention. */
static bool add_domain(struct matrix *matrix, const char *name)
{
	int r = names_add(matrix->numbers, name, &matrix->domains[matrix->domain_count]);

	if (r == -EEXIST)
		return true;
	if (r < 0)
		return false;
	matrix->domains[matrix->domain_count++] = name;
	return true;
}

static bool list_domains(struct matrix *matrix, const struct desired *desired)
{
	const struct segment_conf *segments = desired->segments.items;
	const struct domain_conf *domains = desired->domains.items;
	const struct flow_conf *entries = desired->policy.items;
	size_t max =
	    1 + desired->segments.count + desired->domains.count + 2 * desired->policy.count;
	bool ok;

	matrix->numbers = names_create();
	matrix->domains = calloc(max, sizeof(*matrix->domains));
	ok = matrix->numbers && matrix->domains && add_domain(matrix, "");
	for (size_t i = 0; ok && i < desired->segments.count; i++)
		ok = add_domain(matrix, segments[i].domain);
	for (size_t i = 0; ok && i < desired->domains.count; i++)
		ok = add_domain(matrix, domains[i].name);
	for (size_t i = 0; ok && i < desired->policy.count; i++)
		ok = add_domain(matrix, entries[i].from) && add_domain(matrix, entries[i].to);
	return ok;
}

static int flow_compare(const void *a, const void *b)
{
	const struct matrix_flow *one = a, *two = b;

	if (one->from != two->from)
		return one->from < two->from ? -1 : 1;
	return (one->to > two->to) - (one->to < two->to);
}

static bool twice(const struct flow_conf *first, const struct flow_conf *second,
		  enum matrix_side side, struct err *err)
{
	char from[MATRIX_DOMAIN_TEXT], to[MATRIX_DOMAIN_TEXT], place[160] = "";
	const struct flow_conf *here = second, *other = first;

	if (!second->head.file && first->head.file) {
		here = first;
		other = second;
	}
	if (other->head.file)
		(void)snprintf(place, sizeof(place), ", at %s:%d", other->head.file,
			       other->head.line);
	(void)matrix_domain_text(second->from, from);
	(void)matrix_domain_text(second->to, to);
	return conf_fail(
	    here, err, "policy \"%s\": what %s lets %s %s is said by policy \"%s\"%s already",
	    here->name, side == MATRIX_OUT ? from : to, side == MATRIX_OUT ? "out to" : "in from",
	    side == MATRIX_OUT ? to : from, other->name, place);
}

/* Adds what one flow of the same two domains states to another. */
static bool merge(struct matrix_flow *to, const struct matrix_flow *from, struct err *err)
{
	for (int side = 0; side < MATRIX_SIDES; side++) {
		if (!from->half[side].entry)
			continue;
		if (to->half[side].entry)
			return twice(to->half[side].entry, from->half[side].entry,
				     (enum matrix_side)side, err);
		to->half[side] = from->half[side];
	}
	return true;
}

static bool list_flows(struct matrix *matrix, const struct desired *desired, struct err *err)
{
	const struct flow_conf *entries = desired->policy.items;
	struct matrix_flow *flows = calloc(desired->policy.count + 1, sizeof(*flows));
	size_t count = 0;

	matrix->flows = flows;
	if (!flows)
		return err_set(err, ENOMEM, "out of memory") == 0;
	for (size_t i = 0; i < desired->policy.count; i++) {
		const struct flow_conf *entry = &entries[i];

		flows[i].from = (uint32_t)matrix_domain_find(matrix, entry->from);
		flows[i].to = (uint32_t)matrix_domain_find(matrix, entry->to);
		if (entry->side != FLOW_IN)
			flows[i].half[MATRIX_OUT] =
			    (struct matrix_half){(enum flow)entry->flow, entry};
		if (entry->side != FLOW_OUT)
			flows[i].half[MATRIX_IN] =
			    (struct matrix_half){(enum flow)entry->flow, entry};
	}
	qsort(flows, desired->policy.count, sizeof(*flows), flow_compare);
	for (size_t i = 0; i < desired->policy.count; i++) {
		if (count > 0 && flow_compare(&flows[count - 1], &flows[i]) == 0) {
			if (!merge(&flows[count - 1], &flows[i], err))
				return false;
			continue;
		}
		flows[count++] = flows[i];
	}
	matrix->flow_count = count;
	return true;
}

struct matrix *matrix_create(const struct desired *desired, struct err *err)
{
	struct matrix *matrix = calloc(1, sizeof(*matrix));

	if (!matrix || !list_domains(matrix, desired)) {
		(void)err_set(err, ENOMEM, "out of memory");
		matrix_destroy(matrix);
		return NULL;
	}
	if (!list_flows(matrix, desired, err)) {
		matrix_destroy(matrix);
		return NULL;
	}
	return matrix;
}

void matrix_destroy(struct matrix *matrix)
{
	if (!matrix)
		return;
	names_destroy(matrix->numbers);
	free(matrix->domains);
	free(matrix->flows);
	free(matrix->joined);
	free(matrix);
}

/* ---- Looking at it ---- */

size_t matrix_domain_count(const struct matrix *matrix)
{
	return matrix->domain_count;
}

const char *matrix_domain(const struct matrix *matrix, size_t i)
{
	return matrix->domains[i];
}

int matrix_domain_find(const struct matrix *matrix, const char *name)
{
	const char **domain = names_find(matrix->numbers, name);

	return domain ? (int)(domain - matrix->domains) : -1;
}

size_t matrix_flow_count(const struct matrix *matrix)
{
	return matrix->flow_count;
}

const struct matrix_flow *matrix_flow_at(const struct matrix *matrix, size_t i)
{
	return &matrix->flows[i];
}

const struct matrix_flow *matrix_flow_find(const struct matrix *matrix, size_t from, size_t to)
{
	struct matrix_flow key = {.from = (uint32_t)from, .to = (uint32_t)to};

	return bsearch(&key, matrix->flows, matrix->flow_count, sizeof(key), flow_compare);
}

static enum flow effective(const struct matrix_flow *flow)
{
	enum flow out = flow->half[MATRIX_OUT].flow, in = flow->half[MATRIX_IN].flow;

	return out < in ? out : in;
}

enum flow matrix_effective(const struct matrix *matrix, size_t from, size_t to)
{
	const struct matrix_flow *flow;

	if (from == to)
		return FLOW_OPEN;
	flow = matrix_flow_find(matrix, from, to);
	return flow ? effective(flow) : FLOW_CLOSED;
}

bool matrix_flow_is_free(const struct matrix_flow *flow)
{
	for (int side = 0; side < MATRIX_SIDES; side++) {
		const struct matrix_half *half = &flow->half[side];

		if (half->flow == FLOW_CLOSED ||
		    (half->flow == FLOW_CONTROLLED && half->entry->mode != FLOW_AUDIT))
			return false;
	}
	return true;
}

static bool has_answers(const struct matrix_flow *flow)
{
	for (int side = 0; side < MATRIX_SIDES; side++) {
		const struct flow_conf *entry = flow->half[side].entry;
		const struct rule_conf *rules = entry ? entry->allow.items : NULL;

		if (entry && entry->mode == FLOW_AUDIT)
			return true; /* of all that passes, stateful rules or none */
		for (size_t i = 0; entry && i < entry->allow.count; i++)
			if (rules[i].stateful)
				return true;
	}
	return false;
}

bool matrix_may_cross(const struct matrix *matrix, size_t from, size_t to)
{
	const struct matrix_flow *back;

	if (matrix_effective(matrix, from, to) != FLOW_CLOSED)
		return true;
	back = matrix_flow_find(matrix, to, from);
	return back && effective(back) == FLOW_CONTROLLED && has_answers(back);
}

/* ---- Indirect flows ---- */

bool matrix_join(struct matrix *matrix, size_t from, size_t to, const void *object,
		 const char *what, const char *name)
{
	struct edge *joined = realloc(matrix->joined, (matrix->joined_count + 1) * sizeof(*joined));

	if (!joined)
		return false;
	matrix->joined = joined;
	joined[matrix->joined_count++] =
	    (struct edge){(uint32_t)from, (uint32_t)to, object, what, name};
	return true;
}

static int edge_compare(const void *a, const void *b)
{
	const struct edge *one = a, *two = b;

	if (one->from != two->from)
		return one->from < two->from ? -1 : 1;
	return (one->to > two->to) - (one->to < two->to);
}

/* Whether an entry says that what comes of it is meant. */
static bool is_meant(const struct matrix_flow *flow)
{
	for (int side = 0; side < MATRIX_SIDES; side++)
		if (flow->half[side].entry && flow->half[side].entry->indirect)
			return true;
	return false;
}

/* All ways, sorted. NULL when out of memory. */
static struct edge *list_edges(const struct matrix *matrix, size_t *count)
{
	struct edge *edges = calloc(matrix->flow_count + matrix->joined_count + 1, sizeof(*edges));

	*count = 0;
	if (!edges)
		return NULL;
	for (size_t i = 0; i < matrix->flow_count; i++) {
		const struct matrix_flow *flow = &matrix->flows[i];
		const struct flow_conf *entry = flow->half[MATRIX_OUT].entry;

		if (!matrix_flow_is_free(flow) || is_meant(flow))
			continue;
		edges[(*count)++] =
		    (struct edge){flow->from, flow->to, &entry->head, "policy", entry->name};
	}
	for (size_t i = 0; i < matrix->joined_count; i++)
		edges[(*count)++] = matrix->joined[i];
	qsort(edges, *count, sizeof(*edges), edge_compare);
	return edges;
}

/* The walk from one domain over all that it reaches, nearest first. */
struct walk {
	const struct matrix *matrix;
	const struct edge *edges;
	size_t edge_count;
	uint32_t *first;   /* of each domain, its first edge; one more at the end */
	uint32_t *queue;   /* domains that were reached, in this order */
	uint32_t *by;	   /* the edge that reached a domain */
	uint32_t *reached; /* in which walk a domain was reached last */
	uint32_t number;   /* of this walk, from 1 */
};

static bool walk_init(struct walk *walk, const struct matrix *matrix, const struct edge *edges,
		      size_t edge_count)
{
	size_t n = matrix->domain_count, edge = 0;

	*walk = (struct walk){.matrix = matrix, .edges = edges, .edge_count = edge_count};
	walk->first = calloc(n + 1, sizeof(uint32_t));
	walk->queue = calloc(n, sizeof(uint32_t));
	walk->by = calloc(n, sizeof(uint32_t));
	walk->reached = calloc(n, sizeof(uint32_t));
	if (!walk->first || !walk->queue || !walk->by || !walk->reached)
		return false;
	for (size_t domain = 0; domain <= n; domain++) {
		while (edge < edge_count && edges[edge].from < domain)
			edge++;
		walk->first[domain] = (uint32_t)edge;
	}
	return true;
}

static void walk_fini(struct walk *walk)
{
	free(walk->first);
	free(walk->queue);
	free(walk->by);
	free(walk->reached);
}

static bool is_forbidden(const struct matrix *matrix, uint32_t from, uint32_t to)
{
	const struct matrix_flow *flow;

	if (matrix_effective(matrix, from, to) != FLOW_CLOSED)
		return false;
	flow = matrix_flow_find(matrix, from, to);
	return !flow || !is_meant(flow);
}

/* Appends the way to a domain, in the order of travel; the middle of a long one is left out. */
static void tell_path(const struct walk *walk, uint32_t from, uint32_t to, char *text, size_t size)
{
	uint32_t length = 1;

	for (uint32_t at = to; walk->edges[walk->by[at]].from != from; length++)
		at = walk->edges[walk->by[at]].from;
	for (uint32_t step = 1; step <= length; step++) {
		char name[MATRIX_DOMAIN_TEXT];
		const struct edge *edge;
		size_t used = strlen(text);
		uint32_t at = to;

		if (step == PATH_TOLD && length > PATH_TOLD) {
			(void)snprintf(text + used, size - used, " -> ...");
			step = length - 1;
			continue;
		}
		for (uint32_t back = length; back > step; back--)
			at = walk->edges[walk->by[at]].from;
		edge = &walk->edges[walk->by[at]];
		(void)snprintf(text + used, size - used, " -> %s (%s \"%s\")",
			       matrix_domain_text(walk->matrix->domains[at], name), edge->what,
			       edge->name);
	}
}

static bool tell(const struct walk *walk, uint32_t from, uint32_t to, struct err *err)
{
	const struct matrix_flow *flow = matrix_flow_find(walk->matrix, from, to);
	char one[MATRIX_DOMAIN_TEXT], two[MATRIX_DOMAIN_TEXT], path[400] = "";
	const struct edge *edge = &walk->edges[walk->by[to]];
	const struct conf_head *place = edge->object;

	for (int side = 0; flow && side < MATRIX_SIDES; side++)
		if (flow->half[side].entry)
			place = &flow->half[side].entry->head;
	(void)matrix_domain_text(walk->matrix->domains[from], one);
	(void)matrix_domain_text(walk->matrix->domains[to], two);
	tell_path(walk, from, to, path, sizeof(path));
	return conf_fail(place, err,
			 "policy: from %s to %s is closed, but there is a way: %s%s; if that is "
			 "meant, say indirect = true",
			 one, two, one, path);
}

static bool walk_from(struct walk *walk, uint32_t from, struct err *err)
{
	size_t head = 0, tail = 0;

	walk->number++;
	walk->reached[from] = walk->number;
	walk->queue[tail++] = from;
	while (head < tail) {
		uint32_t at = walk->queue[head++];

		for (uint32_t i = walk->first[at]; i < walk->first[at + 1]; i++) {
			uint32_t to = walk->edges[i].to;

			if (walk->reached[to] == walk->number)
				continue;
			walk->reached[to] = walk->number;
			walk->by[to] = i;
			walk->queue[tail++] = to;
			if (is_forbidden(walk->matrix, from, to))
				return tell(walk, from, to, err);
		}
	}
	return true;
}

bool matrix_check_indirect(const struct matrix *matrix, struct err *err)
{
	struct walk walk = {.matrix = NULL};
	size_t count;
	struct edge *edges = list_edges(matrix, &count);
	bool ok = edges && walk_init(&walk, matrix, edges, count);

	if (!ok)
		(void)err_set(err, ENOMEM, "out of memory");
	for (uint32_t from = 0; ok && from < matrix->domain_count; from++)
		if (walk.first[from] < walk.first[from + 1])
			ok = walk_from(&walk, from, err);
	walk_fini(&walk);
	free(edges);
	return ok;
}

bool matrix_allows_way(struct matrix *matrix, size_t from, size_t to)
{
	const struct conf_head nowhere = {.file = NULL};
	struct err err;
	bool ok;

	if (matrix_effective(matrix, from, to) == FLOW_CLOSED ||
	    !matrix_join(matrix, from, to, &nowhere, "mirror", ""))
		return false;
	ok = matrix_check_indirect(matrix, &err);
	matrix->joined_count--;
	return ok;
}
