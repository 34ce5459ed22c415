/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The junctions that a configuration makes: those of its list, and those that its
 * policy implies. Pure; what it returns points into the desired state.
 */
#ifndef TVD_PLAN_H
#define TVD_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "switchd/config.h"
#include "switchd/policy/matrix.h"

/* In how many others a segment may be joined transparently: each is asked for what is in none. */
#define JOINED_MAX 256u

struct plan_junction {
	char *name;			  /* owned */
	const struct junction_conf *conf; /* NULL: implied */
	enum junction_type type;
	bool here; /* on this host */
	size_t count;
	const struct segment_conf **segments; /* owned; of one that is not here, those that are */
};

struct plan {
	struct matrix *matrix;
	size_t count;
	struct plan_junction *junctions;
};

/*
 * Makes the plan of a configuration that is right in its parts, and checks it as a whole:
 * contradictions in the policy, indirect flows (through guests in several domains,
 * too), segments that meet twice or cannot meet. 0, -EINVAL or -ENOMEM with a message
 * in err. plan_clear() is due if it was made.
 */
int plan_make(struct plan *plan, const struct desired *desired, struct err *err);
void plan_clear(struct plan *plan);

/* Whether frames could ever cross between two segments, in either direction. */
bool plan_may_meet(const struct plan *plan, const struct segment_conf *one,
		   const struct segment_conf *two);

/* For desired_check(): plan_make() for its errors alone; cheap where there is no policy. */
bool plan_check(const struct desired *desired, struct err *err);

/* For desired_warn(): flows that let nothing back, junctions without a flow, and machines that
 * could go past rules; what was so in the former configuration (NULL: none) is not told. */
void plan_warn(const struct desired *desired, const struct desired *former,
	       void (*tell)(const char *text));

#endif
