/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is at the other end of a backend that addresses hosts: a multicast group, a
 * list of peers, and which sources count (switchd-forwarding(7)). No I/O.
 */
#ifndef TVD_REMOTES_H
#define TVD_REMOTES_H

#include "encap/encap.h"

#define IPV4_OVERHEAD 20u
#define IPV6_OVERHEAD 40u

/* The part of a configuration that says it. */
struct remotes_conf {
	struct ipaddr group;	  /* unset: none, or the backend's default */
	struct conf_list peers;	  /* of struct ipaddr */
	struct conf_list sources; /* of struct ipprefix */
};

/* Entries for a backend's table of keys; `remotes` is its struct remotes_conf. */
#define REMOTES_KEYS(type_)                                                                        \
	{.name = "group", .type = CONF_ADDR, .offset = offsetof(type_, remotes.group)},            \
	    {.name = "peers", .type = CONF_ADDRS, .offset = offsetof(type_, remotes.peers)},       \
	{                                                                                          \
		.name = "sources", .type = CONF_PREFIXES,                                          \
		.offset = offsetof(type_, remotes.sources)                                         \
	}

/* What an open backend keeps. */
struct remotes {
	const struct remotes_conf *conf;
	struct ipaddr group;  /* in force; unset: none */
	struct ipaddr *peers; /* sorted */
	unsigned peer_count;
};

/* Where a datagram came from and went to, as far as it decides who gets it. */
struct outer {
	struct ipaddr src, dst;
	unsigned ifindex;
	bool fragmented;
};

static inline unsigned family_index(uint16_t family)
{
	return family == AF_INET6;
}

static inline uint16_t family_at(unsigned index)
{
	return index ? AF_INET6 : AF_INET;
}

/*
 * Checks that the group is one, that peers are hosts and each is there once, and
 * that `sources` has a group to be for. `object` is what messages are about, the
 * configuration of a backend of type `type`. 0 or -EINVAL.
 */
int remotes_check(const struct remotes_conf *conf, const void *object, const char *type,
		  struct err *err);

/* Whether two configurations name the same peer. */
bool remotes_share_a_peer(const struct remotes_conf *a, const struct remotes_conf *b);

/* Takes over a configuration, which must outlive it: the group as it is given, and
 * the peers. 0, or -ENOMEM with nothing to give back. */
int remotes_init(struct remotes *remotes, const struct remotes_conf *conf);
void remotes_fini(struct remotes *remotes);

/*
 * Changes peers and sources to those of another configuration, whose group in force
 * is `group`. 0; -EBUSY if that is another group or takes another family, or -ENOMEM,
 * with nothing changed.
 */
int remotes_reconf(struct remotes *remotes, const struct remotes_conf *conf,
		   const struct ipaddr *group);

/*
 * Whether a datagram from there, to there, counts: REASON_NONE, REASON_NOT_HERE (it
 * is for somebody else, or came another way) or REASON_FOREIGN_SOURCE.
 */
enum reason remotes_accept(const struct remotes *remotes, const struct encap_uplink *uplink,
			   const struct outer *outer);

/* The order of peers, for bsearch() and its like; both are struct ipaddr. */
int remotes_compare(const void *a, const void *b);

/* Whether an address is one of the configured peers. */
bool remotes_has_peer(const struct remotes *remotes, const struct ipaddr *addr);

/* Whether a host is a peer, or where the group is: what it sends counts, and what is sent to it
 * does there. */
bool remotes_reach(const struct remotes *remotes, const struct encap_uplink *uplink,
		   const struct ipaddr *host);

/* The families that are spoken: bit 0 IPv4, bit 1 IPv6. */
unsigned remotes_families(const struct remotes *remotes);

/* The longest frame that fits one packet to `peer` (unset or NULL: to everybody),
 * behind `header` bytes and those of IP. */
size_t remotes_room(const struct remotes *remotes, const struct encap_uplink *uplink,
		    const struct ipaddr *peer, size_t header);

/* Whether the uplink can send to anybody of them. */
bool remotes_ready(const struct remotes *remotes, const struct encap_uplink *uplink);

/* Adds `group` and `peers` to a JSON object. */
void remotes_show(const struct remotes *remotes, struct json_t *object);

#endif
