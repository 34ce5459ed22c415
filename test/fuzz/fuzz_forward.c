/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames and changes in any order through a switch of two segments, with access ports
 * in each and trunk ports in both. The input is
 * a sequence of records: where (a port, a wire, or a change), how (claims beside
 * the bytes), a length, the bytes. Whatever it is: no frame comes back to where it
 * came from, leaves its segment, or goes from wire to wire; none is lost in the
 * pool; and since each input runs twice over buffers full of different garbage,
 * nothing that is sent may differ.
 */
#include "test/unit/switch_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACCESS 6u
#define PORTS  8u /* the last two are trunk ports */
#define WIRES  3u
#define NATIVE (PORTS - 2) /* the trunk port that has a native segment */
#define SMALL  80u
#define LARGE  6u
#define CHANGE 0xe0u /* from here on, records are changes */

/* How a frame comes. */
#define HAS_TAG	    0x01u
#define HAS_OFFLOAD 0x02u
#define STRETCHED   0x04u /* by 4 KiB: superframes from small inputs */
#define KEPT	    0x08u /* not flushed before the next */

struct cursor {
	const uint8_t *at;
	size_t left;
};

static struct fx fx;
static struct segment *segments[2];

static unsigned take(struct cursor *in, unsigned bytes)
{
	unsigned value = 0;

	while (bytes-- > 0) {
		value = value << 8 | (in->left ? *in->at : 0);
		if (in->left) {
			in->at++;
			in->left--;
		}
	}
	return value;
}

static void make_switch(void)
{
	static const unsigned offloads[PORTS] = {OFFLOAD_ALL,  OFFLOAD_NONE, OFFLOAD_CSUM,
						 OFFLOAD_NONE, OFFLOAD_ALL,  OFFLOAD_NONE,
						 OFFLOAD_ALL,  OFFLOAD_NONE};

	fx_open(&fx);
	frame_pool_destroy(fx.sw.pool);
	fx.sw.pool = frame_pool_create(SMALL, LARGE);
	FX_CHECK(fx.sw.pool);
	fx.sw.encap_host.pool = fx.sw.port_host.pool = fx.sw.pool;
	segments[0] = fx_segment(&fx, "s", "{\"storm\": 100}");
	segments[1] = fx_segment(&fx, "t", "{\"tags\": \"pass\", \"reserved\": [0, 14]}");
	for (unsigned i = 0; i < ACCESS; i++) {
		char name[] = {'p', (char)('a' + i), '\0'};

		fx_port(&fx, segments[i / 3], name, i == 2 ? "{\"guard\": \"arp,dhcp,ra\"}" : "");
	}
	fx_port(&fx, segments[0], "pg", "{\"trunk\": [{\"vid\": 5, \"segment\": \"t\"}]}");
	fx_port(
	    &fx, NULL, "ph",
	    "{\"trunk\": [{\"vid\": 6, \"segment\": \"t\"}, {\"vid\": 5, \"segment\": \"s\"}]}");
	for (unsigned i = 0; i < PORTS; i++)
		fx.ports[i].port->offloads = offloads[i];
	for (unsigned i = 0; i < WIRES; i++)
		(void)fx_encap(&fx, segments[i / 2]);
	fx.encaps[1].encap->clamp_mss = true;
	fx.encaps[1].room = 300;
	fx.encaps[2].ops.has_hosts = false;
	fx.encaps[2].encap->clamp_mss = true;
	fx.encaps[2].room = 1478;
}

/* As it was made, but for time, which goes on. */
static void reset_switch(void)
{
	fx.sw.now += 1000000;
	for (unsigned i = 0; i < 2; i++)
		(void)fdb_flush(fx.sw.fdb, segments[i]->number, NULL, true);
	for (unsigned i = 0; i < PORTS; i++) {
		struct port *port = fx.ports[i].port;
		struct port_conf *conf = port->runtime->conf;
		struct membership *m = NULL;

		port->state = &fx.ports[i];
		conf->state = PORT_OPEN;
		conf->isolated = false;
		while ((m = membership_next(port, m)))
			m->storm = (struct bucket){0};
		memset(&port->stats, 0, sizeof(port->stats));
	}
	for (unsigned i = 0; i < WIRES; i++) {
		fx.encaps[i].ready = true;
		fx.encaps[i].encap->oversize = OVERSIZE_CLIP;
		memset(&fx.encaps[i].encap->stats, 0, sizeof(fx.encaps[i].encap->stats));
	}
}

/* Fills every buffer of the pool. */
static void poison(uint8_t with)
{
	struct frame *all[SMALL + LARGE];

	for (unsigned i = 0; i < SMALL + LARGE; i++) {
		all[i] = frame_alloc(fx.sw.pool, i < SMALL ? 1 : FRAME_LARGE);
		FX_CHECK(all[i]);
		memset(all[i]->data - FRAME_HEADROOM, with, FRAME_HEADROOM + frame_room(all[i]));
	}
	for (unsigned i = 0; i < SMALL + LARGE; i++)
		frame_free(all[i]);
}

/* All that can be said of what has been sent, in one number. */
static uint64_t digest(uint64_t sum, const struct fx_log *log)
{
	for (unsigned i = 0; i < log->count; i++) {
		const struct fx_sent *sent = &log->sent[i];
		const uint32_t words[] = {
		    sent->len,
		    sent->offload.csum_partial,
		    sent->offload.gso,
		    sent->offload.gso_size,
		    sent->offload.csum_start,
		    sent->offload.csum_offset,
		    sent->offload.csum_valid,
		    sent->peer.v4.s_addr,
		};

		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			sum = (sum ^ words[k]) * 0x100000001b3u;
		for (uint32_t k = 0; k < sent->len; k++)
			sum = (sum ^ sent->bytes[k]) * 0x100000001b3u;
		FX_CHECK(sent->tag.tpid == 0);
	}
	return (sum ^ log->count) * 0x100000001b3u;
}

static uint64_t digest_all(uint64_t sum)
{
	for (unsigned i = 0; i < PORTS; i++) {
		sum = digest(sum, &fx.ports[i].log);
		sum = (sum ^ fx_drops(fx.ports[i].port->stats.rx_drops)) * 0x100000001b3u;
	}
	for (unsigned i = 0; i < WIRES; i++)
		sum = digest(sum, &fx.encaps[i].log);
	return sum;
}

/* A frame as it came, and what can be said of it without asking the switch. */
struct brought {
	uint8_t *bytes; /* as its segment has it: a trunk port's tag is off */
	size_t len;
	int segment; /* -1: of none */
	bool plain;  /* so that it can only pass unchanged */
};

static bool tag_at(const uint8_t *bytes, size_t len, uint16_t *tpid, uint16_t *tci)
{
	if (len < 16)
		return false;
	*tpid = (uint16_t)(bytes[12] << 8 | bytes[13]);
	*tci = (uint16_t)(bytes[14] << 8 | bytes[15]);
	return *tpid == 0x8100 || *tpid == 0x88a8;
}

/* The VID by which a port has a segment; 0: no tag. */
static unsigned vid_of(unsigned port, unsigned segment)
{
	if (port < ACCESS)
		return 0;
	if (port == NATIVE)
		return segment == 0 ? 0 : 5;
	return segment == 0 ? 5 : 6;
}

static void enter_trunk(struct brought *b, unsigned from, bool beside, uint16_t tpid, uint16_t tci)
{
	unsigned vid = tpid == 0x8100 ? tci & 0xfff : 0;

	b->segment = -1;
	for (int segment = 0; segment < 2; segment++) {
		if (vid_of(from, (unsigned)segment) == vid)
			b->segment = segment;
	}
	if (vid && !beside && b->len >= 18) {
		memmove(b->bytes + 12, b->bytes + 16, b->len - 16);
		b->len -= 4;
	}
}

static struct brought look_at(unsigned from, const struct frame *frame)
{
	struct brought b = {.len = frame->len};
	uint16_t tpid = frame->tag.tpid, tci = frame->tag.tci;
	bool beside = tpid != 0;

	b.bytes = malloc(b.len ? b.len : 1);
	FX_CHECK(b.bytes);
	memcpy(b.bytes, frame->data, b.len);
	b.segment = (int)(from < ACCESS ? from / 3 : (from - PORTS) / 2);
	if (from >= ACCESS && from < PORTS) {
		if (!beside && !tag_at(b.bytes, b.len, &tpid, &tci))
			tpid = tci = 0;
		enter_trunk(&b, from, beside, tpid, tci);
		beside = beside && (tpid != 0x8100 || (tci & 0xfff) == 0);
	}
	b.plain = !beside && !frame->offload.csum_partial && frame->offload.gso == 0 &&
		  !tag_at(b.bytes, b.len, &tpid, &tci);
	return b;
}

static void check_same(const struct fx_log *log, const struct brought *b, unsigned vid)
{
	const uint8_t tag[4] = {0x81, 0x00, 0, (uint8_t)vid};
	size_t add = vid ? sizeof(tag) : 0;
	const struct fx_sent *sent = log->sent;

	FX_CHECK(log->count <= 1);
	if (log->count == 0)
		return;
	FX_CHECK(sent->len == b->len + add && memcmp(sent->bytes, b->bytes, 12) == 0);
	FX_CHECK(memcmp(sent->bytes + 12, tag, add) == 0);
	FX_CHECK(memcmp(sent->bytes + 12 + add, b->bytes + 12, b->len - 12) == 0);
}

/* All that a trunk port gets has the tag of a segment of its own, or none if that is native. */
static void check_trunk(const struct fx_log *log, unsigned to, const struct brought *b)
{
	unsigned vid = vid_of(to, (unsigned)b->segment);

	for (unsigned i = 0; vid && i < log->count; i++) {
		const uint8_t *bytes = log->sent[i].bytes;

		FX_CHECK(log->sent[i].len >= 18 && bytes[12] == 0x81 && bytes[13] == 0x00 &&
			 bytes[14] == 0 && bytes[15] == vid);
	}
}

/* Nothing else was queued when this frame came. */
static void check_receivers(unsigned from, const struct brought *b)
{
	for (unsigned i = 0; i < PORTS; i++) {
		const struct fx_log *log = &fx.ports[i].log;

		FX_CHECK(log->count == 0 || (i != from && b->segment >= 0));
		FX_CHECK(log->count == 0 || i >= ACCESS || (int)(i / 3) == b->segment);
		if (log->count)
			check_trunk(log, i, b);
		if (log->count && b->plain && from < PORTS)
			check_same(log, b, vid_of(i, (unsigned)b->segment));
	}
	for (unsigned i = 0; i < WIRES; i++) {
		const struct fx_log *log = &fx.encaps[i].log;

		FX_CHECK(log->count == 0 || (from < PORTS && (int)(i / 2) == b->segment));
		if (b->plain && !fx.encaps[i].encap->clamp_mss)
			check_same(log, b, 0);
	}
}

static void change(unsigned where, struct cursor *in)
{
	unsigned which = take(in, 1), i = which % PORTS, w = which % WIRES;
	struct port_conf *conf = fx.ports[i].port->runtime->conf;

	switch (where & 7) {
	case 0:
		fx.sw.now += which * 1000;
		break;
	case 1:
		fx.ports[i].port->state = fx.ports[i].port->state ? NULL : &fx.ports[i];
		break;
	case 2:
		fx.encaps[w].ready = !fx.encaps[w].ready;
		break;
	case 3:
		conf->state = conf->state == PORT_OPEN ? PORT_LOCKED : PORT_OPEN;
		break;
	case 4:
		conf->isolated = !conf->isolated;
		break;
	case 5:
		fx.encaps[w].encap->oversize = (enum encap_oversize)(which / WIRES % 3);
		break;
	case 6:
		(void)fdb_age(fx.sw.fdb, fx.sw.now);
		break;
	default:
		egress_flush(&fx.sw);
	}
}

static struct frame *read_frame(struct cursor *in, unsigned how)
{
	size_t len, stretch = how & STRETCHED ? 4096 : 0;
	struct frame *frame;
	struct frame_tag tag = {0, 0};
	struct frame_offload offload = {.csum_partial = false};

	if (how & HAS_TAG) {
		tag.tpid = take(in, 1) & 1 ? 0x8100 : 0x88a8;
		tag.tci = (uint16_t)take(in, 2);
	}
	if (how & HAS_OFFLOAD) {
		unsigned bits = take(in, 1);

		offload.csum_partial = bits & 1;
		offload.csum_valid = bits & 2;
		offload.gso = (uint8_t)(bits >> 2 & 7);
		offload.gso_size = (uint16_t)take(in, 2);
		offload.csum_start = (uint16_t)take(in, 2);
		offload.csum_offset = (uint16_t)take(in, 1);
	}
	len = take(in, 2);
	len = len < in->left ? len : in->left;
	frame = frame_alloc(fx.sw.pool, len + stretch);
	if (frame) {
		memcpy(frame->data, in->at, len);
		memset(frame->data + len, 0x5a, stretch);
		frame->len = (uint32_t)(len + stretch);
		frame->tag = tag;
		frame->offload = offload;
	}
	in->at += len;
	in->left -= len;
	return frame;
}

/* A frame from port or wire `from`. */
static void bring(unsigned from, unsigned how, unsigned host, struct frame *frame, bool alone)
{
	struct frame_batch batch = {.count = 1, .frame = {frame}};
	struct brought b = look_at(from, frame);

	frame->peer = fx_host(host);
	if (from < PORTS)
		forward_from_port(fx.ports[from].port, &batch);
	else
		forward_from_encap(fx.encaps[from - PORTS].encap, &batch);
	FX_CHECK(batch.count == 0);
	if (!(how & KEPT) || frame_pool_usage(fx.sw.pool).large_used > 1)
		egress_flush(&fx.sw);
	if (alone)
		check_receivers(from, &b);
	free(b.bytes);
}

static uint64_t run(const uint8_t *data, size_t size)
{
	struct cursor in = {data, size};
	uint64_t sum = 0xcbf29ce484222325u;

	reset_switch();
	while (in.left > 0) {
		unsigned where = take(&in, 1), how;
		bool alone = fx_pool_empty(&fx);
		struct frame *frame;

		if (where >= CHANGE) {
			change(where, &in);
			sum = digest_all(sum);
			fx_forget(&fx);
			continue;
		}
		how = take(&in, 1);
		frame = read_frame(&in, how);
		if (frame)
			bring(where % (PORTS + WIRES), how, where / (PORTS + WIRES) % 4, frame,
			      alone);
		sum = digest_all(sum);
		fx_forget(&fx);
	}
	egress_flush(&fx.sw);
	sum = digest_all(sum);
	fx_forget(&fx);
	FX_CHECK(fx_pool_empty(&fx));
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t first;

	if (!fx.sw.pool)
		make_switch();
	if (size > 8192)
		return 0;
	poison(0x55);
	first = run(data, size);
	poison(0xaa);
	FX_CHECK(run(data, size) == first);
	return 0;
}
