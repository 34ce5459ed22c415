/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract of encapsulation backends: how a segment crosses the wire.
 *
 * A backend knows frames, uplinks and its own configuration. It does not know
 * ports, segments or other backends: it hands what it receives to
 * encap_host.deliver, and gets what it has to send in batches. It lives in the
 * loop of its host but never runs it.
 */
#ifndef TVD_ENCAP_H
#define TVD_ENCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/frame.h"
#include "lib/list.h"
#include "lib/stats.h"

struct accel;
struct ev_loop;
struct encap;
struct encap_host;
struct json_t;
struct neighbour_counters;
struct neighbour_info;
struct sock_filter;

#define ENCAP_UPLINK_PREFIXES 16u

/* An uplink as backends see it: live, owned by the host, changed only between batches. */
struct encap_uplink {
	const char *name, *interface;
	unsigned ifindex;      /* 0: no such interface now */
	bool up;	       /* there, administratively up, and with carrier */
	struct mac mac;	       /* of the interface; zero: it has none (now) */
	bool bypass;	       /* packets may go past the kernel's network stack */
	bool bypass_in;	       /* and come past it */
	bool unseen;	       /* even while somebody captures on the interface */
	struct accel *accel;   /* for EtherIP; NULL: there is none (now) */
	unsigned mtu;	       /* of the interface; 1500 until it is known */
	uint16_t family;       /* what to speak where nothing else decides */
	struct ipaddr addr[2]; /* to send from, IPv4 and IPv6; unset: none (now) */
	/* The on-link prefixes of the interface: who is a neighbour. */
	struct ipprefix prefix[ENCAP_UPLINK_PREFIXES];
	unsigned prefixes;
};

/* The types of backends, to index what is kept for each. */
enum encap_kind { ENCAP_ETHERIP, ENCAP_DOT1Q, ENCAP_VXLAN, ENCAP_MACREWRITE, ENCAP_KINDS };

enum encap_oversize { OVERSIZE_CLIP, OVERSIZE_FRAGMENT, OVERSIZE_DROP };

/* What the host offers to every backend. One per switchd. */
struct encap_host {
	struct ev_loop *loop;
	struct frame_pool *pool;
	const uint64_t *now; /* milliseconds, of this turn of the loop */
	bool ids_shared;     /* filter network identifiers in the kernel, `ids = "shared"` */
	/* This process ends because a successor goes on with what is open here: so do
	 * not tell anybody that it ends. */
	bool handed_over;
	/* Frames that arrived, decapsulated, `peer` set to the outer source. Takes
	 * ownership of every frame and empties the batch. */
	void (*deliver)(struct encap *encap, struct frame_batch *batch);
	/*
	 * The Ethernet address to which packets for dst go over an uplink, if the kernel
	 * has a good one, and nothing that must be done to them on the way (IPsec).
	 * false: leave it to the kernel. May be NULL: always false.
	 */
	bool (*next_hop)(struct encap_host *host, const struct encap_uplink *uplink,
			 const struct ipaddr *dst, struct mac *mac);
	/* A station is behind `peer`, as a control message said that no guest gets to see.
	 * May be NULL. */
	void (*learn)(struct encap *encap, const struct mac *mac, const struct ipaddr *peer);
	/*
	 * Keeps what arrives on an uplink's interface from the host's own stack where the
	 * program, of `count` instructions, says so by returning anything but 0; packet
	 * sockets hear it all the same. One for each uplink: another replaces it, and
	 * `count` 0 ends it. What a process leaves behind that was killed, the next one
	 * finds. 0 or negative errno with a message. May be NULL: nothing is kept.
	 */
	int (*hide)(struct encap_host *host, const struct encap_uplink *uplink,
		    const struct sock_filter *program, unsigned count, struct err *err);
	/* Whether nothing must be done to what arrives before it is received (IPsec), so that
	 * it may come past the kernel's network stack. May be NULL: it may not. */
	bool (*may_bypass)(const struct encap_host *host);
	/* Keeps out of the kernel's network stack what comes past it on an uplink, of an IP
	 * version, as a program of tc says (its verdicts are TC_ACT_): 0 or negative errno.
	 * Without a program (NULL, 0) nothing is kept out any more. */
	int (*sieve)(struct encap_host *host, unsigned ifindex, uint16_t family,
		     const struct sock_filter *code, unsigned len);
	/* For each type, counters for what belongs to no encap (unknown
	 * identifiers, bad versions). */
	struct stats *stray;
	struct list packet_sockets; /* of struct socket_own (socket.h) */
	/* What backends of one type share (sockets); owned by the type. */
	void *shared[ENCAP_KINDS];
};

/* What every encap has; first member of each backend's own structure. */
struct encap_conf {
	struct conf_head head;
	char *type, *uplink;
	bool relay;
};

/* Entries for a backend's table of keys. */
#define ENCAP_COMMON_KEYS(type_)                                                                   \
	{.name = "type",                                                                           \
	 .type = CONF_STRING,                                                                      \
	 .offset = offsetof(type_, common.type),                                                   \
	 .required = true},                                                                        \
	    {.name = "uplink",                                                                     \
	     .type = CONF_STRING,                                                                  \
	     .offset = offsetof(type_, common.uplink),                                             \
	     .required = true},                                                                    \
	{                                                                                          \
		.name = "relay", .type = CONF_BOOL, .offset = offsetof(type_, common.relay)        \
	}

/* One encapsulation of one segment over one uplink. The host allocates it. */
struct encap {
	const struct encap_ops *ops;
	struct encap_host *host;
	const struct encap_uplink *uplink;
	const struct encap_conf *conf; /* starts the backend's own, described by ops->schema */
	void *state;		       /* the backend's own, made by open */
	void *segment;		       /* the host's; not for backends */
	uint32_t side;		       /* of the segment, from 1 */
	uint16_t network_id;	       /* the segment's `id` */
	const char *segment_name;
	bool inner_tags;	      /* the segment passes tagged frames: keep room for one tag */
	bool routed;		      /* the host's: a gateway judges what other subnets send */
	bool merge;		      /* the host's: make superframes of what arrives, if you can */
	bool clamp_mss;		      /* set by open from its configuration */
	unsigned lacks;		      /* set by open: OFFLOAD_ bits of its ops that are not here */
	enum encap_oversize oversize; /* set by open */
	uint64_t bypassed;	      /* packets sent past the kernel's network stack */
	struct {
		uint64_t rx, tx;
	} accelerated; /* packets that came and went by the uplink's accelerator */
	struct stats stats;
	struct frame_batch out; /* frames handed over, not yet sent */
};

/* A counter of PDUs of a control protocol that a backend speaks on an uplink itself;
 * `result` is "sent", "received" and so on. */
typedef void encap_pdus_fn(void *arg, const char *uplink, const char *protocol, const char *result,
			   uint64_t count);

/* A counter of what an encapsulation does on an uplink and for an IP version (4 or 6), by
 * the name that `uplink show` and metrics have for it. */
typedef void encap_count_fn(void *arg, const char *uplink, unsigned version, const char *name,
			    uint64_t count);

#define ENCAP_RESTART 1 /* "restart me": reconf cannot apply the change to what is open */

struct encap_ops {
	const char *type; /* the word in the configuration */
	enum encap_kind kind;

	/* All keys, ENCAP_COMMON_KEYS included; describes what `conf` points to. */
	const struct conf_schema *schema;

	/* OFFLOAD_ bits (gso.h) of frames that push takes without completion. */
	unsigned offloads;

	/* The same bits, of one superframe to its peer, as things are now: so send has
	 * to take it, or drop it. NULL: none. */
	unsigned (*takes)(const struct encap *encap, const struct frame *frame);

	/* Whether the backend addresses hosts: locations then have a remote. */
	bool has_hosts;

	/* Whether a segment can have no other encap beside one of these. */
	bool alone;

	/* Whether frames that are longer than room() cannot be sent at all. */
	bool no_fragments;

	/* Checks a parsed configuration by itself, with the segment's `id` (-1:
	 * none was given). Touches nothing live. 0 or -EINVAL with a message. */
	int (*check)(const struct encap_conf *conf, int64_t network_id, struct err *err);

	/* What two encaps of this type have in common if they are in conflict: only
	 * those with equal keys are compared. NULL: the segment's `id`. */
	uint64_t (*key)(const struct encap_conf *conf, int64_t id);

	/* Whether instead conflicts are among the encaps of one uplink, and show
	 * between two neighbours when those are sorted by key. */
	bool key_sorts;

	/* Whether two encaps of different segments (or two of one) cannot both
	 * be: the same group and id on one uplink, say. NULL: never. */
	bool (*conflict)(const struct encap_conf *a, int64_t id_a, const struct encap_conf *b,
			 int64_t id_b);

	/* Calls fn for each address that the segment's gateway is to have, with the length of
	 * its subnet, where a junction names none. NULL: there are none. */
	void (*gateways)(const struct encap_conf *conf,
			 void (*fn)(void *arg, const struct ipprefix *address), void *arg);

	/* Opens what it needs. An uplink that is away is no failure: the backend
	 * waits for uplink_changed. 0, or negative errno with nothing left open. */
	int (*open)(struct encap *encap, struct err *err);

	/* Applies a changed configuration (encap->conf is still the former).
	 * 0: done; ENCAP_RESTART: close and open me. NULL: always restart. */
	int (*reconf)(struct encap *encap, const struct encap_conf *conf);

	/* The uplink's state, MTU or addresses changed; or, once a second while it is
	 * up, nothing: then is the time to try again what has failed. Never NULL. */
	void (*uplink_changed)(struct encap *encap);

	/* A successor is about to open the same: gives up what only one process can
	 * have and it can do without for a while. true: it cannot, and has to be
	 * closed for that time. Two may be open as long as only one of them reads and
	 * sends. NULL: there is no such thing. */
	bool (*yield)(struct encap *encap);

	/* Gives everything back; encap->out is empty by then. */
	void (*close)(struct encap *encap);

	/* The longest frame (Ethernet header included) that reaches the frame's
	 * peer (unset: everybody) without outer fragments. 0: unknown. */
	size_t (*room)(const struct encap *encap, const struct ipaddr *peer);

	/* Puts the headers in front of one complete frame, and takes them off
	 * again. Pure: no I/O, no counters. REASON_NONE, or why it must be
	 * dropped (the caller still owns it). push needs the frame's headroom. */
	enum reason (*push)(const struct encap *encap, struct frame *frame);
	enum reason (*pop)(const struct encap *encap, struct frame *frame);

	/*
	 * A frame that a local port has sent, before it goes anywhere: whether segments of
	 * this type may have such at all, and a look at who it is from. REASON_NONE, or why
	 * it is dropped. Notes the frame's layers. `port` is the port's number; with `dry`
	 * nothing else changes. NULL: anything may pass.
	 */
	enum reason (*hear)(struct encap *encap, struct frame *frame, uint32_t port, bool dry);

	/* Sends pushed frames, each to its `peer` or, if unset, to everybody in
	 * the segment. Owns the batch whatever happens: frees every frame and
	 * empties it, counts tx or tx_drops. Does not block. */
	void (*send)(struct encap *encap, struct frame_batch *batch);

	/* Whether anything sent now could arrive: the uplink is up, has an
	 * address, and there is somebody to send to. */
	bool (*ready)(const struct encap *encap);

	/* Whether what is sent to that host alone arrives there, as far as the
	 * configuration says: it is a peer, or where the group is. NULL: the backend
	 * does not address hosts. */
	bool (*reaches)(const struct encap *encap, const struct ipaddr *host);

	/* Adds the backend's own keys for `encap show` to a JSON object. */
	void (*show)(const struct encap *encap, struct json_t *object);

	/* Who is where by IP address, where the backend keeps that: up to `max` entries from
	 * *cursor on, which is 0 at first. How many; 0 at the end. NULL: it keeps none. */
	size_t (*bindings)(const struct encap *encap, uint32_t *cursor, struct neighbour_info *out,
			   size_t max);

	/* How many of those there are, and what became of them. Where `bindings` is. */
	size_t (*binding_count)(const struct encap *encap, struct neighbour_counters *counters);

	/* Puts one back that a former process has known: addr, where, age_ms. false: it cannot
	 * be true any more. NULL: none is to be saved. */
	bool (*binding_restore)(struct encap *encap, const struct neighbour_info *info);

	/* The configured peer addresses, in the order of their bytes (remotes_compare()),
	 * and how many. Valid until the next reconf or close. NULL: there are none. */
	const struct ipaddr *(*peers)(const struct encap *encap, size_t *count);

	/* Calls fn for each counter of control protocols of this type of backend,
	 * on whatever uplinks. NULL: it speaks none. */
	void (*pdus)(const struct encap_host *host, encap_pdus_fn *fn, void *arg);

	/* The same for what receiving on uplinks does. NULL: nothing is counted. */
	void (*count)(const struct encap_host *host, encap_count_fn *fn, void *arg);
};

/* What its push takes without completion. */
static inline unsigned encap_offloads(const struct encap *encap)
{
	return encap->ops->offloads & ~encap->lacks;
}

/* And of this superframe. */
static inline unsigned encap_takes(const struct encap *encap, const struct frame *frame)
{
	return encap_offloads(encap) | (encap->ops->takes ? encap->ops->takes(encap, frame) : 0);
}

/*
 * Puts n bytes in front of a frame, to be written by the caller; copies it first if
 * somebody shares the bytes and has the headroom. NULL: there is no room, or no buffer.
 */
uint8_t *encap_push(struct frame *frame, size_t n);

/* The backend of that name, or NULL. */
const struct encap_ops *encap_find(const char *type);

/* The backend of that kind, or NULL if this version has none. */
const struct encap_ops *encap_at(enum encap_kind kind);

#endif
