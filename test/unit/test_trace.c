/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random traffic over several segments that share addresses: against a naive
 * model of where stations are, and against what a trace said beforehand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "lib/packet.h"
#include "test/unit/craft.h"
#include "test/unit/switch_fixture.h"

#define SEGMENTS 3u
#define PORTS	 4u /* of a segment */
#define WIRES	 2u
#define HOSTS	 3u /* behind a wire */
#define STATIONS 8u
#define FRAMES	 200000u

static struct fx fx;
static struct segment *segs[SEGMENTS];
static uint64_t rnd;

static int setup(void **state)
{
	(void)state;
	rnd = 20260101;
	fx_open(&fx);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(fx_pool_empty(&fx));
	fx_close(&fx);
	return 0;
}

/* Segment by segment: port or wire `n` of segment `s` is number s * PORTS + n. */
static void make_segments(const char *const text[SEGMENTS])
{
	for (unsigned s = 0; s < SEGMENTS; s++) {
		char name[] = {'s', (char)('0' + s), '\0'};

		segs[s] = fx_segment(&fx, name, text ? text[s] : "");
	}
	for (unsigned i = 0; i < SEGMENTS * PORTS; i++) {
		char name[] = {'p', (char)('a' + i), '\0'};

		(void)fx_port(&fx, segs[i / PORTS], name, "");
	}
	for (unsigned i = 0; i < SEGMENTS * WIRES; i++)
		(void)fx_encap(&fx, segs[i / WIRES]);
}

/* ---- the model ---- */

/* Where a frame comes from, or a station is. */
struct place {
	bool known, remote;
	unsigned n; /* port or wire within its segment */
	unsigned host;
	uint64_t heard;
};

static struct place model[SEGMENTS][STATIONS];

/* To whom it must go: what each has got afterwards. */
struct outcome {
	unsigned ports[SEGMENTS * PORTS], wires[SEGMENTS * WIRES];
	struct ipaddr peer;
	enum reason reason;
};

static void model_flood(struct outcome *o, unsigned s, const struct place *from)
{
	for (unsigned n = 0; n < PORTS; n++)
		o->ports[s * PORTS + n] = from->remote || n != from->n;
	for (unsigned n = 0; n < WIRES; n++)
		o->wires[s * WIRES + n] = !from->remote;
}

/* `dst` STATIONS or more: nobody's, or everybody's address. */
static void model_frame(struct outcome *o, unsigned s, const struct place *from, unsigned src,
			unsigned dst)
{
	const struct place *at = dst < STATIONS ? &model[s][dst] : NULL;

	memset(o, 0, sizeof(*o));
	model[s][src] = *from;
	model[s][src].known = true;
	model[s][src].heard = fx.sw.now;
	if (!at || !at->known || fx.sw.now - at->heard >= 300000)
		model_flood(o, s, from);
	else if (at->remote && from->remote)
		o->reason = REASON_SPLIT_HORIZON;
	else if (at->remote) {
		o->wires[s * WIRES + at->n] = 1;
		o->peer = fx_host(at->host);
	} else if (!from->remote && at->n == from->n)
		o->reason = REASON_SAME_PORT;
	else
		o->ports[s * PORTS + at->n] = 1;
}

static void check_outcome(const struct outcome *o, const uint8_t *bytes, size_t len)
{
	for (unsigned i = 0; i < SEGMENTS * PORTS; i++) {
		const struct fx_log *log = &fx.ports[i].log;

		assert_int_equal(log->count, o->ports[i]);
		if (log->count)
			assert_true(log->sent[0].len == len &&
				    memcmp(log->sent[0].bytes, bytes, len) == 0);
	}
	for (unsigned i = 0; i < SEGMENTS * WIRES; i++) {
		const struct fx_log *log = &fx.encaps[i].log;

		assert_int_equal(log->count, o->wires[i]);
		if (log->count)
			assert_true(log->sent[0].len == len &&
				    memcmp(log->sent[0].bytes, bytes, len) == 0 &&
				    ipaddr_equal(&log->sent[0].peer, &o->peer));
	}
}

static struct mac destination(unsigned dst)
{
	static const struct mac others[] = {
	    {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	    {{0x33, 0x33, 0x00, 0x00, 0x00, 0x01}},
	    {{0x02, 0xff, 0x00, 0x00, 0x00, 0x01}},
	};

	return dst < STATIONS ? fx_mac(1 + dst) : others[dst - STATIONS];
}

static void same_stations_in_every_segment_never_leak(void **state)
{
	uint64_t drops[REASON_COUNT] = {0}, counted[REASON_COUNT] = {0};

	(void)state;
	make_segments(NULL);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < FRAMES; i++) {
		unsigned s = craft_below(&rnd, SEGMENTS), src = craft_below(&rnd, STATIONS);
		unsigned dst = craft_below(&rnd, STATIONS + 3);
		size_t len = 14 + craft_below(&rnd, 100);
		struct place from = {.remote = craft_below(&rnd, 3) == 0};
		struct frame *frame = fx_ether(&fx, destination(dst), fx_mac(1 + src), len);
		uint8_t bytes[128];
		struct outcome o;

		/* Never so fast that it looks like a loop; at times a long silence. */
		fx.sw.now += craft_below(&rnd, 1000) ? 200 : 290000 + craft_below(&rnd, 20000);
		memcpy(bytes, frame->data, len);
		from.n = craft_below(&rnd, from.remote ? WIRES : PORTS);
		from.host = from.remote ? craft_below(&rnd, HOSTS) : 0;
		model_frame(&o, s, &from, src, dst);
		if (from.remote)
			fx_receive(&fx.encaps[s * WIRES + from.n], from.host, frame);
		else
			fx_send(&fx.ports[s * PORTS + from.n], frame);
		check_outcome(&o, bytes, len);
		if (o.reason != REASON_NONE)
			drops[o.reason]++;
		fx_forget(&fx);
	}
	for (int r = 0; r < REASON_COUNT; r++) {
		for (unsigned i = 0; i < fx.port_count; i++)
			counted[r] += fx.ports[i].port->stats.rx_drops[r];
		for (unsigned i = 0; i < fx.encap_count; i++)
			counted[r] += fx.encaps[i].encap->stats.rx_drops[r];
		assert_int_equal(counted[r], drops[r]);
	}
	assert_true(drops[REASON_SAME_PORT] > 1000 && drops[REASON_SPLIT_HORIZON] > 1000);
}

/* ---- trace ---- */

/* All that a frame may change, as bytes. */
struct snapshot {
	struct stats stats[FX_PORTS + FX_ENCAPS];
	uint64_t tokens[FX_PORTS], stamps[FX_PORTS];
	struct frame_pool_usage pool;
	struct fdb_counters counters[SEGMENTS];
	struct fdb_entry_info entries[256];
	size_t entry_count;
	unsigned received, queued;
};

static void take_snapshot(struct snapshot *snapshot)
{
	uint32_t cursor = 0;

	memset(snapshot, 0, sizeof(*snapshot));
	for (unsigned i = 0; i < fx.port_count; i++) {
		snapshot->stats[i] = fx.ports[i].port->stats;
		snapshot->tokens[i] = fx.ports[i].port->untagged.storm.tokens;
		snapshot->stamps[i] = fx.ports[i].port->untagged.storm.stamp;
		snapshot->queued += fx.ports[i].port->out.count;
	}
	for (unsigned i = 0; i < fx.encap_count; i++) {
		snapshot->stats[FX_PORTS + i] = fx.encaps[i].encap->stats;
		snapshot->queued += fx.encaps[i].encap->out.count;
	}
	for (unsigned s = 0; s < SEGMENTS; s++)
		snapshot->counters[s] = fdb_segment_counters(fx.sw.fdb, segs[s]->number);
	snapshot->entry_count = fdb_list(fx.sw.fdb, -1, fx.sw.now, &cursor, snapshot->entries, 256);
	snapshot->pool = frame_pool_usage(fx.sw.pool);
	snapshot->pool.copied = 0; /* what a trace looks into, it may have to copy */
	snapshot->received = fx_total(&fx);
}

static bool lists_port(const json_t *to, const char *name)
{
	size_t i;
	json_t *one;

	json_array_foreach(to, i, one)
	{
		if (json_is_string(json_object_get(one, "port")) &&
		    strcmp(json_string_value(json_object_get(one, "port")), name) == 0)
			return true;
	}
	return false;
}

/* The wires of one segment have one type and uplink: they are told apart by number. */
static unsigned count_wires(const json_t *to, const char *dst)
{
	unsigned count = 0;
	size_t i;
	json_t *one;

	json_array_foreach(to, i, one)
	{
		const json_t *got = json_object_get(one, "dst");

		if (!json_object_get(one, "encap"))
			continue;
		if (dst ? json_is_string(got) && strcmp(json_string_value(got), dst) == 0
			: json_is_null(got))
			count++;
	}
	return count;
}

/* Whether all that happened is what the trace said. */
static void compare_trace(const json_t *trace, const struct fx_port *from, enum reason reason)
{
	const json_t *to = json_object_get(trace, "to");
	const char *verdict = json_string_value(json_object_get(trace, "verdict"));
	const json_t *why = json_object_get(trace, "reason");
	unsigned wires = 0, all = fx_total(&fx);

	assert_true(json_array_size(json_object_get(trace, "steps")) > 0 || reason);
	assert_int_equal(json_array_size(to), all);
	if (reason != REASON_NONE) {
		assert_string_equal(verdict, "drop");
		assert_string_equal(json_string_value(why), reason_name(reason));
		assert_int_equal(all, 0);
		return;
	}
	assert_true(json_is_null(why));
	assert_true(all > 0);
	assert_true(strcmp(verdict, "flood") == 0 || (strcmp(verdict, "forward") == 0 && all == 1));
	for (unsigned i = 0; i < fx.port_count; i++) {
		const struct fx_port *at = &fx.ports[i];

		assert_int_equal(at->log.count > 0, lists_port(to, at->port->conf->name));
		assert_true(at->log.count == 0 ||
			    at->port->untagged.segment == from->port->untagged.segment);
	}
	for (unsigned i = 0; i < fx.encap_count; i++) {
		const struct fx_log *log = &fx.encaps[i].log;
		char text[ADDR_STRLEN];

		wires += log->count;
		if (log->count == 0)
			continue;
		assert_int_not_equal(count_wires(to, ipaddr_is_set(&log->sent[0].peer)
							 ? ipaddr_format(&log->sent[0].peer, text)
							 : NULL),
				     0);
	}
	assert_int_equal(count_wires(to, NULL) + count_wires(to, "192.0.2.0") +
			     count_wires(to, "192.0.2.1") + count_wires(to, "192.0.2.2"),
			 wires);
}

/* A frame of any kind: tags, reserved groups, bad sources, claims, fragments of frames. */
static struct frame *any_frame(void)
{
	struct mac dst =
	    destination(craft_below(&rnd, 3) ? craft_below(&rnd, STATIONS + 3) : STATIONS);
	struct mac src = fx_mac(1 + craft_below(&rnd, STATIONS));
	struct frame *frame = fx_ether(&fx, dst, src, 14 + craft_below(&rnd, 80));

	switch (craft_below(&rnd, 16)) {
	case 0:
		frame->len = craft_below(&rnd, 20);
		break;
	case 1:
		frame->data[6] |= 1;
		break;
	case 2:
		memcpy(frame->data, (uint8_t[]){1, 0x80, 0xc2, 0, 0, 0}, 6);
		frame->data[5] = (uint8_t)craft_below(&rnd, 0x24);
		break;
	case 3:
		memcpy(frame->data + 12, (uint8_t[]){0x81, 0}, 2);
		break;
	case 4:
		frame->tag.tpid = craft_below(&rnd, 2) ? ETHERTYPE_CTAG : ETHERTYPE_STAG;
		frame->tag.tci = (uint16_t)craft_below(&rnd, 2);
		break;
	case 5:
		frame->offload.csum_partial = true;
		frame->offload.csum_start = (uint16_t)craft_below(&rnd, 100);
		frame->offload.csum_offset = (uint16_t)craft_below(&rnd, 20);
		break;
	case 6:
		memcpy(frame->data, src.octet, sizeof(src));
		break;
	default:
		break;
	}
	return frame;
}

/* Changes something, and lets time pass: in a rush frames come as in a loop. */
static void shake(bool rush)
{
	struct fx_port *port = &fx.ports[craft_below(&rnd, fx.port_count)];
	struct fx_encap *encap = &fx.encaps[craft_below(&rnd, fx.encap_count)];
	struct port_conf *conf = port->port->runtime->conf;

	fx.sw.now += rush ? craft_below(&rnd, 3) : 100 + craft_below(&rnd, 200);
	switch (craft_below(&rnd, 16)) {
	case 0:
		port->port->state = port->port->state ? NULL : port;
		break;
	case 1:
		encap->ready = !encap->ready;
		break;
	case 2:
		conf->state = craft_below(&rnd, 4) == 0 ? PORT_LOCKED : PORT_OPEN;
		break;
	case 3:
		conf->isolated = !conf->isolated;
		break;
	case 4:
		conf->guard.arp = !conf->guard.arp;
		break;
	case 5:
		fx.sw.now += rush ? 0 : craft_below(&rnd, 20000);
		break;
	case 6:
		fx_receive(encap, craft_below(&rnd, HOSTS), any_frame());
		fx_forget(&fx);
		break;
	default:
		break;
	}
}

static enum reason why_dropped(const struct stats *before, const struct stats *after)
{
	for (int r = 0; r < REASON_COUNT; r++) {
		if (after->rx_drops[r] != before->rx_drops[r])
			return (enum reason)r;
	}
	return REASON_NONE;
}

static void a_trace_changes_nothing_and_tells_what_will_happen(void **state)
{
	static const char *const text[SEGMENTS] = {
	    "{\"storm\": 200, \"reserved\": [2, 14]}",
	    "{\"tags\": \"pass\", \"storm\": 1}",
	    "{\"isolated\": true, \"ageing\": 5}",
	};
	static struct snapshot before, after;
	unsigned reasons[REASON_COUNT] = {0};

	(void)state;
	make_segments(text);
	for (unsigned i = 0; i < 30000; i++) {
		struct fx_port *from = &fx.ports[craft_below(&rnd, fx.port_count)];
		struct frame *frame;
		json_t *trace;
		enum reason reason;

		shake(i / 5000 % 2);
		frame = any_frame();
		take_snapshot(&before);
		trace = forward_trace(from->port, frame_copy(frame));
		take_snapshot(&after);
		assert_non_null(trace);
		assert_memory_equal(&before, &after, sizeof(before));
		fx_send(from, frame);
		reason = why_dropped(&before.stats[from->port->number], &from->port->stats);
		compare_trace(trace, from, reason);
		reasons[reason]++;
		json_decref(trace);
		fx_forget(&fx);
	}
	/* That all of these came up. */
	assert_true(reasons[REASON_NONE] > 1000 && reasons[REASON_STORM] > 100);
	assert_true(reasons[REASON_LOOP] > 100 && reasons[REASON_SAME_PORT] > 100);
	assert_true(reasons[REASON_LOCKED] > 100 && reasons[REASON_ISOLATED] > 100);
	assert_true(reasons[REASON_TAGGED] > 100 && reasons[REASON_RESERVED] > 100);
	assert_true(reasons[REASON_BAD_SOURCE] > 100 && reasons[REASON_TOO_SHORT] > 100);
	assert_true(reasons[REASON_LINK_DOWN] > 100 && reasons[REASON_BAD_OFFLOAD] > 100);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(same_stations_in_every_segment_never_leak),
	    CASE(a_trace_changes_nothing_and_tells_what_will_happen),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
