/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/tcp.h"

/* In place of a window of which the scale is not known: the largest there can be. */
#define WINDOW_ANY (65535u << 14)

/* RFC 5961 section 5 counts with the largest window; a peer that has announced less may
 * still have acknowledged from before. */
#define ACK_SLACK 65535u

#define FLAGS (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)

/* Numbers wrap (RFC 9293 section 3.4). */
static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint32_t later(uint32_t a, uint32_t b)
{
	return after(a, b) ? a : b;
}

bool tcp_begins(const struct flow_info *flow)
{
	return (flow->tcp_flags & FLAGS) == TCP_SYN;
}

bool tcp_continues(const struct flow_info *flow)
{
	return (flow->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK;
}

static uint32_t end_of(const struct flow_info *flow)
{
	return flow->seq + flow->payload + ((flow->tcp_flags & TCP_SYN) != 0) +
	       ((flow->tcp_flags & TCP_FIN) != 0);
}

static uint32_t room(uint32_t window)
{
	return window ? window : 1; /* a probe of a closed window has one byte */
}

/* The first that was heard of a peer, with a SYN: its window is never scaled. */
static void meet(struct tcp_peer *peer, const struct flow_info *flow)
{
	peer->known = true;
	peer->end = end_of(flow);
	peer->limit = peer->end;
	peer->acked = flow->seq;
	peer->window = room(flow->window);
	peer->scale = flow->scale;
}

void tcp_open(struct tcp *tcp, const struct flow_info *flow)
{
	struct tcp_peer *from = &tcp->peer[0], *to = &tcp->peer[1];

	memset(tcp, 0, sizeof(*tcp));
	if (tcp_begins(flow)) {
		tcp->state = TCP_STATE_SYN_SENT;
		meet(from, flow);
		return;
	}
	tcp->state = TCP_STATE_ESTABLISHED;
	tcp->loose = true;
	from->known = to->known = true;
	from->window = to->window = WINDOW_ANY;
	from->acked = flow->seq;
	from->end = end_of(flow);
	from->limit = from->end + WINDOW_ANY;
	to->acked = to->end = flow->ack;
	to->limit = flow->ack + WINDOW_ANY;
	if (flow->tcp_flags & TCP_FIN) {
		from->fin = true;
		tcp->state = TCP_STATE_CLOSING;
	}
}

static enum tcp_verdict track_syn(struct tcp *tcp, const struct flow_info *flow, unsigned from)
{
	struct tcp_peer *s = &tcp->peer[from], *r = &tcp->peer[!from];

	if (tcp->state == TCP_STATE_TIME_WAIT || tcp->state == TCP_STATE_CLOSED)
		return TCP_ANEW;
	if (from == 0) {
		if (tcp->state != TCP_STATE_SYN_SENT)
			return TCP_NEUTRAL; /* its receiver challenges it: RFC 5961 section 4 */
		return flow->seq == s->acked ? TCP_PASS : TCP_ANEW;
	}
	if (tcp->state != TCP_STATE_SYN_SENT)
		return TCP_REFUSE;
	/* Both at once: RFC 9293 section 3.5. */
	meet(s, flow);
	if (s->scale == FLOW_NO_SCALE || r->scale == FLOW_NO_SCALE)
		s->scale = r->scale = 0;
	s->limit = s->end + r->window;
	r->limit = r->end + s->window;
	tcp->state = TCP_STATE_SYN_RECEIVED;
	return TCP_PASS;
}

/* The answer to a SYN, in which the receiver is met. */
static enum tcp_verdict track_syn_ack(struct tcp *tcp, const struct flow_info *flow)
{
	struct tcp_peer *s = &tcp->peer[1], *r = &tcp->peer[0];

	if (!after(flow->ack, r->acked) || after(flow->ack, r->end))
		return TCP_REFUSE;
	meet(s, flow);
	if (s->scale == FLOW_NO_SCALE || r->scale == FLOW_NO_SCALE)
		s->scale = r->scale = 0;
	s->limit = later(s->end, flow->seq + 1 + r->window);
	r->acked = flow->ack;
	r->limit = later(r->end, flow->ack + s->window);
	tcp->state = TCP_STATE_SYN_RECEIVED;
	return TCP_PASS;
}

/*
 * RFC 5961 section 3: a reset ends the connection where its number is the one expected;
 * elsewhere in the window its receiver asks back.
 */
static enum tcp_verdict track_reset(struct tcp *tcp, const struct flow_info *flow, unsigned from)
{
	const struct tcp_peer *s = &tcp->peer[from], *r = &tcp->peer[!from];

	if (tcp->state == TCP_STATE_SYN_SENT) {
		if (from == 0) /* answers what came of an older connection */
			return TCP_NEUTRAL;
		if (!(flow->tcp_flags & TCP_ACK) || !after(flow->ack, r->acked) ||
		    after(flow->ack, r->end))
			return TCP_REFUSE;
	} else if (s->lost || r->lost) {
		return TCP_NEUTRAL; /* who gets it can tell */
	} else {
		if (after(s->acked, flow->seq) || after(flow->seq, s->limit))
			return TCP_REFUSE;
		if (flow->seq != s->acked && flow->seq != s->end)
			return TCP_NEUTRAL;
	}
	tcp->state = TCP_STATE_CLOSED;
	return TCP_PASS;
}

void tcp_lose(struct tcp *tcp)
{
	for (unsigned i = 0; i < 2; i++)
		tcp->peer[i].lost = tcp->peer[i].known;
}

/* Whether `a` is after `b`, and not by more than there can be on its way. */
static bool plausible(uint32_t a, uint32_t b)
{
	return after(a, b) && a - b <= WINDOW_ANY;
}

/* Believes what was said unseen, as far as this segment tells of it. */
static void resume(struct tcp_peer *s, struct tcp_peer *r, const struct flow_info *flow,
		   uint32_t end)
{
	if (plausible(end, s->limit))
		s->limit = end;
	if (r->lost && plausible(flow->ack, r->end))
		r->end = flow->ack;
	s->lost = false;
}

/* What both have said, and know, is over. */
static void close_by_fin(struct tcp *tcp, const struct flow_info *flow, unsigned from)
{
	struct tcp_peer *s = &tcp->peer[from], *r = &tcp->peer[!from];

	if (flow->tcp_flags & TCP_FIN)
		s->fin = true;
	if (r->fin && r->acked == r->end)
		r->fin_acked = true;
	if (s->fin && tcp->state == TCP_STATE_ESTABLISHED)
		tcp->state = TCP_STATE_CLOSING;
	if (s->fin_acked && r->fin_acked)
		tcp->state = TCP_STATE_TIME_WAIT;
}

enum tcp_verdict tcp_track(struct tcp *tcp, const struct flow_info *flow, unsigned from)
{
	struct tcp_peer *s = &tcp->peer[from], *r = &tcp->peer[!from];
	const uint32_t end = end_of(flow);
	uint32_t window = flow->window;
	struct tcp was;
	bool news;

	switch (flow->tcp_flags & FLAGS) {
	case TCP_RST:
	case TCP_RST | TCP_ACK:
		return track_reset(tcp, flow, from);
	case TCP_SYN:
		return track_syn(tcp, flow, from);
	case TCP_SYN | TCP_ACK:
		if (tcp->state == TCP_STATE_SYN_SENT)
			return from == 1 ? track_syn_ack(tcp, flow) : TCP_REFUSE;
		break;
	case TCP_ACK:
	case TCP_ACK | TCP_FIN:
		/* Who still has a connection from before asks what the SYN is about. */
		if (tcp->state == TCP_STATE_SYN_SENT)
			return from == 1 && flow->payload == 0 ? TCP_NEUTRAL : TCP_REFUSE;
		break;
	default: /* combinations that no stack sends */
		return TCP_REFUSE;
	}
	if (tcp->loose)
		window = WINDOW_ANY;
	else if (!(flow->tcp_flags & TCP_SYN) && s->scale != FLOW_NO_SCALE)
		window <<= s->scale; /* not known if it was reset before there was an answer */
	was = *tcp;
	if (s->lost || r->lost)
		resume(s, r, flow, end);
	if (after(end, s->limit + 1) || after(s->end - r->window - 1, flow->seq) ||
	    after(flow->ack, r->end) ||
	    after(r->acked - (s->window > ACK_SLACK ? s->window : ACK_SLACK), flow->ack))
		goto refuse;
	if (tcp->state == TCP_STATE_CLOSED) {
		*tcp = was;
		return TCP_NEUTRAL;
	}
	news = after(flow->ack, r->acked);
	s->end = later(s->end, end);
	if (window > s->window)
		s->window = window;
	if (news)
		r->acked = flow->ack;
	r->limit = later(r->limit, flow->ack + room(window));
	if (tcp->state == TCP_STATE_SYN_RECEIVED && from == 0 && news)
		tcp->state = TCP_STATE_ESTABLISHED;
	close_by_fin(tcp, flow, from);
	return TCP_PASS;
refuse:
	*tcp = was;
	return TCP_REFUSE;
}

bool tcp_sent(const struct tcp *tcp, unsigned sender, uint32_t seq)
{
	const struct tcp_peer *s = &tcp->peer[sender], *r = &tcp->peer[!sender];
	const uint32_t window = r->known ? r->window : 0;

	return s->known && !after(seq, s->end) && !after(s->acked - window, seq);
}
