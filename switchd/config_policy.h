/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of the desired state that says which domains may talk to which, and
 * where their segments meet.
 */
#ifndef TVD_CONFIG_POLICY_H
#define TVD_CONFIG_POLICY_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/conf.h"
#include "lib/err.h"

struct desired;
struct segment_conf;

enum flow { FLOW_CLOSED, FLOW_CONTROLLED, FLOW_OPEN }; /* from the strictest */
enum flow_side { FLOW_BOTH, FLOW_OUT, FLOW_IN };
enum flow_mode { FLOW_ENFORCE, FLOW_AUDIT };
enum junction_type { JUNCTION_TRANSPARENT, JUNCTION_GATEWAY };

/* What a domain asks for beside its segments' keys. */
struct domain_conf {
	struct conf_head head;
	const char *owner;
	char *name;
	bool integrity; /* guards are on at its ports */
};

/* What a controlled flow lets through. */
struct rule_conf {
	struct conf_head head;
	char *filter; /* a pcap-filter(7) expression */
	char *port;   /* the one port that it holds for; NULL: any */
	bool stateful, pickup, log;
};

/* One entry of the matrix. */
struct flow_conf {
	struct conf_head head;
	const char *owner;
	char *name;	 /* "FROM:TO", "FROM:TO:out", "FROM:TO:in" unless it was given */
	char *from, *to; /* domains; "": the default domain */
	int flow;	 /* enum flow */
	int side;	 /* enum flow_side: which halves it states */
	int mode;	 /* enum flow_mode */
	bool log, indirect;
	struct conf_list allow; /* of struct rule_conf */
};

/* A gateway's address in one of the junction's segments. */
struct gateway_conf {
	struct conf_head head;
	char *segment, *address; /* see gateway_conf_address() */
	bool derived;		 /* filled in: what an encap of the segment says */
};

struct junction_conf {
	struct conf_head head;
	const char *owner;
	char *name;
	struct conf_list segments; /* of char *, names */
	int type;		   /* enum junction_type */
	struct conf_list gateway;  /* of struct gateway_conf */
	struct conf_list at;	   /* of char *, names of hosts; empty: everywhere */
	char *foreign;		   /* the host that serves members without switchd; NULL: none */
};

extern const struct conf_schema domain_schema, flow_schema, junction_schema;
extern const char *const flow_words[], *const flow_side_words[], *const flow_mode_words[],
								     *const junction_type_words[];

/* The address with the length of the subnet; what was checked has both. */
struct ipprefix gateway_conf_address(const struct gateway_conf *gateway);

/* Whether the junction is on this host. */
bool junction_conf_is_here(const struct junction_conf *junction, const char *host);

/* Gives those entries names that have none. false when out of memory. */
bool config_policy_name(struct desired *desired);

/* Gives gateways of junctions the addresses that encaps of their segments say now, where they
 * say none themselves. false when out of memory. */
bool config_policy_complete(struct desired *desired);

/* What one object can say of itself, and references. false with a message. */
bool config_policy_check(const struct desired *desired, struct err *err);

/* Tells of entries whose domains are not on this host, a text for each: hosts may share a
 * matrix, but it may also be a slip. */
void config_policy_note(const struct desired *desired, void (*tell)(const char *text));

#endif
