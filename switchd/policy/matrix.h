/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow policy of a configuration as a matrix over domains. Each entry is split
 * into two halves, what the sender's domain lets out and what the receiver's lets in;
 * a half that nobody states is closed, and the flow is the stricter of the two. Pure:
 * the matrix points into the desired state that it was made of.
 */
#ifndef TVD_MATRIX_H
#define TVD_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "switchd/config.h"

enum matrix_side { MATRIX_OUT, MATRIX_IN, MATRIX_SIDES };

/* One domain's half of a flow. */
struct matrix_half {
	enum flow flow;
	const struct flow_conf *entry; /* that states it; NULL: closed, since none does */
};

struct matrix_flow {
	uint32_t from, to; /* domains, by their numbers in the matrix */
	struct matrix_half half[MATRIX_SIDES];
};

struct matrix;

/*
 * The matrix of all entries. NULL with a message in err: two entries state the same
 * half, or there is no memory. destroy(NULL) is fine.
 */
struct matrix *matrix_create(const struct desired *desired, struct err *err);
void matrix_destroy(struct matrix *matrix);

/* Domains, numbered from 0, which is the default domain "". A name's number, or -1. */
size_t matrix_domain_count(const struct matrix *matrix);
const char *matrix_domain(const struct matrix *matrix, size_t i);
int matrix_domain_find(const struct matrix *matrix, const char *name);

/* The flows of which a half is stated, by sender and receiver in order of numbers. */
size_t matrix_flow_count(const struct matrix *matrix);
const struct matrix_flow *matrix_flow_at(const struct matrix *matrix, size_t i);

/* The flow between two domains, or NULL: nobody states anything. */
const struct matrix_flow *matrix_flow_find(const struct matrix *matrix, size_t from, size_t to);

/* What comes of both halves; a domain is open to itself. */
enum flow matrix_effective(const struct matrix *matrix, size_t from, size_t to);

/* Whether nothing holds a flow back: it is open, or nothing more than audited. */
bool matrix_flow_is_free(const struct matrix_flow *flow);

/* Whether anything could ever cross from one to the other, answers included. */
bool matrix_may_cross(const struct matrix *matrix, size_t from, size_t to);

/*
 * Notes that something else than an entry joins two domains, in this direction
 * only: `what` and `name` say it in messages ("port", "vm1"). false when out of memory.
 */
bool matrix_join(struct matrix *matrix, size_t from, size_t to, const void *object,
		 const char *what, const char *name);

/*
 * Whether one more way from a domain to another, which nothing holds back, is allowed: the flow
 * is not closed, and no others that are closed are joined then. false when out of memory.
 */
bool matrix_allows_way(struct matrix *matrix, size_t from, size_t to);

/*
 * Whether two domains that are closed are joined all the same, through others, by
 * flows that nothing holds back. false then, with the path in err.
 */
bool matrix_check_indirect(const struct matrix *matrix, struct err *err);

/* A domain as a text says it: its name in quotes, or "the default domain". */
#define MATRIX_DOMAIN_TEXT (NAME_MAX_LEN + 16)
const char *matrix_domain_text(const char *name, char buf[MATRIX_DOMAIN_TEXT]);

#endif
