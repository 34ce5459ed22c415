/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What somebody in the middle can know of a TCP connection (RFC 9293), and whether
 * a segment can be a part of it: its data within what the receiver has room for, its
 * acknowledgement about something that was sent. Pure.
 */
#ifndef TVD_TCP_H
#define TVD_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/flow.h"

enum tcp_state {
	TCP_STATE_SYN_SENT,
	TCP_STATE_SYN_RECEIVED,
	TCP_STATE_ESTABLISHED,
	TCP_STATE_CLOSING,   /* one of them has sent all it had to say */
	TCP_STATE_TIME_WAIT, /* both have, and know it */
	TCP_STATE_CLOSED,    /* reset */
	TCP_STATES
};

/* One of the two. Numbers are sequence numbers of what it sends. */
struct tcp_peer {
	uint32_t end;	 /* behind the last byte that it was seen to send */
	uint32_t limit;	 /* the other one has room up to here */
	uint32_t acked;	 /* the other one has all before it */
	uint32_t window; /* the largest room that it announced for the other one */
	uint8_t scale;
	bool known; /* it was heard */
	bool fin, fin_acked;
	bool lost; /* it may have been heard by others since: see tcp_lose() */
};

struct tcp {
	struct tcp_peer peer[2]; /* 0 is who began */
	uint8_t state;		 /* enum tcp_state */
	bool loose;		 /* its beginning was not seen, nor the scales of windows */
};

enum tcp_verdict {
	TCP_REFUSE, /* it is no part of the connection: nothing changed */
	TCP_PASS,
	TCP_NEUTRAL, /* it may pass, and the receiver will know what to make of it; nothing changed
		      */
	TCP_ANEW,    /* it begins another connection in place of this; nothing changed */
};

/* Whether a segment begins a connection: SYN alone. */
bool tcp_begins(const struct flow_info *flow);

/* Whether a segment can be taken for a part of a connection that nobody saw begin. */
bool tcp_continues(const struct flow_info *flow);

/* A connection that begins with this segment, or is found with it. */
void tcp_open(struct tcp *tcp, const struct flow_info *flow);

/* The next segment; `from` 0: from who began. */
enum tcp_verdict tcp_track(struct tcp *tcp, const struct flow_info *flow, unsigned from);

/*
 * Notes that both may have gone on unseen, as when another process has forwarded for a
 * moment. What each says next is believed, within a gigabyte.
 */
void tcp_lose(struct tcp *tcp);

/* Whether an ICMP error can be about a segment that peer `sender` has sent lately. */
bool tcp_sent(const struct tcp *tcp, unsigned sender, uint32_t seq);

#endif
