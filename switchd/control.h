/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The requests of switchctl.
 */
#ifndef TVD_CONTROL_H
#define TVD_CONTROL_H

#include <jansson.h>

#include "lib/ctl.h"
#include "switchd/switchd.h"

/* For ctl_server_open(); arg is the switch. */
void control_request(void *arg, struct ctl_conn *conn, const char *command, json_t *args, int *fd);

/* ---- control_show.c: objects as JSON; each answers the request itself ---- */

/* Zeroed memory for making an answer; NULL when there is none, and the request has failed. */
void *control_alloc(struct ctl_conn *conn, size_t size);

/* The segment that a request names, or NULL if it names none. false: there is none of that
 * name, and the request has failed. */
bool control_asked_segment(const struct switchd *sw, struct ctl_conn *conn, json_t *args,
			   const struct segment **segment);

void control_show_status(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_ports(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_segments(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_uplinks(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_encaps(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_relays(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_multicast(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_mirrors(struct switchd *sw, struct ctl_conn *conn, json_t *args);

/* ---- control_fdb.c: the same for what there may be a million of ---- */

void control_show_fdb(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_bindings(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_peers(struct switchd *sw, struct ctl_conn *conn, json_t *args);

/* ---- control_connections.c ---- */

void control_show_connections(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_flush_connections(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd);

/* ---- control_policy.c: flow policy and junctions ---- */

void control_show_policy(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_policy_check(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_policy_matrix(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_policy_verify(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_show_junctions(struct switchd *sw, struct ctl_conn *conn, json_t *args);

/* ---- control_gateway.c ---- */

void control_show_neighbours(struct switchd *sw, struct ctl_conn *conn, json_t *args);
void control_flush_neighbours(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd);

/* ---- metrics.c ---- */

/* How far everything that is counted has been written; zeroed at first. */
struct metrics_walk {
	size_t step, k;
	uint32_t cursor;
	bool end; /* that was all */
};

/* The next piece of it, in Prometheus' text format, which does not take long, however much
 * there is; free() it. NULL when out of memory. */
char *metrics_next(const struct switchd *sw, struct metrics_walk *walk);

#endif
