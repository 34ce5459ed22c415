/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of one switch: the table of policy/conn.h with its limits from the
 * configuration, its time from the loop, and its names from segments and ports.
 */
#ifndef TVD_CONNECTIONS_H
#define TVD_CONNECTIONS_H

#include <jansson.h>

#include "switchd/policy/conn.h"
#include "switchd/switchd.h"

/* What a configuration allows. */
struct conn_limits connections_limits(const struct desired *desired);

/* Brings the table in line with new limits: those of a smaller one lose by the rules of a
 * full one. 0, or -ENOMEM with the table as it was. */
int connections_apply(struct switchd *sw, const struct conn_limits *limits);

/* Tells of connections that made way for others since the second before. */
void connections_second(struct switchd *sw);

/* Ends what is too old, and what a policy that has changed does not let in; false: not all of it,
 * call it again soon. */
bool connections_age(struct switchd *sw);

/* The other end is in a segment, too, and goes with it. */
void connections_segment_gone(struct switchd *sw, uint16_t number);

#endif
