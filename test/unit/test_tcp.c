// SPDX-License-Identifier: BSD-2-Clause
//
// What is known of TCP in the middle: connections of two simulated ends pass whole, with
// loss, reordering and retransmission; what does not belong to them does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs those four first
#include <cmocka.h>

#include "switchd/policy/tcp.h"

static uint64_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static struct flow_info segment(unsigned flags, uint32_t seq, uint32_t ack, unsigned window,
				uint32_t payload)
{
	return (struct flow_info){.kind = FLOW_KIND_TCP,
				  .tcp_flags = (uint8_t)flags,
				  .seq = seq,
				  .ack = ack,
				  .window = (uint16_t)window,
				  .scale = FLOW_NO_SCALE,
				  .payload = payload};
}

// ---- two ends ----

// An end that has `total` bytes to say and room for `room`; each segment is remembered, and
// may be sent again. RFC 9293 in a few lines: what arrives in order is taken at once.
struct end {
	uint32_t isn, next, una; // what it sends
	uint32_t expected;	 // what it waits for
	uint32_t peer_limit;	 // it may send up to here
	uint32_t room, total;
	unsigned scale;
	bool fin_sent, fin_got;
};

struct sim {
	struct end end[2];
	struct tcp tcp;
	struct flow_info flight[256];
	unsigned flight_from[256], flights;
	unsigned passed;
};

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void send_segment(struct sim *sim, unsigned from, const struct flow_info *flow)
{
	if (sim->flights == 256)
		return;
	sim->flight[sim->flights] = *flow;
	sim->flight_from[sim->flights++] = from;
}

static struct flow_info ack_of(const struct end *e, uint32_t seq, uint32_t payload, unsigned flags)
{
	return segment(TCP_ACK | flags, seq, e->expected, e->room >> e->scale, payload);
}

static void speak(struct sim *sim, unsigned from)
{
	struct end *e = &sim->end[from];
	const uint32_t last = e->isn + 1 + e->total;
	uint32_t from_seq = e->next, len = 1 + draw(3000);
	struct flow_info flow;

	if (draw(4) == 0) /* again */
		from_seq = e->una;
	if (before(last, from_seq))
		from_seq = last;
	if (before(last, from_seq + len))
		len = last - from_seq;
	if (before(e->peer_limit, from_seq + len))
		len = before(e->peer_limit, from_seq) ? 0 : e->peer_limit - from_seq;
	if (len == 0 && e->peer_limit == from_seq && from_seq != last)
		len = 1; /* a probe of a closed window */
	flow = ack_of(e, from_seq, len, 0);
	if (from_seq + len == last && draw(3) == 0 && before(last, e->peer_limit)) {
		flow.tcp_flags |= TCP_FIN;
		e->fin_sent = true;
		len++;
	}
	if (before(e->next, from_seq + len))
		e->next = from_seq + len;
	send_segment(sim, from, &flow);
}

static void hear(struct sim *sim, unsigned to, const struct flow_info *flow)
{
	struct end *e = &sim->end[to];
	const struct end *o = &sim->end[!to];
	uint32_t end = flow->seq + flow->payload + ((flow->tcp_flags & TCP_FIN) != 0);
	uint32_t limit = flow->ack + ((uint32_t)flow->window << o->scale);
	struct flow_info answer;

	if (!before(e->expected, flow->seq) && before(e->expected, end) &&
	    !before(e->expected + e->room, end)) {
		e->expected = end;
		e->fin_got = e->fin_got || flow->tcp_flags & TCP_FIN;
	}
	if (before(e->una, flow->ack) && !before(e->next, flow->ack))
		e->una = flow->ack;
	if (before(e->peer_limit, limit))
		e->peer_limit = limit;
	if (draw(5) == 0)
		e->room = draw(8) ? draw(60000) : 0;
	/* The right edge never goes back (RFC 9293 section 3.8.6). */
	answer = ack_of(e, e->next, 0, 0);
	if (flow->payload || flow->tcp_flags & TCP_FIN)
		send_segment(sim, to, &answer);
}

static void begin(struct sim *sim, bool scaled)
{
	struct end *a = &sim->end[0], *b = &sim->end[1];
	struct flow_info syn, syn_ack, ack;

	memset(sim, 0, sizeof(*sim));
	for (unsigned i = 0; i < 2; i++) {
		sim->end[i].isn = (uint32_t)seed ^ (draw(1u << 30) << 2);
		sim->end[i].total = draw(200000);
		sim->end[i].room = 1 + draw(60000);
		sim->end[i].scale = scaled ? draw(5) : 0;
		sim->end[i].next = sim->end[i].una = sim->end[i].isn + 1;
	}
	a->expected = b->isn + 1;
	b->expected = a->isn + 1;
	a->peer_limit = a->next + b->room;
	b->peer_limit = b->next + a->room;
	syn = segment(TCP_SYN, a->isn, 0, a->room > 65535 ? 65535 : a->room, 0);
	syn_ack = segment(TCP_SYN | TCP_ACK, b->isn, b->expected, b->room, 0);
	if (scaled) {
		syn.scale = (uint8_t)a->scale;
		syn_ack.scale = (uint8_t)b->scale;
	} else if (draw(2)) {
		syn.scale = 7; /* one offer is none */
	}
	tcp_open(&sim->tcp, &syn);
	assert_int_equal(sim->tcp.state, TCP_STATE_SYN_SENT);
	assert_int_equal(tcp_track(&sim->tcp, &syn, 0), TCP_PASS);
	assert_int_equal(tcp_track(&sim->tcp, &syn_ack, 1), TCP_PASS);
	assert_int_equal(tcp_track(&sim->tcp, &syn_ack, 1), TCP_PASS);
	ack = ack_of(a, a->next, 0, 0);
	assert_int_equal(tcp_track(&sim->tcp, &ack, 0), TCP_PASS);
	assert_int_equal(sim->tcp.state, TCP_STATE_ESTABLISHED);
}

// Late by more than a window, and nobody's loss: it says what its receiver has long known.
static bool is_stale(const struct sim *sim, unsigned i)
{
	const struct flow_info *flow = &sim->flight[i];
	const struct end *to = &sim->end[!sim->flight_from[i]];
	const uint32_t end = flow->seq + flow->payload + ((flow->tcp_flags & TCP_FIN) ? 1u : 0u);

	return !before(to->expected, end) && !before(to->una, flow->ack);
}

// What somebody would send who does not see the connection.
static void intrude(struct sim *sim)
{
	const unsigned from = draw(2);
	struct tcp was = sim->tcp;
	struct flow_info flow;

	/* Half of the space away from all that is known. */
	flow = segment(TCP_ACK, sim->end[from].next + 0x50000000u + draw(0x60000000u),
		       sim->end[from].expected, 1000, draw(100));
	assert_int_equal(tcp_track(&sim->tcp, &flow, from), TCP_REFUSE);
	flow.tcp_flags = TCP_RST;
	assert_int_equal(tcp_track(&sim->tcp, &flow, from), TCP_REFUSE);
	flow = segment(TCP_ACK, sim->end[from].next, sim->end[!from].next + 1 + draw(0x60000000u),
		       1000, 0);
	assert_int_equal(tcp_track(&sim->tcp, &flow, from), TCP_REFUSE);
	flow.tcp_flags = TCP_SYN | TCP_FIN;
	assert_int_equal(tcp_track(&sim->tcp, &flow, from), TCP_REFUSE);
	flow.tcp_flags = 0;
	assert_int_equal(tcp_track(&sim->tcp, &flow, from), TCP_REFUSE);
	assert_memory_equal(&was, &sim->tcp, sizeof(was));
}

static void whole_connections(void **state)
{
	static struct sim sim;
	unsigned passed = 0;

	(void)state;
	for (unsigned run = 0; run < 2000; run++) {
		begin(&sim, run % 2);
		for (unsigned step = 0; step < 400; step++) {
			unsigned i;

			if (draw(3) == 0)
				speak(&sim, draw(2));
			if (step % 50 == 49)
				intrude(&sim);
			if (sim.flights == 0)
				continue;
			/* Any of those on their way is the next; the middle sees them before
			 * some are lost. */
			i = draw(4) ? 0 : draw(sim.flights);
			if (tcp_track(&sim.tcp, &sim.flight[i], sim.flight_from[i]) != TCP_PASS)
				assert_true(is_stale(&sim, i));
			else
				sim.passed++;
			if (draw(10))
				hear(&sim, !sim.flight_from[i], &sim.flight[i]);
			sim.flights--;
			memmove(&sim.flight[i], &sim.flight[i + 1],
				(sim.flights - i) * sizeof(sim.flight[0]));
			memmove(&sim.flight_from[i], &sim.flight_from[i + 1],
				(sim.flights - i) * sizeof(sim.flight_from[0]));
		}
		passed += sim.passed;
	}
	assert_true(passed > 300000);
}

// ---- written down ----

static void orderly_end(void **state)
{
	struct tcp tcp;
	struct flow_info f;

	(void)state;
	f = segment(TCP_SYN, 10, 0, 100, 0);
	tcp_open(&tcp, &f);
	f = segment(TCP_SYN | TCP_ACK, 50, 11, 100, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	f = segment(TCP_ACK | TCP_FIN, 11, 51, 100, 5);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	assert_int_equal(tcp.state, TCP_STATE_CLOSING);
	f = segment(TCP_ACK, 51, 17, 100, 7);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	f = segment(TCP_ACK | TCP_FIN, 58, 17, 100, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	assert_int_equal(tcp.state, TCP_STATE_CLOSING);
	f = segment(TCP_ACK, 17, 59, 100, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	assert_int_equal(tcp.state, TCP_STATE_TIME_WAIT);
	f = segment(TCP_SYN, 9999, 0, 100, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_ANEW);
}

static void resets(void **state)
{
	struct tcp tcp, established;
	struct flow_info f;

	(void)state;
	f = segment(TCP_SYN, 10, 0, 1000, 0);
	tcp_open(&tcp, &f);
	/* The answer of a closed port. */
	f = segment(TCP_RST | TCP_ACK, 0, 12, 0, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_REFUSE);
	f = segment(TCP_RST, 0, 11, 0, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_REFUSE);
	established = tcp;
	f = segment(TCP_RST | TCP_ACK, 0, 11, 0, 0);
	assert_int_equal(tcp_track(&established, &f, 1), TCP_PASS);
	assert_int_equal(established.state, TCP_STATE_CLOSED);
	/* Who has a connection from before asks, and gets it reset; then it begins anew. */
	f = segment(TCP_ACK, 7777, 8888, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_NEUTRAL);
	f = segment(TCP_RST, 8888, 0, 0, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_NEUTRAL);
	f = segment(TCP_SYN, 10, 0, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	f = segment(TCP_SYN | TCP_ACK, 50, 11, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	f = segment(TCP_ACK, 11, 51, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	established = tcp;
	/* In the window, but not the one expected: its receiver asks back. */
	f = segment(TCP_RST, 100, 0, 0, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_NEUTRAL);
	assert_memory_equal(&tcp, &established, sizeof(tcp));
	f = segment(TCP_RST, 2000, 0, 0, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_REFUSE);
	f = segment(TCP_RST, 11, 0, 0, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	assert_int_equal(tcp.state, TCP_STATE_CLOSED);
}

static void both_at_once(void **state)
{
	struct tcp tcp;
	struct flow_info f;

	(void)state;
	f = segment(TCP_SYN, 10, 0, 1000, 0);
	tcp_open(&tcp, &f);
	f = segment(TCP_SYN, 50, 0, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	f = segment(TCP_SYN | TCP_ACK, 10, 51, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	f = segment(TCP_SYN | TCP_ACK, 50, 11, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	assert_int_equal(tcp.state, TCP_STATE_ESTABLISHED);
}

/* What another process has seen meanwhile is believed, but not anything. */
static void goes_on_after_a_gap(void **state)
{
	struct tcp tcp, before;
	struct flow_info f;

	(void)state;
	f = segment(TCP_SYN, 10, 0, 1000, 0);
	tcp_open(&tcp, &f);
	f = segment(TCP_SYN | TCP_ACK, 50, 11, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	f = segment(TCP_ACK, 11, 51, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	before = tcp;
	/* A megabyte later each way: refused, unless it was lost sight of. */
	f = segment(TCP_ACK, 1000011, 1000051, 1000, 500);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_REFUSE);
	tcp_lose(&tcp);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	f = segment(TCP_ACK, 1000051, 1000511, 1000, 700);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	assert_false(tcp.peer[0].lost || tcp.peer[1].lost);
	f = segment(TCP_ACK, 3000000, 1000751, 1000, 700);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_REFUSE);
	/* From the other side first, which has said more than was acknowledged. */
	tcp = before;
	tcp_lose(&tcp);
	f = segment(TCP_ACK, 1000051, 1000011, 1000, 700);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	f = segment(TCP_ACK, 1000011, 1000751, 1000, 1);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	/* Nobody is believed anything. */
	tcp = before;
	tcp_lose(&tcp);
	f = segment(TCP_ACK, 0x60000000, 51, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_REFUSE);
	f = segment(TCP_ACK, 11, 0x60000000, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_REFUSE);
}

static void errors_are_about_what_was_sent(void **state)
{
	struct tcp tcp;
	struct flow_info f;

	(void)state;
	f = segment(TCP_SYN, 10, 0, 1000, 0);
	tcp_open(&tcp, &f);
	assert_true(tcp_sent(&tcp, 0, 10));
	assert_false(tcp_sent(&tcp, 0, 9));
	assert_false(tcp_sent(&tcp, 0, 12));
	assert_false(tcp_sent(&tcp, 1, 0));
	f = segment(TCP_SYN | TCP_ACK, 50, 11, 1000, 0);
	assert_int_equal(tcp_track(&tcp, &f, 1), TCP_PASS);
	f = segment(TCP_ACK, 11, 51, 1000, 500);
	assert_int_equal(tcp_track(&tcp, &f, 0), TCP_PASS);
	assert_true(tcp_sent(&tcp, 0, 500));
	assert_false(tcp_sent(&tcp, 0, 600));
	assert_false(tcp_sent(&tcp, 0, 0xf0000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_connections),
	    cmocka_unit_test(orderly_end),
	    cmocka_unit_test(resets),
	    cmocka_unit_test(both_at_once),
	    cmocka_unit_test(errors_are_about_what_was_sent),
	    cmocka_unit_test(goes_on_after_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
