/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The desired state of one switchd: what the configuration file, switchctl and
 * (later) masters ask for, in one object. Making and checking it touches nothing
 * live; commit.h applies it.
 */
#ifndef TVD_CONFIG_H
#define TVD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "encap/encap.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "switchd/config_policy.h"

#define CONFIG_FILE_DEFAULT "/etc/tvdswitch/switchd.conf"
#define RUN_DIR_DEFAULT	    "/run/tvdswitch"
#define NAME_MAX_LEN	    63 /* of a host, uplink, segment, port: [A-Za-z0-9_.-]+ */

/* Who made an object; a reload replaces those of the file only. Hooks are scripts that
 * others run (libvirt's, for guests). A wildcard's ports are no part of the desired
 * state: they come and go with their interfaces. */
#define OWNER_FILE     "file"
#define OWNER_CLI      "cli"
#define OWNER_HOOK     "hook"
#define OWNER_WILDCARD "wildcard"
#define OWNER_CLIENT   "client" /* ports of clients of a port that serves many: likewise */

enum ids_mode { IDS_OWN, IDS_SHARED };
enum tags_mode { TAGS_DROP, TAGS_PASS };
enum fast_mode { FAST_OFF, FAST_AUTO, FAST_XDP, FAST_BPF };
enum port_admin { PORT_OPEN, PORT_LOCKED };

/* How uplinks, segments and ports begin. */
struct desired_object {
	struct conf_head head;
	const char *owner; /* OWNER_; not a key, never freed */
	char *name;
};

struct uplink_conf {
	struct conf_head head;
	const char *owner;
	char *name, *interface;
	struct conf_list addresses; /* of struct ipaddr; empty: what the interface has */
	int fast;		    /* enum fast_mode */
};

struct segment_conf {
	struct conf_head head;
	const char *owner;
	char *name;
	int64_t id;		       /* -1: not given */
	char *domain;		       /* "": the default domain */
	int64_t ageing;		       /* seconds; 0: never */
	int64_t fdb_max, fdb_port_max; /* fdb_port_max 0: a quarter of fdb_max */
	int tags;		       /* enum tags_mode */
	struct conf_list reserved;     /* of int64_t: last bytes of 01-80-C2-00-00-xx let through */
	bool isolated;
	int64_t storm;		 /* frames a second; 0: no limit */
	bool snooping, querier;	 /* of multicast groups; a querier snoops */
	int64_t relay_id;	 /* 0: not given */
	struct conf_list encaps; /* of struct conf_variant; objects start with struct encap_conf */
};

struct guard_conf {
	struct conf_head head;
	bool arp, dhcp, ra, mac, ip;
};

/* A VLAN of a trunk port. */
struct trunk_conf {
	struct conf_head head;
	int64_t vid;
	char *segment;
};

/* What every port has; first member of each port type's own structure. */
struct port_conf {
	struct conf_head head;
	const char *owner;
	char *name, *type;
	char *segment, *native;	    /* see port_conf_untagged() */
	struct conf_list trunk;	    /* of struct trunk_conf; empty: an access port */
	char *domain;		    /* that the segment must belong to; NULL: any */
	int state;		    /* enum port_admin */
	struct conf_list macs;	    /* of struct mac; empty: any */
	struct conf_list addresses; /* of struct ipprefix; empty: any */
	struct guard_conf guard;
	bool isolated;
	char *guest;   /* the machine that it is a port of; NULL: see machine_of_port() */
	bool indirect; /* what that machine carries from or to this port is meant */
};

struct desired {
	struct conf_head head;
	char *host, *control, *user, *run_dir;
	int log_level, ids; /* enum log_level, enum ids_mode */
	bool seccomp, yield;
	int64_t busy_poll;				/* microseconds */
	int64_t connections_max, connections_guest_max; /* the latter 0: a quarter of the former */
	struct conf_list uplinks;			/* of struct uplink_conf */
	struct conf_list segments;			/* of struct segment_conf */
	struct conf_list ports;	  /* of struct conf_variant; objects start with struct port_conf */
	struct conf_list domains; /* of struct domain_conf; there are others */
	struct conf_list policy;  /* of struct flow_conf */
	struct conf_list junctions; /* of struct junction_conf, in addition to those implied */
};

extern const struct conf_schema uplink_schema, segment_schema, desired_schema;

/* The control socket in `run_dir`, where no other is given. */
#define CONFIG_SOCKET_NAME "/switchd.sock"

/*
 * Reads, parses and checks a file into a zeroed object, and fills in what
 * depends on the host or on other keys (host, control). 0, or negative errno
 * with "FILE:LINE: message" in err and the object cleared.
 */
int desired_load(struct desired *desired, const char *path, struct err *err);

/* The same from text in memory, named `name` in messages. For tests and fuzzing. */
int desired_parse(struct desired *desired, const char *text, const char *name, struct err *err);

/*
 * The same as desired_load() in steps, for who has other things to do meanwhile. A step
 * says 1: there are more; 0: *desired, zeroed before the first, is filled in; or negative
 * errno with a message and *desired cleared. `path` is the caller's, and stays. NULL when
 * out of memory; ending NULL is fine.
 */
struct desired_loading;
struct desired_loading *desired_loading_begin(const char *path);
int desired_loading_step(struct desired_loading *loading, struct desired *desired, struct err *err);
void desired_loading_end(struct desired_loading *loading);

/* Says of all objects who made them. */
void desired_set_owner(struct desired *desired, const char *owner);

/*
 * Checks what no single object can: duplicate names and ids, references to
 * nothing, ranges that depend on each other, what backends and port types say of
 * theirs, encaps that cannot both be. Sets what follows from other objects: the guards
 * of ports in domains that ask for integrity, addresses of gateways. 0 or -EINVAL.
 */
int desired_check(struct desired *desired, struct err *err);

/* Into a zeroed object. 0, or -ENOMEM with the object zeroed. */
int desired_copy(struct desired *to, const struct desired *from, struct err *err);
void desired_clear(struct desired *desired);

/*
 * Puts copies of all objects of `from` whose owner is not the file behind those
 * of `to`. The result is still to be checked: names may now be there twice. 0, or
 * -ENOMEM with some of them there.
 */
int desired_keep(struct desired *to, const struct desired *from, struct err *err);

const struct uplink_conf *desired_uplink(const struct desired *desired, const char *name);
const struct segment_conf *desired_segment(const struct desired *desired, const char *name);
const struct port_conf *desired_port(const struct desired *desired, const char *name);

/* The objects of one kind, whatever kind it is. */
enum desired_kind {
	DESIRED_UPLINK,
	DESIRED_SEGMENT,
	DESIRED_PORT,
	DESIRED_DOMAIN,
	DESIRED_FLOW,
	DESIRED_JUNCTION,
	DESIRED_KINDS
};

const char *desired_kind_name(enum desired_kind kind);
size_t desired_count(const struct desired *desired, enum desired_kind kind);
const struct desired_object *desired_at(const struct desired *desired, enum desired_kind kind,
					size_t i);

/* Whether a text is a name in the sense of NAME_MAX_LEN. */
bool config_name_ok(const char *name);

/* For a key that holds one: see conf_key.wants. */
const char *config_wants_name(const char *value);

/* The schema of a kind's objects; NULL: ports, each of which has its own. */
const struct conf_schema *desired_schema_of(enum desired_kind kind);

/* The i-th port, and the i-th encap of a segment. */
const struct port_conf *desired_port_at(const struct desired *desired, size_t i);
const struct encap_conf *segment_conf_encap(const struct segment_conf *segment, size_t i);

/* The constant for who may change a running switch over the control socket: OWNER_CLI or
 * OWNER_HOOK; NULL: there is none of that name. */
const char *config_owner(const char *name);

/*
 * The segment of a port's frames without a tag, or NULL. On a trunk port `native`
 * and `segment` mean the same, and at most one of them is given; "" is none there.
 */
const char *port_conf_untagged(const struct port_conf *port);

/*
 * Tells of what is allowed and might not be meant, one text for each, with
 * "FILE:LINE: " in front as far as that is known: ports whose guest joins
 * domains, and relays that may reach nobody or too much. What the `former` state had,
 * too (it may be NULL), is not told again.
 */
void desired_warn(const struct desired *desired, const struct desired *former,
		  void (*tell)(const char *text));

/*
 * Adds an object from a JSON object (see conf_parse_json) with an owner, or
 * removes one by name; kind is what desired_kind_name() says. `owner` has to
 * outlive the object. 0, -EINVAL, -EEXIST, -ENOENT with a message and nothing
 * changed. The result is still to be checked.
 */
int desired_add(struct desired *desired, const char *kind, const struct json_t *json,
		const char *owner, struct err *err);
int desired_del(struct desired *desired, const char *kind, const char *name, struct err *err);

/* Gives an object the keys of a JSON object in place of its own, or takes those away that
 * are null there; name, owner and place in the list stay. 0, -EINVAL, -ENOENT likewise. */
int desired_set(struct desired *desired, const char *kind, const char *name,
		const struct json_t *keys, struct err *err);

#endif
