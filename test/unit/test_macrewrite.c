/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/macrewrite.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>

#include "test/unit/encap_fixture.h"

#include "test/unit/farm_model.h"

/* ---- configurations ---- */

static void test_conf(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"{\"farm\": 1, \"subnet\": 2}", NULL},
	    {"{\"farm\": 1, \"subnet\": 2, \"gateway\": \"10.1.2.1\"}", NULL},
	    {"{\"farm\": 300, \"subnet\": 2, \"prefix\": [\"10.7.0.0/16\", \"fd00::/64\"]}", NULL},
	    {"{\"farm\": 300, \"subnet\": 2}", "`prefix` is missing"},
	    {"{\"farm\": 1, \"subnet\": 0}", "subnet"},
	    {"{\"farm\": 1}", "subnet"},
	    {"{\"farm\": 1, \"subnet\": 2, \"relay\": true}", "relay"},
	    {"{\"farm\": 1, \"subnet\": 2, \"gateway\": \"10.1.3.1\"}", "not in the subnet"},
	    {"{\"farm\": 1, \"subnet\": 2, \"prefix\": \"224.0.0.0/8\"}", "cannot have"},
	    {"{\"farm\": 1, \"subnet\": 2, \"prefix\": \"0.0.0.0/0\"}", "cannot have"},
	    {"{\"farm\": 1, \"subnet\": 2, \"prefix\": \"fe80::/64\"}", "cannot have"},
	    {"{\"farm\": 1, \"subnet\": 2, \"prefix\": [\"10.0.0.0/8\", \"10.1.0.0/16\"]}",
	     "overlaps"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct macrewrite_conf conf;
		struct err err = {""};
		bool ok = try_conf(&macrewrite_ops, &conf, cases[i].text, &err) &&
			  macrewrite_ops.check(&conf.common, -1, &err) == 0;

		if (ok != !cases[i].error || (!ok && !strstr(err.text, cases[i].error)))
			fail_msg("%s: %s", cases[i].text, err.text);
		conf_clear(macrewrite_ops.schema, &conf);
	}
}

static bool conflict(const char *one, const char *two)
{
	struct macrewrite_conf a, b;
	struct err err;
	bool is;

	assert_true(try_conf(&macrewrite_ops, &a, one, &err));
	assert_true(try_conf(&macrewrite_ops, &b, two, &err));
	is = macrewrite_ops.conflict(&a.common, -1, &b.common, -1);
	conf_clear(macrewrite_ops.schema, &a);
	conf_clear(macrewrite_ops.schema, &b);
	return is;
}

static void test_conflict(void **state)
{
	(void)state;
	assert_false(conflict("{\"farm\": 1, \"subnet\": 2}", "{\"farm\": 1, \"subnet\": 3}"));
	assert_true(conflict("{\"farm\": 1, \"subnet\": 2, \"prefix\": \"10.9.0.0/24\"}",
			     "{\"farm\": 1, \"subnet\": 2}"));
	assert_true(conflict("{\"farm\": 1, \"subnet\": 2, \"prefix\": \"10.0.0.0/8\"}",
			     "{\"farm\": 1, \"subnet\": 3}"));
	assert_false(conflict("{\"farm\": 1, \"subnet\": 2, \"prefix\": \"10.0.0.0/8\"}",
			      "{\"farm\": 1, \"subnet\": 3, \"uplink\": \"other\"}"));
}

/* ---- the kernel's filter ---- */

static uint32_t run_filter(const struct sock_filter *code, unsigned count, const uint8_t *bytes,
			   size_t len, bool tagged, uint32_t kind)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];
		unsigned size = i->code == (BPF_LD | BPF_W | BPF_ABS)	? 4
				: i->code == (BPF_LD | BPF_H | BPF_ABS) ? 2
									: 1;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
		case BPF_LD | BPF_H | BPF_ABS:
		case BPF_LD | BPF_B | BPF_ABS:
			if (i->k == (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)) {
				a = tagged;
				break;
			}
			if (i->k == (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)) {
				a = kind;
				break;
			}
			if (i->k + size > len)
				return 0;
			a = 0;
			for (unsigned n = 0; n < size; n++)
				a = a << 8 | bytes[i->k + n];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("the filter has no end");
	return 0;
}

static struct craft c;

static void begin(const char *dst, unsigned type)
{
	struct mac mac;

	assert_int_equal(mac_parse(dst, &mac), 0);
	c.len = 0;
	craft_bytes(&c, &mac, sizeof(mac));
	craft_bytes(&c, "\x02\xbb\0\0\0\x09", 6);
	craft_u16(&c, type);
}

static void ip4(const char *src, const char *dst, unsigned ttl)
{
	struct ipaddr a = addr(src), b = addr(dst);

	craft_u32(&c, 0x45000028);
	craft_u32(&c, 0);
	craft_u32(&c, ttl << 24 | 253u << 16);
	craft_bytes(&c, a.bytes, 4);
	craft_bytes(&c, b.bytes, 4);
	craft_fill(&c, 0, 20);
}

static void ip6(const char *src, const char *dst, unsigned next)
{
	struct ipaddr a = addr(src), b = addr(dst);

	craft_u32(&c, 6u << 28);
	craft_u16(&c, 24);
	craft_u8(&c, next);
	craft_u8(&c, 255);
	craft_bytes(&c, a.bytes, 16);
	craft_bytes(&c, b.bytes, 16);
}

static void test_filter(void **state)
{
	static struct sock_filter own[MACREWRITE_PROGRAM], all[MACREWRITE_PROGRAM];
	struct ipaddr target = addr("fd02::7");
	unsigned owns, alls;

	(void)state;
	fm_begin();
	owns = macrewrite_build_filter(&fm.host[0].link.table, false, own, MACREWRITE_PROGRAM);
	alls = macrewrite_build_filter(&fm.host[0].link.table, true, all, MACREWRITE_PROGRAM);
	assert_true(owns > 0 && alls > 0);
	assert_int_equal(macrewrite_build_filter(&fm.host[0].link.table, true, all, 20), 0);
	alls = macrewrite_build_filter(&fm.host[0].link.table, true, all, MACREWRITE_PROGRAM);
#define TAKES(code, count) (run_filter(code, count, c.b, c.len, false, PACKET_HOST) != 0)
#define BOTH(expected)                                                                             \
	do {                                                                                       \
		assert_int_equal(TAKES(own, owns), expected);                                      \
		assert_int_equal(TAKES(all, alls), expected);                                      \
	} while (0)
	begin("02:aa:00:00:00:01", ETHERTYPE_IPV4);
	ip4("192.0.2.1", "10.1.2.255", 64);
	BOTH(true);
	assert_int_equal(run_filter(own, owns, c.b, c.len, true, PACKET_HOST), 0);
	assert_int_equal(run_filter(own, owns, c.b, c.len, false, PACKET_OTHERHOST), 0);
	begin("02:aa:00:00:00:01", ETHERTYPE_IPV4);
	ip4("10.1.3.0", "192.0.2.1", 64);
	BOTH(true);
	begin("02:aa:00:00:00:01", ETHERTYPE_IPV4);
	ip4("10.1.4.0", "10.1.1.255", 64);
	BOTH(false);
	begin("02:aa:00:00:00:01", ETHERTYPE_IPV6);
	ip6("2001:db8::1", "fd02::1", 58);
	craft_fill(&c, 0, 24);
	BOTH(true);
	begin("02:aa:00:00:00:01", ETHERTYPE_IPV6);
	ip6("2001:db8::1", "fd02:0:0:1::1", 58);
	craft_fill(&c, 0, 24);
	BOTH(false);
	begin("02:aa:00:00:00:01", ETHERTYPE_IPV6);
	ip6("fe80::1", "fe80::2", 58);
	craft_u32(&c, 136u << 24);
	craft_u32(&c, 0);
	craft_bytes(&c, target.bytes, 16);
	BOTH(true);
	begin("ff:ff:ff:ff:ff:ff", ETHERTYPE_ARP);
	craft_fill(&c, 0, 28);
	memcpy(c.b + 28, "\x0a\x01\x02\x09", 4);
	BOTH(true);
	memcpy(c.b + 28, "\xc0\x00\x02\x09", 4);
	BOTH(false);
	begin("03:54:00:01:00:02", 0x88b5);
	craft_fill(&c, 0, 50);
	BOTH(true);
	begin("03:54:00:01:00:00", 0x88b5);
	craft_fill(&c, 0, 50);
	BOTH(true);
	begin("03:54:00:02:00:02", 0x88b5);
	craft_fill(&c, 0, 50);
	assert_false(TAKES(own, owns));
	assert_true(TAKES(all, alls));
	fm_end();
}

/* ---- one frame ---- */

/* Where what a guest of host 0 sends in subnet 2 goes; or why not. */
static const char *goes(enum reason *reason)
{
	static char text[MAC_STRLEN];
	struct frame *frame = frame_alloc(fm.pool, c.len);
	struct mac to;

	assert_non_null(frame);
	memcpy(frame->data, c.b, c.len);
	frame->len = (uint32_t)c.len;
	*reason = macrewrite_push(&fm.host[0].encap[0], frame);
	text[0] = '\0';
	if (*reason == REASON_NONE) {
		assert_true(ipaddr_to_mac(&frame->peer, &to));
		(void)mac_format(&to, text);
		assert_memory_equal(frame->data, c.b, 14);
	}
	frame_free(frame);
	return text;
}

static void test_push(void **state)
{
	static const struct {
		const char *eth, *src, *dst;
		unsigned ttl;
		const char *to;
		enum reason reason;
	} cases[] = {
	    {"52:54:00:00:00:02", "10.1.2.1", "10.1.2.2", 64, "02:aa:00:00:00:02", REASON_NONE},
	    {"52:54:00:00:00:09", "10.1.2.1", "10.1.2.9", 64, "03:54:00:01:00:02", REASON_NONE},
	    {"52:54:00:00:00:09", "10.1.2.1", "169.254.1.1", 64, "03:54:00:01:00:02", REASON_NONE},
	    {"52:54:00:00:00:09", "10.1.2.1", "192.0.2.1", 64, "", REASON_NO_BINDING},
	    {"52:54:00:00:00:09", "10.1.2.1", "10.1.3.1", 64, "", REASON_NO_BINDING},
	    {"52:54:00:00:00:02", "0.0.0.0", "10.1.2.2", 64, "03:54:00:01:00:02", REASON_NONE},
	    {"ff:ff:ff:ff:ff:ff", "10.1.2.1", "255.255.255.255", 64, "03:54:00:01:00:02",
	     REASON_NONE},
	    {"ff:ff:ff:ff:ff:ff", "10.1.2.1", "10.1.2.255", 64, "03:54:00:01:00:02", REASON_NONE},
	    {"01:00:5e:00:00:05", "10.1.2.1", "224.0.0.5", 64, "03:54:00:01:00:02", REASON_NONE},
	    {"01:00:5e:01:02:03", "10.1.2.1", "239.1.2.3", 1, "03:54:00:01:00:02", REASON_NONE},
	    {"01:00:5e:01:02:03", "10.1.2.1", "239.1.2.3", 2, "03:54:00:01:00:00", REASON_NONE},
	    {"33:33:00:00:00:05", "fd02::1", "ff02::5", 0, "03:54:00:01:00:02", REASON_NONE},
	    {"33:33:00:00:00:05", "fd02::1", "ff01::5", 0, "03:54:00:01:00:02", REASON_NONE},
	    {"33:33:00:00:00:05", "fd02::1", "ff05::5", 0, "03:54:00:01:00:00", REASON_NONE},
	    {"33:33:00:00:00:05", "fd02::1", "ff0e::5", 0, "03:54:00:01:00:00", REASON_NONE},
	};

	(void)state;
	fm_begin();
	fm_talk(1, 0, false); /* host 0 hears of guest 1 */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool v6 = strchr(cases[i].src, ':');
		enum reason reason;
		const char *to;

		begin(cases[i].eth, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
		if (v6) {
			ip6(cases[i].src, cases[i].dst, 253);
			craft_fill(&c, 0, 24);
		} else {
			ip4(cases[i].src, cases[i].dst, cases[i].ttl);
		}
		to = goes(&reason);
		if (strcmp(to, cases[i].to) != 0 || reason != cases[i].reason)
			fail_msg("%s to %s: %s %s", cases[i].src, cases[i].dst, to,
				 reason_name(reason));
	}
	fm_end();
}

/* What is sent to a group says it in a way that others drop, and it comes back as it was. */
static void test_veil(void **state)
{
	struct ipaddr asked = fm_addr(1, true), from = fm_addr(0, true);
	struct mac mac = {{0x52, 0x54, 0, 0, 0, 1}};

	(void)state;
	fm_begin();
	for (int v6 = 0; v6 < 2; v6++) {
		struct arp_nd msg;
		struct frame *frame, *copy;

		asked = fm_addr(1, v6);
		from = fm_addr(0, v6);
		arp_nd_ask(&msg, &mac, &from, &asked, NULL);
		frame = arp_nd_build(fm.pool, &msg);
		copy = frame_copy(frame);
		assert_int_equal(macrewrite_veil(frame), REASON_NONE);
		assert_memory_not_equal(frame->data, copy->data, frame->len);
		assert_int_equal(macrewrite_unveil(frame), REASON_NONE);
		assert_memory_equal(frame->data, copy->data, frame->len);
		frame_free(frame);
		frame_free(copy);
	}
	fm_end();
}

/* ---- the engine ---- */

/* Of what is forged on the wire, 8 packets wait, three questions are asked, and all are
 * dropped as no_binding. */
static void test_backwards(void **state)
{
	struct stats *stats = &fm.host[0].encap[0].stats;
	unsigned asked = 0;

	(void)state;
	fm_begin();
	fm_talk(0, 1, false);
	for (int i = 0; i < 12; i++) {
		struct frame *frame =
		    fm_packet(&fm.host[0].mac, &fm.host[FM_PLAIN].mac, 2, 0, false);

		frame->data[14 + 15] = 200; /* nobody's address */
		macrewrite_take(&fm.host[0].link, frame);
	}
	assert_int_equal(stats->rx_drops[REASON_NO_BINDING], 4);
	for (int i = 0; i < 20; i++) {
		for (; fm.head != fm.tail; fm.head++) {
			struct frame *frame = fm.wire[fm.head % FM_WIRE];

			asked += frame->data[13] == 6 &&
				 memcmp(frame->data, &fm.host[FM_PLAIN].mac, MAC_LEN) == 0;
			frame_free(frame);
		}
		fm.now += 250;
		macrewrite_tick(&fm.host[0].link);
	}
	assert_int_equal(asked, 3);
	assert_int_equal(stats->rx_drops[REASON_NO_BINDING], 12);
	assert_int_equal(fm.guest[0].got[2], 0);
	fm_end();
}

/* How many frames guest 0 causes on the wire by what was crafted, and how many of them are for
 * the plain host alone. */
static unsigned sends(unsigned *plain)
{
	static const struct ipaddr everybody;
	struct frame *frame = frame_alloc(fm.pool, c.len);
	unsigned count = 0;

	assert_non_null(frame);
	memcpy(frame->data, c.b, c.len);
	frame->len = (uint32_t)c.len;
	fm_push(0, 0, frame, &everybody);
	for (*plain = 0; fm.head != fm.tail; fm.head++, count++) {
		frame = fm.wire[fm.head % FM_WIRE];
		*plain += memcmp(frame->data, &fm.host[FM_PLAIN].mac, MAC_LEN) == 0;
		assert_memory_equal(frame->data + MAC_LEN, &fm.host[0].mac, MAC_LEN);
		frame_free(frame);
	}
	return count;
}

/* Who does not run this software gets what is for all or a group by himself, if he was heard,
 * and nothing that tells of guests' MACs. */
static void test_plain_groups(void **state)
{
	static const struct {
		const char *src, *dst;
		unsigned ttl, plain;
	} cases[] = {
	    {"10.1.2.1", "239.1.2.3", 1, 1},  {"10.1.2.1", "239.1.2.3", 9, 1},
	    {"10.1.2.1", "224.0.0.5", 1, 1},  {"10.1.2.1", "255.255.255.255", 9, 1},
	    {"10.1.2.1", "10.1.2.255", 9, 1}, {"0.0.0.0", "255.255.255.255", 9, 0},
	    {"fd02::1", "ff02::5", 0, 1},     {"fd02::1", "ff05::5", 0, 1},
	    {"fe80::1", "ff02::5", 0, 0},     {"10.1.2.1", "10.1.2.9", 9, 0},
	};
	struct ipaddr from, asked;
	struct frame *frame;
	unsigned plain;

	(void)state;
	fm_begin();
	for (unsigned heard = 0; heard < 2; heard++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			bool v6 = strchr(cases[i].src, ':');

			begin("01:00:5e:00:00:05", v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
			if (v6) {
				ip6(cases[i].src, cases[i].dst, 253);
				craft_fill(&c, 0, 24);
			} else {
				ip4(cases[i].src, cases[i].dst, cases[i].ttl);
			}
			if (sends(&plain) != 1 + heard * cases[i].plain ||
			    plain != heard * cases[i].plain)
				fail_msg("%s to %s", cases[i].src, cases[i].dst);
		}
		fm_talk(FM_GUESTS, 0, false);
	}
	for (int v6 = 0; v6 < 2; v6++) {
		struct arp_nd msg;

		from = fm_addr(0, v6);
		asked = fm_addr(3, v6);
		arp_nd_ask(&msg, &fm.guest[0].mac, &from, &asked, NULL);
		frame = arp_nd_build(fm.pool, &msg);
		c.len = frame->len;
		memcpy(c.b, frame->data, frame->len);
		frame_free(frame);
		assert_int_equal(sends(&plain), 1);
		assert_int_equal(plain, 0);
	}
	/* One that is silent for long is none any more. */
	fm.now += NEIGHBOUR_UNUSED_MS;
	begin("01:00:5e:00:00:05", ETHERTYPE_IPV4);
	ip4("10.1.2.1", "239.1.2.3", 1);
	assert_int_equal(sends(&plain), 1);
	/* Of many those stay that were heard last. */
	for (unsigned i = 0; i < 3 * MACREWRITE_PLAIN; i++) {
		fm.now++;
		macrewrite_note_plain(&fm.host[0].m[0], &(struct mac){{2, 7, 0, 0, 0, (uint8_t)i}});
	}
	assert_int_equal(sends(&plain), 1 + MACREWRITE_PLAIN);
	fm_end();
}

static enum reason hears(unsigned who, const char *src, const char *dst)
{
	struct frame *frame;
	enum reason reason;
	bool v6 = strchr(src, ':');

	begin("ff:ff:ff:ff:ff:ff", v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	memcpy(c.b + 6, &fm.guest[who].mac, 6);
	if (v6) {
		ip6(src, dst, 253);
		craft_fill(&c, 0, 24);
	} else {
		ip4(src, dst, 64);
	}
	frame = frame_alloc(fm.pool, c.len);
	memcpy(frame->data, c.b, c.len);
	frame->len = (uint32_t)c.len;
	reason = macrewrite_hear(&fm.host[0].encap[0], frame, who, true);
	frame_free(frame);
	return reason;
}

static void test_guard(void **state)
{
	struct ipaddr gateway = addr("10.1.2.254");

	(void)state;
	fm_begin();
	fm.host[0].conf[0].gateways.items = &gateway;
	fm.host[0].conf[0].gateways.count = 1;
	assert_int_equal(hears(0, "10.1.2.1", "10.1.2.2"), REASON_NONE);
	assert_int_equal(hears(0, "10.1.3.1", "10.1.2.2"), REASON_GUARD_IP);
	assert_int_equal(hears(0, "10.1.2.254", "10.1.2.2"), REASON_GUARD_IP);
	assert_int_equal(hears(0, "0.0.0.0", "255.255.255.255"), REASON_GUARD_IP);
	assert_int_equal(hears(0, "fe80::1", "ff02::1"), REASON_NONE);
	assert_int_equal(hears(0, "fd03::1", "ff02::1"), REASON_GUARD_IP);
	assert_int_equal(hears(0, "::", "ff02::1"), REASON_NONE);
	assert_int_equal(hears(0, "::", "fd02::1"), REASON_GUARD_IP);
	assert_int_equal(neighbours_segment_count(fm.host[0].link.bindings, 1), 0);
	fm_end();
}

/* A guest that has come without a word is found by the first packet for it. */
static void test_silent_move(void **state)
{
	struct frame *frame;

	(void)state;
	fm_begin();
	fm_talk(1, 0, false); /* host 0 knows guest 1 at host 1, */
	fm_talk(FM_GUESTS, 0, false);
	fm.guest[1].host = 0;
	for (unsigned i = 0; i < 2; i++) {
		frame = fm_packet(&fm.host[0].mac, &fm.host[FM_PLAIN].mac, FM_GUESTS, 1, false);
		macrewrite_take(&fm.host[0].link, frame); /* but a third one knows better */
		fm_run_wire();
	}
	assert_int_equal(fm.host[0].encap[0].stats.rx_drops[REASON_NOT_HERE], 1);
	assert_int_equal(fm.guest[1].got[FM_GUESTS], 1);
	fm_end();
}

static void test_everybody_reaches_everybody(void **state)
{
	(void)state;
	fm_begin();
	fm_check_all_reach();
	fm_end();
}

static void test_random(void **state)
{
	static uint8_t input[900];
	unsigned seed = 12345;

	(void)state;
	for (int round = 0; round < 60; round++) {
		for (size_t i = 0; i < sizeof(input); i++) {
			seed = seed * 1103515245u + 12345u;
			input[i] = (uint8_t)(seed >> 16);
			/* Every other round nobody lies, so that the end can be checked. */
			if (round % 2 == 0 && i % 3 == 0)
				input[i] %= 14;
		}
		fm_run(input, sizeof(input));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_conf),	 cmocka_unit_test(test_conflict),
	    cmocka_unit_test(test_filter),	 cmocka_unit_test(test_push),
	    cmocka_unit_test(test_veil),	 cmocka_unit_test(test_backwards),
	    cmocka_unit_test(test_guard),	 cmocka_unit_test(test_everybody_reaches_everybody),
	    cmocka_unit_test(test_silent_move),	 cmocka_unit_test(test_random),
	    cmocka_unit_test(test_plain_groups),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
