/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live state of one switchd: uplinks, segments, ports and encaps as they
 * are. Each owns a copy of the configuration it was made from.
 */
#ifndef TVD_SWITCHD_H
#define TVD_SWITCHD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "encap/encap.h"
#include "learn/fdb.h"
#include "lib/bucket.h"
#include "lib/frame.h"
#include "lib/list.h"
#include "switchd/config.h"
#include "switchd/port/port.h"

struct accelerator;
struct conns;
struct ctl_server;
struct gateway_side;
struct gateways;
struct handover;
struct inherit;
struct joints;
struct names;
struct nexthops;
struct policy;
struct relay;
struct reload;
struct snooping;
struct sieves;
struct switchd;

struct uplink {
	struct list link;
	struct switchd *sw;
	struct uplink_conf conf;
	struct encap_uplink view;	 /* what backends see */
	char why[120];			 /* why it is down */
	struct list encaps;		 /* of struct segment_encap */
	struct accelerator *accelerator; /* NULL: `fast` is not "bpf" */
};

/* An encap in its segment. */
struct segment_encap {
	struct encap encap; /* first: backends hand it back */
	struct segment *segment;
	struct uplink *uplink;
	struct list by_uplink;
	struct list dirty; /* in switchd.dirty_encaps while encap.out is not empty */
	void *conf;	   /* owned; described by encap.ops->schema */
	bool open;
	char why[160]; /* why it is not open */
	/* Of a relay: what it has left for frames that cross from here, and how far it
	 * has told which stations are on its other sides, and whether it has to once more. */
	struct bucket crossing;
	struct {
		bool on, wanted;
		uint32_t cursor;
		struct ipaddr to, wanted_by; /* unset: everybody */
		uint64_t next;		     /* not earlier */
	} announce;
	/* Where relays are heard: whether all that was located here is to be forgotten. */
	struct {
		bool wanted;
		uint64_t next; /* not earlier */
	} forget;
};

struct segment {
	struct list link;
	struct switchd *sw;
	struct segment_conf conf;
	uint16_t number;   /* in the FDB */
	uint16_t reserved; /* bit n: 01-80-C2-00-00-0n passes */
	unsigned mtu;	   /* the largest guest MTU that fits */
	uint32_t last_side;
	struct list ports; /* of struct membership */
	struct segment_encap **encaps;
	size_t encap_count;
	struct segment_encap *hearer; /* that looks at what guests send; NULL: none does */
	bool unfinished;      /* there was no memory for all its encaps: the next commit goes on */
	struct list captures; /* of struct capture */
	struct relay *relay;  /* NULL: it is none, and has heard of none */
	/* Where it meets others (policy.h); NULL: nowhere. And what the next commit makes of it. */
	struct joints *joints, *next_joints;
	struct snooping *snooping;    /* NULL: multicast is flooded */
	struct gateway_side *gateway; /* NULL: no junction makes one of it */
};

/* How much there was to do, for `status`: who wakes up for each frame is busy with that. */
struct work {
	uint64_t wakeups;  /* that brought frames */
	uint64_t frames;   /* that ports and encaps received */
	uint64_t segments; /* that these stand for */
};

/* What switchd keeps of a port beside the contract. */
struct port_runtime {
	struct list link;  /* in switchd.ports */
	struct list dirty; /* in switchd.dirty_ports while port.out is not empty */
	struct switchd *sw;
	struct port *port;
	void *conf; /* owned; described by port.ops->schema */
	ev_timer retry;
	double retry_after;
	bool counted_up; /* the state that was last announced */
	bool astray;	 /* a segment went from under it: it has to join again */
	bool wildcard;	 /* stands for ports of its own, one for each interface */
	bool many;	 /* serves many guests, each of which has a port of its own */
	struct port *of; /* such a port: its wildcard or the one that serves many, without
			  * which it is not */
	bool stored;	 /* systemd keeps the descriptor too */
};

struct switchd {
	struct ev_loop *loop;
	const char *config_file;
	char host[NAME_MAX_LEN + 1]; /* its name */
	struct desired desired;	     /* in force */
	struct frame_pool *pool;
	struct fdb *fdb;
	struct conns *conns;	      /* that controlled flows let in */
	uint64_t connections_evicted; /* of which it was told */
	struct rtnl *rtnl;
	struct nexthops *nexthops;
	struct policy *policy; /* in force; NULL: none, everything is closed */
	struct sieves *sieves;
	struct gateways *gateways; /* NULL: there was none yet */
	struct ctl_server *control;
	struct encap_host encap_host;
	struct port_host port_host;
	struct stats stray[ENCAP_KINDS]; /* drops of what belongs to no encap */
	struct list uplinks, segments, ports;
	struct list dirty_ports, dirty_encaps;
	struct list captures; /* all of them, by capture.link */
	struct list consoles; /* connections to VDE management sockets */
	struct names *uplink_names, *segment_names, *port_names;
	struct segment **segment_by_number; /* FDB_SEGMENTS_MAX entries, mostly untouched */
	uint32_t segment_numbers;	    /* none from there on was ever given... */
	uint32_t segment_free;		    /* and none below is free now */
	struct port **port_by_number;
	uint32_t port_numbers; /* size of port_by_number */
	ev_check wakeup;
	ev_prepare flush;
	ev_idle spin;	     /* active: the loop does not sleep; see `busy_poll` */
	uint64_t spin_until; /* of clock_ns() */
	ev_timer ageing;
	ev_timer uplinks_soon;
	bool uplinks_unseen;   /* one could not be looked at: again in a second */
	unsigned links_unseen; /* how often interfaces could not be listed: the same */
	uint64_t now, started; /* of clock_ms(); now is taken once a turn */
	struct reload *reload;
	uint64_t reloads, reload_failures;
	uint64_t commits; /* that were begun */
	uint64_t wakeups;
	struct work work;	   /* since the start */
	struct work second_ago;	   /* as it was when the last second began, */
	struct work last_second;   /* and what came in the one before */
	bool worked;		   /* frames came in this turn */
	uint64_t instance;	   /* drawn at each start; not 0 */
	struct inherit *inherit;   /* while it starts: descriptors of a former process */
	struct handover *handover; /* while a successor takes over */
	unsigned uid;		   /* who it runs as */
	bool told_to_end;	   /* by a signal */
	bool ending;		   /* ports are closed because the switch ends */
};

static inline struct segment_encap *segment_encap_of(struct encap *encap)
{
	return (struct segment_encap *)encap;
}

/*
 * An empty switch, in memory: whoever runs it opens what it needs of the system
 * (control, rtnl, port_host.rtnl). 0 or -ENOMEM; switchd_fini() is due either way,
 * and takes everything down.
 */
int switchd_init(struct switchd *sw, const char *config_file);
void switchd_fini(struct switchd *sw);

struct uplink *switchd_uplink(const struct switchd *sw, const char *name);
struct segment *switchd_segment(const struct switchd *sw, const char *name);
struct port *switchd_port(const struct switchd *sw, const char *name);

#endif
