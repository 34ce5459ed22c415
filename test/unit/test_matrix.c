/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The matrix of flows: what comes of two halves, contradictions, and indirect flows,
 * by cases and against a naive model of random matrices.
 */
#include "switchd/policy/matrix.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DOMAINS_MAX 8

static struct flow_conf entries[64];
static char names[64][16];
static struct rule_conf stateful = {.filter = (char *)(uintptr_t) "tcp", .stateful = true};
static struct rule_conf stateless = {.filter = (char *)(uintptr_t) "udp"};
static struct desired desired;

static char *literal(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void begin(void)
{
	memset(&desired, 0, sizeof(desired));
	memset(entries, 0, sizeof(entries));
	desired.policy.items = entries;
}

static struct flow_conf *entry(const char *from, const char *to, enum flow flow,
			       enum flow_side side)
{
	struct flow_conf *added = &entries[desired.policy.count];

	(void)snprintf(names[desired.policy.count], sizeof(names[0]), "e%zu", desired.policy.count);
	*added = (struct flow_conf){
	    .head = {.file = "f", .line = (int)desired.policy.count + 1},
	    .owner = OWNER_FILE,
	    .name = names[desired.policy.count],
	    .from = literal(from),
	    .to = literal(to),
	    .flow = (int)flow,
	    .side = (int)side,
	};
	desired.policy.count++;
	return added;
}

static struct matrix *make(void)
{
	struct err err;
	struct matrix *matrix = matrix_create(&desired, &err);

	assert_non_null(matrix);
	return matrix;
}

static enum flow between(const struct matrix *matrix, const char *from, const char *to)
{
	int one = matrix_domain_find(matrix, from), two = matrix_domain_find(matrix, to);

	assert_true(one >= 0 && two >= 0);
	return matrix_effective(matrix, (size_t)one, (size_t)two);
}

static void halves(void **state)
{
	struct flow_conf *audited;
	struct matrix *matrix;
	const struct matrix_flow *flow;

	(void)state;
	begin();
	entry("a", "b", FLOW_OPEN, FLOW_BOTH);
	entry("b", "a", FLOW_OPEN, FLOW_OUT);
	entry("a", "c", FLOW_OPEN, FLOW_OUT);
	entry("a", "c", FLOW_CONTROLLED, FLOW_IN);
	entry("c", "a", FLOW_CLOSED, FLOW_IN);
	entry("c", "a", FLOW_OPEN, FLOW_OUT);
	audited = entry("", "a", FLOW_CONTROLLED, FLOW_BOTH);
	audited->mode = FLOW_AUDIT;
	matrix = make();
	assert_int_equal(matrix_domain_count(matrix), 4);
	assert_string_equal(matrix_domain(matrix, 0), "");
	assert_int_equal(matrix_domain_find(matrix, "d"), -1);
	assert_int_equal(matrix_flow_count(matrix), 5);
	assert_int_equal(between(matrix, "a", "b"), FLOW_OPEN);
	assert_int_equal(between(matrix, "b", "a"), FLOW_CLOSED);
	assert_int_equal(between(matrix, "a", "c"), FLOW_CONTROLLED);
	assert_int_equal(between(matrix, "c", "a"), FLOW_CLOSED);
	assert_int_equal(between(matrix, "b", "c"), FLOW_CLOSED);
	assert_int_equal(between(matrix, "c", "c"), FLOW_OPEN);
	assert_int_equal(between(matrix, "", ""), FLOW_OPEN);
	flow = matrix_flow_find(matrix, 0, (size_t)matrix_domain_find(matrix, "a"));
	assert_non_null(flow);
	assert_ptr_equal(flow->half[MATRIX_IN].entry, audited);
	assert_true(matrix_flow_is_free(flow));
	audited->mode = FLOW_ENFORCE;
	assert_false(matrix_flow_is_free(flow));
	matrix_destroy(matrix);
	matrix_destroy(NULL);
}

static void answers_cross(void **state)
{
	struct flow_conf *flow;
	struct matrix *matrix;
	size_t a, b;

	(void)state;
	begin();
	flow = entry("a", "b", FLOW_CONTROLLED, FLOW_BOTH);
	flow->allow = (struct conf_list){1, &stateless};
	matrix = make();
	a = (size_t)matrix_domain_find(matrix, "a");
	b = (size_t)matrix_domain_find(matrix, "b");
	assert_true(matrix_may_cross(matrix, a, b));
	assert_false(matrix_may_cross(matrix, b, a));
	flow->mode = FLOW_AUDIT; /* which remembers what it would have refused */
	assert_true(matrix_may_cross(matrix, b, a));
	flow->mode = FLOW_ENFORCE;
	flow->allow.items = &stateful;
	assert_true(matrix_may_cross(matrix, b, a));
	flow->flow = FLOW_OPEN; /* of the matrix: the entry as it was read */
	assert_true(matrix_may_cross(matrix, a, b));
	matrix_destroy(matrix);
}

static void contradictions(void **state)
{
	static const struct {
		enum flow_side one, two;
		const char *says;
	} cases[] = {
	    {FLOW_BOTH, FLOW_BOTH,
	     "f:2: policy \"e1\": what \"a\" lets out to \"b\" is said by policy \"e0\", at f:1 "
	     "already"},
	    {FLOW_OUT, FLOW_BOTH,
	     "f:2: policy \"e1\": what \"a\" lets out to \"b\" is said by policy \"e0\", at f:1 "
	     "already"},
	    {FLOW_BOTH, FLOW_IN,
	     "f:2: policy \"e1\": what \"b\" lets in from \"a\" is said by policy \"e0\", at f:1 "
	     "already"},
	    {FLOW_IN, FLOW_IN,
	     "f:2: policy \"e1\": what \"b\" lets in from \"a\" is said by policy \"e0\", at f:1 "
	     "already"},
	    {FLOW_OUT, FLOW_IN, NULL},
	    {FLOW_IN, FLOW_OUT, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct matrix *matrix;
		struct err err = {""};

		begin();
		entry("a", "b", FLOW_OPEN, cases[i].one);
		entry("a", "b", FLOW_OPEN, cases[i].two);
		matrix = matrix_create(&desired, &err);
		assert_true((matrix == NULL) == (cases[i].says != NULL));
		if (cases[i].says)
			assert_string_equal(err.text, cases[i].says);
		matrix_destroy(matrix);
	}
}

static void indirect_is(const char *says)
{
	struct matrix *matrix = make();
	struct err err = {""};

	assert_true(matrix_check_indirect(matrix, &err) == (says == NULL));
	if (says)
		assert_string_equal(err.text, says);
	matrix_destroy(matrix);
}

static void indirect(void **state)
{
	struct flow_conf *one, *two;
	struct matrix *matrix;
	struct err err;

	(void)state;
	begin();
	entry("a", "b", FLOW_OPEN, FLOW_BOTH);
	one = entry("b", "c", FLOW_OPEN, FLOW_BOTH);
	indirect_is(
	    "f:2: policy: from \"a\" to \"c\" is closed, but there is a way: \"a\" -> \"b\" "
	    "(policy \"e0\") -> \"c\" (policy \"e1\"); if that is meant, say indirect = true");
	one->indirect = true; /* the entry that is open */
	indirect_is(NULL);
	one->indirect = false;
	two = entry("a", "c", FLOW_CLOSED, FLOW_BOTH); /* that is closed */
	indirect_is(
	    "f:3: policy: from \"a\" to \"c\" is closed, but there is a way: \"a\" -> \"b\" "
	    "(policy \"e0\") -> \"c\" (policy \"e1\"); if that is meant, say indirect = "
	    "true");
	two->indirect = true;
	indirect_is(NULL);
	two->flow = FLOW_CONTROLLED; /* not closed */
	two->indirect = false;
	indirect_is(NULL);

	/* Not the other way, and not over what holds something back. */
	begin();
	entry("a", "b", FLOW_OPEN, FLOW_BOTH);
	entry("c", "b", FLOW_OPEN, FLOW_BOTH);
	one = entry("b", "d", FLOW_CONTROLLED, FLOW_BOTH);
	indirect_is(NULL);
	one->mode = FLOW_AUDIT;
	indirect_is(
	    "f:3: policy: from \"a\" to \"d\" is closed, but there is a way: \"a\" -> \"b\" "
	    "(policy \"e0\") -> \"d\" (policy \"e2\"); if that is meant, say indirect = true");

	/* Over the default domain, and over what is no entry. */
	begin();
	entry("a", "", FLOW_OPEN, FLOW_BOTH);
	entry("", "b", FLOW_OPEN, FLOW_OUT);
	entry("b", "a", FLOW_CLOSED, FLOW_BOTH);
	matrix = make();
	assert_true(matrix_check_indirect(matrix, &err));
	assert_true(matrix_join(matrix, 0, (size_t)matrix_domain_find(matrix, "b"),
				&entries[2].head, "port", "p"));
	assert_false(matrix_check_indirect(matrix, &err));
	assert_string_equal(
	    err.text, "f:2: policy: from the default domain to \"b\" is closed, but there is "
		      "a way: the default domain -> \"b\" (port \"p\"); if that is meant, say "
		      "indirect = true");
	matrix_destroy(matrix);
}

/* A long path is told in part. */
static void long_path(void **state)
{
	static char domains[40][8];
	struct matrix *matrix;
	struct err err;

	(void)state;
	begin();
	for (int i = 0; i < 40; i++)
		(void)snprintf(domains[i], sizeof(domains[0]), "d%d", i);
	for (int i = 0; i < 39; i++)
		entry(domains[i], domains[i + 1], FLOW_OPEN, FLOW_BOTH);
	for (int i = 2; i < 26; i++)
		entry(domains[0], domains[i], FLOW_CONTROLLED, FLOW_BOTH);
	matrix = make();
	assert_false(matrix_check_indirect(matrix, &err));
	assert_non_null(strstr(err.text, "-> \"d5\" (policy \"e4\") -> ... -> \"d26\" (policy"));
	matrix_destroy(matrix);
}

/* ---- Against a model ---- */

struct model {
	int half[DOMAINS_MAX][DOMAINS_MAX][MATRIX_SIDES]; /* enum flow; -1: not stated */
	bool audit[DOMAINS_MAX][DOMAINS_MAX][MATRIX_SIDES];
	bool meant[DOMAINS_MAX][DOMAINS_MAX];
	bool twice;
};

static const char *const domain_names[DOMAINS_MAX] = {"", "a", "b", "c", "d", "e", "f", "g"};

static void draw(struct model *model, int domains)
{
	int count = (int)(random() % 24);

	begin();
	memset(model, 0, sizeof(*model));
	for (int i = 0; i < DOMAINS_MAX * DOMAINS_MAX * MATRIX_SIDES; i++)
		(&model->half[0][0][0])[i] = -1;
	for (int i = 0; i < count; i++) {
		int from = (int)(random() % domains), to = (int)(random() % domains);
		enum flow flow = (enum flow)(random() % 3);
		enum flow_side side = (enum flow_side)(random() % 3);
		struct flow_conf *added;

		if (from == to)
			continue;
		/* Contradictions are rare enough to look at the rest, too. */
		if (random() % 16 &&
		    (model->half[from][to][0] >= 0 || model->half[from][to][1] >= 0))
			continue;
		added = entry(domain_names[from], domain_names[to], flow, side);
		added->mode =
		    flow == FLOW_CONTROLLED && random() % 3 == 0 ? FLOW_AUDIT : FLOW_ENFORCE;
		added->indirect = random() % 6 == 0;
		model->meant[from][to] |= added->indirect;
		for (int half = 0; half < MATRIX_SIDES; half++) {
			if (side == (half == MATRIX_OUT ? FLOW_IN : FLOW_OUT))
				continue;
			model->twice |= model->half[from][to][half] >= 0;
			model->half[from][to][half] = (int)flow;
			model->audit[from][to][half] = added->mode == FLOW_AUDIT;
		}
	}
}

static int model_effective(const struct model *model, int from, int to)
{
	int out = model->half[from][to][MATRIX_OUT], in = model->half[from][to][MATRIX_IN];

	if (from == to)
		return FLOW_OPEN;
	if (out < 0 || in < 0)
		return FLOW_CLOSED;
	return out < in ? out : in;
}

static bool model_free(const struct model *model, int from, int to)
{
	for (int half = 0; half < MATRIX_SIDES; half++)
		if (model->half[from][to][half] != FLOW_OPEN && !model->audit[from][to][half])
			return false;
	return !model->meant[from][to];
}

/* The transitive closure, by brute force. */
static bool model_indirect(const struct model *model, int domains)
{
	bool reach[DOMAINS_MAX][DOMAINS_MAX] = {{false}};

	for (int i = 0; i < domains; i++)
		for (int j = 0; j < domains; j++)
			reach[i][j] = i != j && model_free(model, i, j);
	for (int k = 0; k < domains; k++)
		for (int i = 0; i < domains; i++)
			for (int j = 0; j < domains; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
	for (int i = 0; i < domains; i++)
		for (int j = 0; j < domains; j++)
			if (i != j && reach[i][j] && !model->meant[i][j] &&
			    model_effective(model, i, j) == FLOW_CLOSED)
				return true;
	return false;
}

static void against_model(void **state)
{
	unsigned contradictory = 0, joined = 0, fine = 0;

	(void)state;
	srandom(7);
	for (int round = 0; round < 40000; round++) {
		int domains = 2 + (int)(random() % (DOMAINS_MAX - 1));
		struct matrix *matrix;
		struct model model;
		struct err err = {""};

		draw(&model, domains);
		matrix = matrix_create(&desired, &err);
		assert_true((matrix == NULL) == model.twice);
		if (!matrix) {
			contradictory++;
			continue;
		}
		for (int i = 0; i < domains; i++) {
			int from = matrix_domain_find(matrix, domain_names[i]);

			for (int j = 0; from >= 0 && j < domains; j++) {
				int to = matrix_domain_find(matrix, domain_names[j]);

				if (to < 0)
					continue;
				assert_int_equal(matrix_effective(matrix, (size_t)from, (size_t)to),
						 model_effective(&model, i, j));
			}
		}
		assert_true(matrix_check_indirect(matrix, &err) ==
			    !model_indirect(&model, domains));
		*(err.text[0] ? &joined : &fine) += 1;
		matrix_destroy(matrix);
	}
	assert_true(contradictory > 1000 && joined > 1000 && fine > 1000);
}

/* One more way, as a mirror is: with it the model must find nothing that is closed. */
static void one_more_way(void **state)
{
	struct matrix *matrix;
	struct err err;
	size_t a, b, c, d;

	(void)state;
	begin();
	entry("a", "b", FLOW_CONTROLLED, FLOW_BOTH)->mode = FLOW_ENFORCE;
	entry("b", "c", FLOW_OPEN, FLOW_BOTH);
	entry("c", "d", FLOW_CONTROLLED, FLOW_BOTH);
	entry("b", "d", FLOW_CLOSED, FLOW_BOTH)->indirect = true;
	entry("d", "a", FLOW_OPEN, FLOW_BOTH);
	matrix = make();
	a = (size_t)matrix_domain_find(matrix, "a");
	b = (size_t)matrix_domain_find(matrix, "b");
	c = (size_t)matrix_domain_find(matrix, "c");
	d = (size_t)matrix_domain_find(matrix, "d");
	assert_false(matrix_allows_way(matrix, a, b)); /* and so to c */
	assert_true(matrix_allows_way(matrix, b, c));
	assert_true(matrix_allows_way(matrix, d, a));
	assert_false(matrix_allows_way(matrix, a, c)); /* closed */
	assert_false(matrix_allows_way(matrix, a, d));
	assert_false(matrix_allows_way(matrix, b, d)); /* what is meant is a way through others */
	assert_true(matrix_check_indirect(matrix, &err));
	matrix_destroy(matrix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(halves),	      cmocka_unit_test(answers_cross),
	    cmocka_unit_test(contradictions), cmocka_unit_test(indirect),
	    cmocka_unit_test(long_path),      cmocka_unit_test(against_model),
	    cmocka_unit_test(one_more_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
