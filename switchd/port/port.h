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
#include <sys/types.h>

#include "lib/bucket.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/frame.h"
#include "lib/list.h"
#include "lib/stats.h"
#include "switchd/config.h"

struct bulk;
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
	struct bulk *bulk; /* many reads or writes at once; NULL: not here */
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
	/* What handover() gives has changed: a peer has connected, or left. */
	void (*descriptors_changed)(struct port *port);
	/* Another process serves now, and this one ends. What a port has done to the
	 * system, and a port of the successor may rely on, stays as it is; the
	 * successor undoes what nobody uses any more. */
	bool succeeded;
	/* The guest's interface is gone for good: close the port and try anew.
	 * May close the port before it returns: touch nothing afterwards. */
	void (*lost)(struct port *port, const char *why);
	/* Who else here has an interface: "uplink \"lan\"", "port \"vm1\"". false: nobody. */
	bool (*interface_taken)(const struct port *port, const char *ifname, char *by, size_t size);
	/* The first port for which `match` is true, or NULL. */
	struct port *(*find)(const struct port_host *host,
			     bool (*match)(const struct port *port, void *arg), void *arg);
	/* A guest has come to a port that serves many: makes it a port of its own, called
	 * by the name of that, '/' and the suffix, and opens it with `guest` in
	 * port->guest. 0; or negative errno, and the guest is the caller's still. NULL
	 * stands for the guest that a former process had there: the port adopts it;
	 * -ENOENT if there was none, or not enough of it is left. */
	int (*join)(struct port *many, const char *suffix, void *guest);
	/* A port's guest has left: what was learned there is forgotten, and if the
	 * guest had joined, its port goes. Touch nothing afterwards. */
	void (*leave)(struct port *port);
	/* Somebody asks at a port for the management of it: answers on the descriptor,
	 * which is the host's now. */
	void (*manage)(struct port *port, int fd);
	/* Who the switch runs as now; and who it will run as while it serves: files
	 * that it makes are to be theirs. */
	unsigned uid_now, uid, gid;
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
	struct bucket errors; /* ICMP errors to who is there */
};

struct port {
	const struct port_ops *ops;
	struct port_host *host;
	const struct port_conf *conf; /* starts the type's own structure */
	uint32_t number;	      /* identifies it in the FDB, never reused while it lives */
	void *state;		      /* the type's own, made by open; NULL while closed */
	void *guest;		      /* what join() was given, for open to take over */
	bool up;		      /* attached and, as far as can be known, raised */
	char why[160];		      /* why it is not up, for `port show` */
	bool refused;		      /* not up, since the host would lose what it uses */
	unsigned offloads;	      /* OFFLOAD_ bits that the guest takes now */
	struct mac mac;		      /* of the guest's interface; zero: not known here */
	unsigned mtu;	  /* to set on the interface if its `mtu` is not given; 0: leave */
	unsigned ifindex; /* of the existing interface that it has taken; 0: none */
	/* Its descriptors are another process's too, which may go on with them after
	 * this one: close leaves alone what outlives a descriptor, such as the file of
	 * a socket. */
	bool shared;
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

/*
 * What is needed to go on with a port that another process had open. A port type says
 * in its own words what its state is: no more than the next process of the same version
 * of the saved state (saved.h) needs, in JSON, bytes as text (port_bytes_to_json()).
 */
#define PORT_HERITAGE_FDS 4

struct port_heritage {
	int fd[PORT_HERITAGE_FDS];
	unsigned count;
	struct json_t *state; /* NULL: none */
};

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

	/*
	 * The same with what a former process had open for a port of the same
	 * identity. Descriptors come in any order, so that a port with several has to
	 * tell them apart, and any may be missing: each is checked for what it is.
	 * After a crash the state is missing too. Those that the port keeps it
	 * replaces by -1; the caller closes the rest. 0; or negative errno with
	 * nothing of it closed, kept or left open: then the port is opened anew.
	 * While this runs, the former process may be there still and may have to go
	 * on: nothing is read from a descriptor, sent to it, or shut down. NULL:
	 * there is nothing to adopt.
	 */
	int (*adopt)(struct port *port, struct port_heritage *heritage);

	/*
	 * Adds to an empty heritage the descriptors of an open port from which another
	 * process could go on, which stay the port's (no more than
	 * PORT_HERITAGE_FDS; none: there is nothing now), and its state, a new
	 * reference. Called between two turns of the loop, when all that could be
	 * sent is sent; the port is then closed, or goes on as if nothing had been.
	 * NULL: a port of this type is opened anew.
	 */
	void (*handover)(const struct port *port, struct port_heritage *heritage);

	/* With both: the keys that say what it is, and where; a heritage fits as long
	 * as they say the same. Ends with NULL. */
	const char *const *identity;

	/* Whether descriptors are of use when for a while nobody has the port open, as
	 * from systemd's store: not where the port does more to the system than to
	 * hold them, which it has to undo when it ends. */
	bool storable;

	/* Applies a changed configuration to an open port (port->conf is still the
	 * former). 0; or PORT_RESTART: close and open me. NULL: always restart. */
	int (*reconf)(struct port *port, const struct port_conf *conf);

	/*
	 * The interface of this network namespace that a port so configured makes or
	 * takes; NULL: it has none here. NULL for types that never have one.
	 */
	const char *(*interface)(const struct port_conf *conf);

	/* Who has the other end, as far as the type's own keys say it: ports of which this is
	 * the same are one machine's. NULL: not known. NULL for types that never know. */
	const char *(*guest)(const struct port_conf *conf);

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
	 * Whether a port so configured serves many guests: it gets no frames and sends
	 * none itself, and each guest joins with a port of its own, with what
	 * set_guest makes of a copy of the configuration. Both NULL: never.
	 */
	bool (*serves_many)(const struct port_conf *conf);
	void (*set_guest)(struct port_conf *conf, const char *suffix);

	/* The path at which a port so configured takes datagrams from whoever is not
	 * refused by the file's mode; NULL: it has none. NULL for types that never do. */
	const char *(*datagrams_at)(const struct port_conf *conf);

	/*
	 * Undoes what a predecessor that was killed has left behind, except on the
	 * interfaces that are `used` again. Called once, when all ports were tried.
	 * May be NULL.
	 */
	void (*recover)(struct port_host *host, bool (*used)(void *arg, unsigned ifindex),
			void *arg);

	/* The MTU of the guest's interface as far as it is known; 0: it is not. May be NULL. */
	unsigned (*mtu)(const struct port *port);

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
	    {.name = "guest",                                                                      \
	     .type = CONF_STRING,                                                                  \
	     .offset = offsetof(type_, common.guest),                                              \
	     .wants = config_wants_name},                                                          \
	    {.name = "indirect", .type = CONF_BOOL, .offset = offsetof(type_, common.indirect)},   \
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

const char *config_wants_name(const char *value); /* config.h */
extern const char *const port_admin_words[];	  /* config.c */
extern const struct conf_schema guard_schema;	  /* config.c */
extern const struct conf_schema trunk_schema;	  /* config.c */

/* The port type of that name, or NULL. */
const struct port_ops *port_ops_find(const char *type);

/* The i-th port type; NULL behind the last. */
const struct port_ops *port_ops_at(size_t i);

/* Whether a port's configuration and another say the same for all keys that are its
 * type's own; for reconf. */
bool port_own_keys_equal(const struct port *port, const struct port_conf *other);

/* Bytes as a text, and back: their number, or -1 for what is none or does not fit. */
struct json_t *port_bytes_to_json(const uint8_t *bytes, size_t len);
ssize_t port_bytes_from_json(const struct json_t *json, uint8_t *bytes, size_t size);

/* Closes the descriptors that nobody took, and frees the state. */
void port_heritage_clear(struct port_heritage *heritage);

/* Takes a descriptor out, when it is kept. */
int port_heritage_take(struct port_heritage *heritage, unsigned i);

/* Whether a descriptor is a socket of that domain and type. */
bool port_is_socket(int fd, int domain, int type);

/* Closes a descriptor that another process, or systemd, may hold as well. */
void port_close_fd(const struct port_host *host, int fd);

/* Whether a text can name an interface (of a wildcard: with '*' at its end). */
bool port_ifname_ok(const char *name);

#endif
