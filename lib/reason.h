/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a frame was dropped: one enum, one string table, one counter each. The
 * same word stands in counters, in a trace, in the log and in the man page
 * switchd-forwarding(7).
 */
#ifndef TVD_REASON_H
#define TVD_REASON_H

/* clang-format off */
#define REASONS(X)                                                                  \
	X(TOO_SHORT,      "too_short",      "shorter than an Ethernet header")            \
	X(TOO_LONG,       "too_long",       "longer than a frame can be")                 \
	X(BAD_SOURCE,     "bad_source",     "source address is a group address or zero")  \
	X(RESERVED,       "reserved",       "link-local group address")                   \
	X(TAGGED,         "tagged",         "VLAN tag where none is allowed")             \
	X(UNTAGGED,       "untagged",       "no VLAN tag where one is needed")            \
	X(LOCKED,         "locked",         "port is locked")                             \
	X(GUARD_MAC,      "guard_mac",      "source MAC address is not allowed here")     \
	X(GUARD_IP,       "guard_ip",       "source IP address is not allowed here")      \
	X(GUARD_ARP,      "guard_arp",      "ARP or ND claims an address not allowed")    \
	X(GUARD_DHCP,     "guard_dhcp",     "DHCP server message from a guarded port")    \
	X(GUARD_RA,       "guard_ra",       "router's message from a guarded port")   \
	X(STORM,          "storm",          "broadcast and unknown unicast over limit")   \
	X(LOOP,           "loop",           "source MAC bounces; pinned elsewhere")       \
	X(SAME_PORT,      "same_port",      "destination is where the frame came from")   \
	X(SPLIT_HORIZON,  "split_horizon",  "from a wire, and destination is on a wire")  \
	X(STANDBY,        "standby",        "a relay that is not active does not carry it")   \
	X(BEACON,         "beacon",         "relay beacon from a guest, or one that is none") \
	X(NO_RECEIVER,    "no_receiver",    "nobody else is there who gets it")           \
	X(NOT_HERE,       "not_here",       "destination is not on this host")            \
	X(AMBIGUOUS,      "ambiguous",      "destination is in two joined segments")      \
	X(ISOLATED,       "isolated",       "between two isolated ports")                 \
	X(POLICY_CLOSED,  "policy_closed",  "the two domains are closed")                 \
	X(POLICY_OUT,     "policy_out",     "sender's domain does not let it out")        \
	X(POLICY_IN,      "policy_in",      "receiver's domain does not let it in")       \
	X(STATE,          "state",          "not of a known connection")                  \
	X(TTL,            "ttl",            "time to live ran out")                       \
	X(NO_NEIGHBOUR,   "no_neighbour",   "next hop does not answer")                   \
	X(NO_BINDING,     "no_binding",     "no IP-to-MAC binding")                       \
	X(NOT_IP,         "not_ip",         "not IP, and only IP is carried")             \
	X(BAD_VERSION,    "bad_version",    "encapsulation header of another version")    \
	X(UNKNOWN_ID,     "unknown_id",     "network identifier of no segment here")      \
	X(BAD_HEADER,     "bad_header",     "malformed outer header")                     \
	X(FOREIGN_SOURCE, "foreign_source", "outer source is not a peer")                 \
	X(FRAGMENT,       "fragment",       "outer fragment where none is accepted")      \
	X(BAD_OFFLOAD,    "bad_offload",    "offload metadata contradicts the frame")     \
	X(OVERRUN,        "overrun",        "came while the queue to read from was full") \
	X(OVERSIZE,       "oversize",       "does not fit the uplink")                    \
	X(QUEUE_FULL,     "queue_full",     "output queue is full")                       \
	X(LINK_DOWN,      "link_down",      "port or uplink is down")                     \
	X(NO_BUFFER,      "no_buffer",      "frame pool is exhausted")                    \
	X(NO_KEY,         "no_key",         "protection required and no key")             \
	X(REPLAY,         "replay",         "seen before or too old")                     \
	X(BAD_AUTH,       "bad_auth",       "authentication failed")
/* clang-format on */

enum reason {
	REASON_NONE, /* not a drop */
#define X(id, name, text) REASON_##id,
	REASONS(X)
#undef X
	    REASON_COUNT
};

/* The word for a reason, "none" for REASON_NONE, "?" for what is none. */
const char *reason_name(enum reason reason);

/* A short explanation for people. */
const char *reason_text(enum reason reason);

/* Why a frame is dropped that the kernel refused with this error when it was sent. */
enum reason reason_of_errno(int error);

#endif
