/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract of port types: how a guest's interface is attached. A port type
 * knows its descriptor and its own configuration; it hands what the guest sends
 * to port_host.receive and gets what the guest shall receive in batches. It
 * never knows an encap, a segment or another port.
 */
#ifndef TVD_PORT_H
#define TVD_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/err.h"
#include "lib/frame.h"
#include "lib/list.h"
#include "lib/stats.h"
#include "switchd/bucket.h"
#include "switchd/config.h"

struct ev_loop;
struct json_t;
struct port;
struct rtnl;
struct rtnl_link;
struct trunk;

/* What the host offers to every port. One per switchd. */
struct port_host {
	struct ev_loop *loop;
	struct frame_pool *pool;
	struct rtnl *rtnl; /* to name, move and raise interfaces */
	/* Tells what this switchd did to the system from what another did, also
	 * after a restart. */
	uint32_t instance;
	/* libev's own epoll instance, or -1. It has to be told to forget a descriptor
	 * whose file others hold too: closing it is not enough. */
	int epoll;
	/* Frames that the guest sent; takes ownership and empties the batch.
	 * Sending what results is the host's business, before the loop sleeps. */
	void (*receive)(struct port *port, struct frame_batch *batch);
	/* port->up has changed (the port type sets it and port->why before). */
	void (*changed)(struct port *port);
	/* The guest's interface is gone for good: close the port and try anew.
	 * May close the port before it returns: touch nothing afterwards. */
	void (*lost)(struct port *port, const char *why);
	/* Who else here has an interface: "uplink \"lan\"", "port \"vm1\"". false: nobody. */
	bool (*interface_taken)(const struct port *port, const char *ifname, char *by, size_t size);
};

/* Room for whoever has an interface. */
#define PORT_OWNER_STRLEN 100

/* A port's place in a segment; membership.h has what is done with it. */
struct membership {
	struct port *port;
	struct segment *segment; /* NULL: in none */
	struct list by_segment;	 /* in segment.ports */
	uint16_t vid;		 /* of the guest's tags there; 0: its frames have none */
	struct bucket storm;
};

struct port {
	const struct port_ops *ops;
	struct port_host *host;
	const struct port_conf *conf; /* starts the type's own structure */
	uint32_t number;	      /* identifies it in the FDB, never reused while it lives */
	void *state;		      /* the type's own, made by open; NULL while closed */
	bool up;		      /* attached and, as far as can be known, raised */
	char why[160];		      /* why it is not up, for `port show` */
	unsigned offloads;	      /* OFFLOAD_ bits that the guest takes now */
	struct mac mac;		      /* of the guest\'s interface; zero: not known here */
	unsigned mtu;	  /* to set on the interface if its `mtu` is not given; 0: leave */
	unsigned ifindex; /* of the existing interface that it has taken; 0: none */
	struct stats stats;
	struct frame_batch out; /* to be sent at the end of this turn */

	/* The host's, not for port types. */
	struct membership untagged; /* where frames without a tag belong */
	struct trunk *trunk;	    /* and those with one; NULL: an access port */
	struct list captures;
	struct port_runtime *runtime;
};

/* Packets that may become of what a port reads at once: its turn ends soon after, for
 * the sake of all others. */
#define PORT_READ_SEGMENTS 512u

#define PORT_RESTART 1 /* "restart me": reconf cannot apply the change to what is open */

struct port_ops {
	const char *type; /* the word in the configuration */

	/* All keys, PORT_COMMON_KEYS included; describes what port->conf points to. */
	const struct conf_schema *schema;

	/* Checks a parsed configuration by itself. 0 or -EINVAL with a message. */
	int (*check)(const struct port_conf *conf, struct err *err);

	/* Whether two ports cannot both be, e.g. want the same interface. NULL: never. */
	bool (*conflict)(const struct port_conf *a, const struct port_conf *b);

	/* Attaches the port, sets state, offloads and up. 0, or negative errno with
	 * a reason in port->why and nothing left open: the host tries again later. */
	int (*open)(struct port *port);

	/* The same with a descriptor that a former process had opened for a port of
	 * the same identity. 0 and the descriptor is the port's; or negative errno,
	 * with nothing left open and the descriptor the caller's still: then the
	 * port is opened anew. NULL: there is nothing to adopt. */
	int (*adopt)(struct port *port, int fd);

	/* The descriptor of an open port from which another process could go on; it
	 * stays the port's. NULL: none. */
	int (*handover)(const struct port *port);

	/* With both: the keys that say which interface it is, and where; a
	 * descriptor fits as long as they say the same. Ends with NULL. */
	const char *const *identity;

	/* Applies a changed configuration to an open port (port->conf is still the
	 * former). 0; or PORT_RESTART: close and open me. NULL: always restart. */
	int (*reconf)(struct port *port, const struct port_conf *conf);

	/*
	 * The interface of this network namespace that a port so configured makes or
	 * takes; NULL: it has none here. NULL for types that never have one.
	 */
	const char *(*interface)(const struct port_conf *conf);

	/* Whether that interface, which is there, can be this port's at all; if not, it is
	 * as though the port did not name it. NULL: always. */
	bool (*wants)(const struct port_conf *conf, const struct rtnl_link *link);

	/*
	 * For types that take an interface which others make. Something has changed
	 * about the interfaces: `link` is the one that the open port's configuration
	 * names, NULL if there is none. A port that is not open is opened instead as
	 * soon as there is one. Types with this may be wildcards: `interface` may end
	 * in '*'. NULL for all others.
	 */
	void (*link)(struct port *port, const struct rtnl_link *link);

	/* Puts another interface (not owned) into a configuration; goes with `link`.
	 * 0, or -ENOMEM with nothing changed. */
	int (*set_interface)(struct port_conf *conf, const char *ifname);

	/*
	 * Undoes what a predecessor that was killed has left behind, except on the
	 * interfaces that are `used` again. Called once, when all ports were tried.
	 * May be NULL.
	 */
	void (*recover)(struct port_host *host, bool (*used)(void *arg, unsigned ifindex),
			void *arg);

	/* port->mtu has changed; apply it if that can still be done. May be NULL. */
	void (*mtu_changed)(struct port *port);

	/* Gives everything back; port->out is empty by then. */
	void (*close)(struct port *port);

	/* Hands frames to the guest, each within port->offloads. Owns the batch
	 * whatever happens: frees every frame, counts tx or tx_drops. Does not
	 * block. */
	void (*send)(struct port *port, struct frame_batch *batch);

	/* Adds the type's own keys for `port show` to a JSON object. May be NULL. */
	void (*show)(const struct port *port, struct json_t *object);
};

/* Entries for a port type's table of keys. */
#define PORT_COMMON_KEYS(type_)                                                                    \
	{.name = "name",                                                                           \
	 .type = CONF_STRING,                                                                      \
	 .offset = offsetof(type_, common.name),                                                   \
	 .required = true},                                                                        \
	    {.name = "type",                                                                       \
	     .type = CONF_STRING,                                                                  \
	     .offset = offsetof(type_, common.type),                                               \
	     .required = true},                                                                    \
	    {.name = "segment", .type = CONF_STRING, .offset = offsetof(type_, common.segment)},   \
	    {.name = "domain", .type = CONF_STRING, .offset = offsetof(type_, common.domain)},     \
	    {.name = "state",                                                                      \
	     .type = CONF_ENUM,                                                                    \
	     .offset = offsetof(type_, common.state),                                              \
	     .words = port_admin_words},                                                           \
	    {.name = "macs", .type = CONF_MACS, .offset = offsetof(type_, common.macs)},           \
	    {.name = "addresses",                                                                  \
	     .type = CONF_PREFIXES,                                                                \
	     .offset = offsetof(type_, common.addresses)},                                         \
	    {.name = "guard",                                                                      \
	     .type = CONF_OBJECT,                                                                  \
	     .offset = offsetof(type_, common.guard),                                              \
	     .schema = &guard_schema},                                                             \
	    {.name = "isolated", .type = CONF_BOOL, .offset = offsetof(type_, common.isolated)},   \
	    {.name = "trunk",                                                                      \
	     .type = CONF_OBJECTS,                                                                 \
	     .offset = offsetof(type_, common.trunk),                                              \
	     .schema = &trunk_schema},                                                             \
	    {.name = "native", .type = CONF_STRING, .offset = offsetof(type_, common.native)},     \
	{                                                                                          \
		.name = "services", .type = CONF_LATER,                                            \
		.text =                                                                            \
		    "services come with the plugin interface, which this version does not have"    \
	}

extern const char *const port_admin_words[];  /* config.c */
extern const struct conf_schema guard_schema; /* config.c */
extern const struct conf_schema trunk_schema; /* config.c */

/* The port type of that name, or NULL. */
const struct port_ops *port_ops_find(const char *type);

/* The i-th port type; NULL behind the last. */
const struct port_ops *port_ops_at(size_t i);

/* Whether a port's configuration and another say the same for all keys that are its
 * type's own; for reconf. */
bool port_own_keys_equal(const struct port *port, const struct port_conf *other);

/* Whether a text can name an interface (of a wildcard: with '*' at its end). */
bool port_ifname_ok(const char *name);

#endif
