/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the gateway says itself: questions for neighbours, answers, and errors.
 */
#include "switchd/egress.h"
#include "switchd/policy/gateway_impl.h"

/* ---- to its neighbours ---- */

void gateway_ask(struct gateway_side *side, const struct ipaddr *addr, const struct mac *alone)
{
	struct pass p = {.segment = side->segment};
	struct arp_nd msg;

	arp_nd_ask(&msg, &side->all->router, NULL, addr, alone);
	p.frame = arp_nd_build(side->all->sw->pool, &msg);
	if (!p.frame || !packet_parse(p.frame, &p.packet)) {
		frame_free(p.frame);
		return;
	}
	side->counters.asked++;
	gateway_tick_soon(side->all);
	/* Like what a local port sends, to everybody or to where the station is. Who cannot
	 * get it now is asked again. */
	(void)forward_out(&p);
	frame_free(p.frame);
}

/* ---- to who has sent the frame of `p` ---- */

/* Whose MAC the sender knows as the gateway's. */
static const struct mac *mac_for(const struct pass *p)
{
	const struct gateway_side *side = p->segment->gateway;

	return p->port ? &side->mac : &side->all->router;
}

/* Back where it came from. Takes the frame. */
static void send_back(struct pass *p, struct frame *frame)
{
	frame->origin = NULL;
	if (!p->port) {
		frame->peer = p->where.remote;
		egress_encap(p->se, frame);
		return;
	}
	if (p->member->vid)
		frame->tag = (struct frame_tag){ETHERTYPE_CTAG, p->member->vid};
	egress_port(p->port, frame);
}

void gateway_answer(struct pass *p, const struct arp_nd *question)
{
	struct gateway_side *side = p->segment->gateway;
	struct arp_nd msg;
	struct frame *frame;

	forward_set_verdict(p, "consume");
	step(p, "gateway", "asks for the gateway: answered, and goes no further");
	if (p->trace)
		return;
	arp_nd_answer(&msg, question, mac_for(p));
	msg.router = true;
	frame = arp_nd_build(side->all->sw->pool, &msg);
	if (!frame)
		return; /* it will be asked again */
	side->counters.answered++;
	send_back(p, frame);
}

/* Whether one more error may be said now. */
static bool may_complain(struct pass *p)
{
	struct gateway_side *side = p->segment->gateway;
	uint64_t now = side->all->sw->now;
	struct bucket *bucket = p->member ? &p->member->errors : &side->errors;

	if (bucket_take(bucket, GATEWAY_ERRORS, 1, now, p->trace) &&
	    bucket_take(&side->all->errors, GATEWAY_ERRORS_ALL, 1, now, p->trace))
		return true;
	if (!p->trace)
		side->counters.muted++;
	return false;
}

static const char *error_text(enum icmp_error error)
{
	static const char *const texts[] = {
	    [ICMP_ERROR_TTL] = "time exceeded",	     [ICMP_ERROR_NET] = "network unreachable",
	    [ICMP_ERROR_HOST] = "host unreachable",  [ICMP_ERROR_ADMIN] = "prohibited",
	    [ICMP_ERROR_TOO_BIG] = "packet too big",
	};

	return texts[error];
}

void gateway_complain(struct pass *p, enum icmp_error error, uint32_t mtu,
		      const struct ipaddr *from)
{
	struct gateway_side *side = p->segment->gateway;
	uint16_t family = p->packet.ip_version == 4 ? AF_INET : AF_INET6;
	struct frame *frame;

	for (size_t i = 0; !from && i < side->address_count; i++) {
		if (side->addresses[i].addr.family == family)
			from = &side->addresses[i].addr;
	}
	if (!from || !icmp_error_may(p->frame, &p->packet))
		return;
	if (!may_complain(p)) {
		step(p, "gateway", "no ICMP error is sent: there were too many");
		return;
	}
	step(p, "gateway", "the sender gets an ICMP error: %s", error_text(error));
	if (p->trace)
		return;
	frame = icmp_error_build(side->all->sw->pool, p->frame, &p->packet, error, mtu, from,
				 mac_for(p));
	if (!frame)
		return;
	side->counters.errors++;
	send_back(p, frame);
}

enum reason gateway_echo(struct pass *p)
{
	struct gateway_side *side = p->segment->gateway;
	struct frame *frame = p->frame;

	if (!icmp_is_echo(frame, &p->packet)) {
		step(p, "gateway", "for the gateway itself, which only answers echo requests");
		return REASON_NOT_HERE;
	}
	forward_set_verdict(p, "consume");
	step(p, "gateway", "echo request for the gateway itself: answered");
	if (p->trace)
		return REASON_NONE;
	if (!icmp_echo_answer(frame, &p->packet, mac_for(p)))
		return REASON_NO_BUFFER;
	side->counters.echoed++;
	p->frame = NULL;
	send_back(p, frame);
	return REASON_NONE;
}
