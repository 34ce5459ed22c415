/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Junctions in the pipeline: by cases on one host, and random small networks of hosts,
 * segments, domains and wires against a naive model of who may hear what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/packet.h"
#include "switchd/policy/conn.h"
#include "switchd/policy/policy.h"
#include "test/unit/craft.h"
#include "test/unit/switch_fixture.h"

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* Segments with the policy of a text, which names no segments, on one host. */
struct host {
	struct fx fx;
	struct desired desired;
	struct segment *segments[4];
	struct fx_encap *wires[4];
};

/* The segments s0, s1, ... of the domains d0, d1, ... */
static void host_open(struct host *host, const char *name, unsigned segments, const char *policy)
{
	char text[4096];
	struct err err = {""};
	size_t used;

	memset(host, 0, sizeof(*host));
	fx_open(&host->fx);
	used = (size_t)snprintf(text, sizeof(text), "host = \"%s\"; segments = (", name);
	for (unsigned i = 0; i < segments; i++) {
		char keys[64], segment[16];

		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s{ name = \"s%u\"; domain = \"d%u\"; tags = \"pass\"; }",
					 i ? ", " : "", i, i);
		(void)snprintf(segment, sizeof(segment), "s%u", i);
		(void)snprintf(keys, sizeof(keys), "{\"domain\": \"d%u\", \"tags\": \"pass\"}", i);
		host->segments[i] = fx_segment(&host->fx, segment, keys);
	}
	(void)snprintf(text + used, sizeof(text) - used, "); %s", policy);
	if (desired_parse(&host->desired, text, "f", &err) < 0)
		fail_msg("%s: %s", policy, err.text);
	assert_int_equal(policy_apply(&host->fx.sw, &host->desired), 0);
}

static void host_close(struct host *host)
{
	assert_true(fx_pool_empty(&host->fx));
	fx_close(&host->fx);
	desired_clear(&host->desired);
}

#define OPEN(from, to) "{ from = \"d" #from "\"; to = \"d" #to "\"; flow = \"open\"; }"
#define CLOSED(from, to)                                                                           \
	"{ from = \"d" #from "\"; to = \"d" #to "\"; flow = \"closed\"; indirect = true; }"
#define OPEN_01 "policy = (" OPEN(0, 1) "," OPEN(1, 0) ");"

static uint64_t drops(const struct fx_port *at, enum reason reason)
{
	return at->port->stats.rx_drops[reason];
}

/* ---- cases ---- */

static struct host h;
static struct fx_port *a, *a2, *b, *b2, *c;

#define A fx_mac(0xa)
#define B fx_mac(0xb)
#define C fx_mac(0xc)
#define R fx_mac(0xd) /* a station on another host */
#define X fx_mac(0xe) /* nobody's */

/* a, a2 in s0; b, b2 in s1; c in s2; each segment has a wire. All of them have spoken. */
static void open_case(const char *policy)
{
	host_open(&h, "h", 3, policy);
	a = fx_port(&h.fx, h.segments[0], "a", "");
	a2 = fx_port(&h.fx, h.segments[0], "a2", "");
	b = fx_port(&h.fx, h.segments[1], "b", "");
	b2 = fx_port(&h.fx, h.segments[1], "b2", "");
	c = fx_port(&h.fx, h.segments[2], "c", "");
	for (unsigned i = 0; i < 3; i++)
		h.wires[i] = fx_encap(&h.fx, h.segments[i]);
	fx_send(a, fx_ether(&h.fx, X, A, 60));
	fx_send(b, fx_ether(&h.fx, X, B, 60));
	fx_send(c, fx_ether(&h.fx, X, C, 60));
	fx_forget(&h.fx);
}

/* Who has got how many frames since the last time. */
static void expect(unsigned to_a, unsigned to_a2, unsigned to_b, unsigned to_b2, unsigned to_c,
		   unsigned to_w0, unsigned to_w1, unsigned to_w2)
{
	assert_int_equal(a->log.count, to_a);
	assert_int_equal(a2->log.count, to_a2);
	assert_int_equal(b->log.count, to_b);
	assert_int_equal(b2->log.count, to_b2);
	assert_int_equal(c->log.count, to_c);
	assert_int_equal(h.wires[0]->log.count, to_w0);
	assert_int_equal(h.wires[1]->log.count, to_w1);
	assert_int_equal(h.wires[2]->log.count, to_w2);
	fx_forget(&h.fx);
}

static void closed_is_apart(void **state)
{
	(void)state;
	open_case("policy = (" CLOSED(0, 1) ");");
	assert_null(h.segments[0]->joints);
	fx_send(a, fx_ether(&h.fx, broadcast, A, 60));
	expect(0, 1, 0, 0, 0, 1, 0, 0);
	fx_send(a, fx_ether(&h.fx, B, A, 60)); /* nobody here knows B */
	expect(0, 1, 0, 0, 0, 1, 0, 0);
	host_close(&h);
}

static void open_is_one(void **state)
{
	(void)state;
	open_case(OPEN_01);
	fx_send(a, fx_ether(&h.fx, broadcast, A, 60));
	expect(0, 1, 1, 1, 0, 1, 0, 0);
	fx_send(a, fx_ether(&h.fx, B, A, 60));
	expect(0, 0, 1, 0, 0, 0, 0, 0);
	fx_send(b, fx_ether(&h.fx, A, B, 60));
	expect(1, 0, 0, 0, 0, 0, 0, 0);
	fx_send(a, fx_ether(&h.fx, X, A, 60));
	expect(0, 1, 1, 1, 0, 1, 0, 0);
	/* From a wire to ports alone. */
	fx_receive(h.wires[0], 2, fx_ether(&h.fx, broadcast, R, 60));
	expect(1, 1, 1, 1, 0, 0, 0, 0);
	fx_receive(h.wires[0], 2, fx_ether(&h.fx, B, R, 60));
	expect(0, 0, 1, 0, 0, 0, 0, 0);
	fx_receive(h.wires[0], 2, fx_ether(&h.fx, X, R, 60));
	expect(1, 1, 1, 1, 0, 0, 0, 0);
	/* Who is known in a joined segment on another host is sent to in the own one. */
	fx_send(b, fx_ether(&h.fx, R, B, 60));
	assert_int_equal(h.wires[1]->log.count, 1);
	assert_true(ipaddr_equal(&h.wires[1]->log.sent[0].peer, &(struct ipaddr){0}) == false);
	expect(0, 0, 0, 0, 0, 0, 1, 0);
	h.wires[1]->ops.reaches = NULL; /* a wire without hosts */
	fx_send(b, fx_ether(&h.fx, R, B, 60));
	assert_false(ipaddr_is_set(&h.wires[1]->log.sent[0].peer));
	expect(0, 0, 0, 0, 0, 0, 1, 0);
	/* And what a wire brings for it is not for here. */
	fx_receive(h.wires[1], 3, fx_ether(&h.fx, R, fx_mac(0xf), 60));
	expect(0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(h.wires[1]->encap->stats.rx_drops[REASON_NOT_HERE], 1);
	/* What belongs to a third domain goes nowhere else. */
	fx_send(c, fx_ether(&h.fx, broadcast, C, 60));
	expect(0, 0, 0, 0, 0, 0, 0, 1);
	host_close(&h);
}

static void no_second_crossing(void **state)
{
	(void)state;
	open_case("policy = (" OPEN(0, 1) "," OPEN(1, 0) "," OPEN(1, 2) "," OPEN(2, 1) "," CLOSED(
	    0, 2) "," CLOSED(2, 0) ");");
	fx_send(a, fx_ether(&h.fx, broadcast, A, 60));
	expect(0, 1, 1, 1, 0, 1, 0, 0);
	fx_send(a, fx_ether(&h.fx, C, A, 60)); /* whom the own and the joined one do not know */
	expect(0, 1, 1, 1, 0, 1, 0, 0);
	fx_send(b, fx_ether(&h.fx, broadcast, B, 60));
	expect(1, 1, 0, 1, 1, 0, 1, 0);
	fx_receive(h.wires[0], 2, fx_ether(&h.fx, broadcast, R, 60));
	expect(1, 1, 1, 1, 0, 0, 0, 0);
	host_close(&h);
}

static void one_way(void **state)
{
	(void)state;
	open_case("policy = (" OPEN(0, 1) ");");
	fx_send(a, fx_ether(&h.fx, B, A, 60));
	expect(0, 0, 1, 0, 0, 0, 0, 0);
	fx_send(b, fx_ether(&h.fx, A, B, 60));
	expect(0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(drops(b, REASON_POLICY_CLOSED), 1);
	fx_send(b, fx_ether(&h.fx, broadcast, B, 60));
	expect(0, 0, 0, 1, 0, 0, 1, 0);
	host_close(&h);

	open_case("policy = (" OPEN(
	    0, 1) ","
		  "{ from = \"d1\"; to = \"d0\"; flow = \"open\"; side = \"out\"; } );");
	fx_send(b, fx_ether(&h.fx, A, B, 60));
	expect(0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(drops(b, REASON_POLICY_IN), 1);
	host_close(&h);

	open_case("policy = (" OPEN(
	    0, 1) ","
		  "{ from = \"d1\"; to = \"d0\"; flow = \"open\"; side = \"in\"; } );");
	fx_send(b, fx_ether(&h.fx, A, B, 60));
	expect(0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(drops(b, REASON_POLICY_OUT), 1);
	host_close(&h);
}

/* A segment of TCP between 10.0.0.10 and 10.0.0.11, without checksums. */
static void send_tcp(struct fx_port *from, bool to_b, unsigned flags, uint32_t seq, uint32_t ack)
{
	const struct mac macs[2] = {to_b ? B : A, to_b ? A : B};
	static struct craft craft;
	size_t ip;

	craft.len = 0;
	craft_bytes(&craft, macs, sizeof(macs));
	craft_u16(&craft, 0x0800);
	ip = craft_ipv4(&craft, IPPROTO_TCP, 0, 20);
	craft_put16(&craft, ip + 14, to_b ? 10 : 11);
	craft_put16(&craft, ip + 18, to_b ? 11 : 10);
	craft_u16(&craft, to_b ? 80 : 4000);
	craft_u16(&craft, to_b ? 4000 : 80);
	craft_u32(&craft, seq);
	craft_u32(&craft, ack);
	craft_u16(&craft, 0x5000 | flags);
	craft_u16(&craft, 1000);
	craft_u32(&craft, 0);
	fx_send(from, fx_frame(&h.fx, craft.b, craft.len));
}

/* What is open one way takes part in the connections of the other way all the same. */
static void answers_on_an_open_way(void **state)
{
	(void)state;
	open_case("policy = (" OPEN(0, 1) ", { from = \"d1\"; to = \"d0\"; flow = \"controlled\"; "
					  "allow = ( { filter = \"tcp dst port 80\"; "
					  "stateful = true; } ); } );");
	send_tcp(b, false, TCP_SYN, 100, 0);
	expect(1, 0, 0, 0, 0, 0, 0, 0);
	send_tcp(a, true, TCP_SYN | TCP_ACK, 500, 101);
	expect(0, 0, 1, 0, 0, 0, 0, 0);
	send_tcp(b, false, TCP_ACK, 101, 501);
	expect(1, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(drops(b, REASON_STATE), 0);
	host_close(&h);
}

static void tags_stay(void **state)
{
	static const uint8_t tag[4] = {0x81, 0x00, 0x00, 0x05};
	struct frame *frame;

	(void)state;
	open_case(OPEN_01);
	for (int known = 0; known < 2; known++) {
		frame = fx_ether(&h.fx, known ? B : broadcast, A, 64);
		memcpy(frame->data + 12, tag, sizeof(tag));
		fx_send(a, frame);
		expect(0, 1, 0, 0, 0, 1, 0, 0);
	}
	host_close(&h);
}

static void ambiguous(void **state)
{
	(void)state;
	open_case("policy = (" OPEN(0, 1) "," OPEN(0, 2) ");");
	fx_send(b, fx_ether(&h.fx, X, fx_mac(0x77), 60));
	fx_send(c, fx_ether(&h.fx, X, fx_mac(0x77), 60));
	fx_forget(&h.fx);
	fx_send(a, fx_ether(&h.fx, fx_mac(0x77), A, 60));
	expect(0, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(drops(a, REASON_AMBIGUOUS), 1);
	/* The own segment comes first. */
	fx_send(a2, fx_ether(&h.fx, X, fx_mac(0x77), 60));
	fx_forget(&h.fx);
	fx_send(a, fx_ether(&h.fx, fx_mac(0x77), A, 60));
	expect(0, 1, 0, 0, 0, 0, 0, 0);
	host_close(&h);

	/* To where nothing can go makes nothing ambiguous. */
	open_case("policy = (" OPEN(0, 1) "," OPEN(2, 0) "," CLOSED(2, 1) ");");
	fx_send(b, fx_ether(&h.fx, X, fx_mac(0x77), 60));
	fx_send(c, fx_ether(&h.fx, X, fx_mac(0x77), 60));
	fx_forget(&h.fx);
	fx_send(a, fx_ether(&h.fx, fx_mac(0x77), A, 60));
	expect(0, 0, 1, 0, 0, 0, 0, 0);
	host_close(&h);
}

static void a_port_in_both_gets_one(void **state)
{
	struct fx_port *trunk;

	(void)state;
	open_case("policy = (" OPEN(0, 1) "," OPEN(1, 0) "," OPEN(0, 2) "," OPEN(2, 0) "," CLOSED(
	    1, 2) "," CLOSED(2, 1) ");");
	trunk = fx_port(&h.fx, NULL, "t",
			"{\"trunk\": [{\"vid\": 1, \"segment\": \"s1\"}, {\"vid\": 2, \"segment\": "
			"\"s2\"}]}");
	fx_send(a, fx_ether(&h.fx, broadcast, A, 60));
	assert_int_equal(trunk->log.count, 1);
	fx_forget(&h.fx);
	fx_send(b, fx_ether(&h.fx, broadcast, B, 60));
	assert_int_equal(trunk->log.count, 1);
	host_close(&h);
}

static void a_reload_acts_at_once(void **state)
{
	struct desired closed;
	struct err err;

	(void)state;
	open_case(OPEN_01);
	fx_send(a, fx_ether(&h.fx, B, A, 60));
	expect(0, 0, 1, 0, 0, 0, 0, 0);
	assert_int_equal(h.segments[0]->joints->at[0].count->frames, 2);
	/* What says the same goes on counting. */
	assert_int_equal(policy_apply(&h.fx.sw, &h.desired), 0);
	assert_int_equal(h.segments[0]->joints->at[0].count->frames, 2);
	memset(&closed, 0, sizeof(closed));
	assert_int_equal(desired_parse(&closed,
				       "segments = ( { name = \"s0\"; domain = \"d0\"; }, { name = "
				       "\"s1\"; domain = \"d1\"; }, { name = \"s2\"; domain = "
				       "\"d2\"; } );",
				       "f", &err),
			 0);
	assert_int_equal(policy_apply(&h.fx.sw, &closed), 0);
	fx_send(a, fx_ether(&h.fx, B, A, 60));
	expect(0, 1, 0, 0, 0, 1, 0, 0);
	host_close(&h);
	desired_clear(&closed);
}

static void a_segment_goes(void **state)
{
	(void)state;
	open_case("policy = (" OPEN(0, 1) "," OPEN(1, 0) "," OPEN(0, 2) "," OPEN(2, 0) "," CLOSED(
	    1, 2) "," CLOSED(2, 1) ");");
	membership_leave(c->port, h.segments[2]);
	segment_destroy(h.segments[2]);
	assert_int_equal(h.segments[0]->joints->count, 1);
	fx_send(a, fx_ether(&h.fx, broadcast, A, 60));
	assert_int_equal(b->log.count, 1);
	assert_int_equal(c->log.count, 0);
	host_close(&h);
}

/* One that comes in the place of another has none of its connections. */
static void a_segment_comes_in_anothers_place(void **state)
{
	const char *policy =
	    "policy = ( { from = \"d1\"; to = \"d0\"; flow = \"controlled\"; allow "
	    "= ( { filter = \"tcp\"; stateful = true; } ); } );";
	char text[1024];
	struct desired next;
	struct err err;
	uint16_t number;

	(void)state;
	open_case(policy);
	send_tcp(b, false, TCP_SYN, 100, 0);
	assert_int_equal(conns_count(h.fx.sw.conns), 1);
	assert_int_equal(policy_apply(&h.fx.sw, &h.desired), 0);
	assert_int_equal(conns_count(h.fx.sw.conns), 1);
	number = h.segments[1]->number;
	membership_leave(b->port, h.segments[1]);
	membership_leave(b2->port, h.segments[1]);
	segment_destroy(h.segments[1]);
	h.segments[1] = fx_segment(&h.fx, "other", "{\"domain\": \"d1\"}");
	assert_int_equal(h.segments[1]->number, number);
	(void)snprintf(
	    text, sizeof(text),
	    "segments = ( { name = \"s0\"; domain = \"d0\"; }, { name = \"other\"; domain "
	    "= \"d1\"; } ); %s",
	    policy);
	memset(&next, 0, sizeof(next));
	assert_int_equal(desired_parse(&next, text, "f", &err), 0);
	assert_int_equal(policy_apply(&h.fx.sw, &next), 0);
	assert_int_equal(conns_count(h.fx.sw.conns), 0);
	host_close(&h);
	desired_clear(&next);
}

/* ---- random networks ---- */

#define HOSTS	 3u
#define SEGMENTS 4u
#define PORTS	 10u

struct guest {
	unsigned host, segment;
	struct fx_port *port;
	struct mac mac;
};

static struct host net[HOSTS];
static struct guest guests[PORTS];
static unsigned host_count, segment_count, guest_count;
static bool open_to[SEGMENTS][SEGMENTS];

static void draw_policy(char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "policy = (");
	const char *comma = "";

	for (unsigned i = 0; i < segment_count; i++) {
		for (unsigned k = 0; k < segment_count; k++) {
			open_to[i][k] = i == k || random() % 2;
			if (i == k)
				continue;
			used += (size_t)snprintf(
			    text + used, size - used,
			    "%s{ from = \"d%u\"; to = \"d%u\"; flow = \"%s\"; indirect = true; }",
			    comma, i, k, open_to[i][k] ? "open" : "closed");
			comma = ", ";
		}
	}
	(void)snprintf(text + used, size - used, ");");
}

static void draw_network(void)
{
	char policy[2048], name[16];
	bool hosts_known = random() % 2;

	host_count = 1 + (unsigned)random() % HOSTS;
	segment_count = 2 + (unsigned)random() % (SEGMENTS - 1);
	guest_count = 2 + (unsigned)random() % (PORTS - 1);
	draw_policy(policy, sizeof(policy));
	for (unsigned i = 0; i < host_count; i++) {
		(void)snprintf(name, sizeof(name), "h%u", i);
		host_open(&net[i], name, segment_count, policy);
		for (unsigned k = 0; k < segment_count; k++) {
			net[i].wires[k] = fx_encap(&net[i].fx, net[i].segments[k]);
			if (hosts_known)
				continue;
			/* As on a VLAN. */
			net[i].wires[k]->ops.has_hosts = false;
			net[i].wires[k]->ops.reaches = NULL;
		}
	}
	for (unsigned i = 0; i < guest_count; i++) {
		struct guest *guest = &guests[i];

		guest->host = (unsigned)random() % host_count;
		guest->segment = (unsigned)random() % segment_count;
		guest->mac = fx_mac(0x100 + i);
		(void)snprintf(name, sizeof(name), "g%u", i);
		guest->port = fx_port(&net[guest->host].fx,
				      net[guest->host].segments[guest->segment], name, "");
	}
}

/* Carries what is on the wires to the other hosts, which must not send anything for it. */
static void carry(void)
{
	for (unsigned from = 0; from < host_count; from++) {
		for (unsigned k = 0; k < segment_count; k++) {
			struct fx_log *log = &net[from].wires[k]->log;

			for (unsigned n = 0; n < log->count; n++) {
				struct ipaddr peer = log->sent[n].peer;

				for (unsigned to = 0; to < host_count; to++) {
					struct ipaddr addr = fx_host(to);
					unsigned before;

					if (to == from ||
					    (ipaddr_is_set(&peer) && !ipaddr_equal(&peer, &addr)))
						continue;
					before = net[to].wires[k]->log.count;
					fx_receive(net[to].wires[k], from,
						   fx_frame(&net[to].fx, log->sent[n].bytes,
							    log->sent[n].len));
					assert_int_equal(net[to].wires[k]->log.count, before);
				}
			}
		}
	}
}

static void forget_all(void)
{
	for (unsigned i = 0; i < host_count; i++)
		fx_forget(&net[i].fx);
}

static void send_and_judge(const struct guest *from, const struct guest *to)
{
	fx_send(from->port, fx_ether(&net[from->host].fx, to ? to->mac : broadcast, from->mac, 60));
	carry();
	for (unsigned i = 0; i < guest_count; i++) {
		const struct guest *guest = &guests[i];
		bool may = guest != from && open_to[from->segment][guest->segment];
		bool must = may && (!to || guest == to);
		unsigned got = guest->port->log.count;

		if (got > may || got < must)
			fail_msg("g%u (h%u s%u) got %u of g%u (h%u s%u) to %s%d: may %d, must %d",
				 i, guest->host, guest->segment, got, (unsigned)(from - guests),
				 from->host, from->segment, to ? "g" : "all",
				 to ? (int)(to - guests) : -1, may, must);
	}
	/* On the wire it is in its own segment. */
	for (unsigned i = 0; i < host_count; i++)
		for (unsigned k = 0; k < segment_count; k++)
			assert_true(k == from->segment || net[i].wires[k]->log.count == 0);
	forget_all();
}

static void random_networks(void **state)
{
	(void)state;
	srandom(11);
	for (int round = 0; round < 400; round++) {
		draw_network();
		for (int n = 0; n < 120; n++) {
			const struct guest *from = &guests[(unsigned)random() % guest_count];
			const struct guest *to = &guests[(unsigned)random() % guest_count];

			if (from != to)
				send_and_judge(from, random() % 3 ? to : NULL);
		}
		for (unsigned i = 0; i < host_count; i++)
			host_close(&net[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(closed_is_apart),
	    cmocka_unit_test(open_is_one),
	    cmocka_unit_test(no_second_crossing),
	    cmocka_unit_test(one_way),
	    cmocka_unit_test(answers_on_an_open_way),
	    cmocka_unit_test(tags_stay),
	    cmocka_unit_test(ambiguous),
	    cmocka_unit_test(a_port_in_both_gets_one),
	    cmocka_unit_test(a_reload_acts_at_once),
	    cmocka_unit_test(a_segment_goes),
	    cmocka_unit_test(a_segment_comes_in_anothers_place),
	    cmocka_unit_test(random_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
