/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way out: what each receiver gets of one frame that many share, superframes
 * and checksums finished for those who do not finish them, and what happens to
 * queued frames when something goes away.
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

static struct fx fx;
static struct segment *seg;
static struct fx_port *a, *b, *c; /* b takes superframes, c nothing */
static struct fx_encap *wire;
static struct craft super;

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	seg = fx_segment(&fx, "s", "");
	a = fx_port(&fx, seg, "a", "");
	b = fx_port(&fx, seg, "b", "");
	c = fx_port(&fx, seg, "c", "");
	b->port->offloads = OFFLOAD_ALL;
	wire = fx_encap(&fx, seg);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(fx_pool_empty(&fx));
	fx_close(&fx);
	return 0;
}

/* ---- sharing ---- */

static void a_flood_shares_one_buffer(void **state)
{
	struct fx_port *more[8];
	struct frame_pool_usage usage;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		char name[] = {'p', (char)('0' + i), '\0'};

		more[i] = fx_port(&fx, seg, name, "");
	}
	fx_queue(a, fx_ether(&fx, broadcast, fx_mac(1), 1000));
	usage = frame_pool_usage(fx.sw.pool);
	assert_int_equal(usage.small_used + usage.large_used, 1);
	assert_int_equal(usage.frames_used, 11);
	egress_flush(&fx.sw);
	for (unsigned i = 0; i < 8; i++)
		assert_ptr_equal(more[i]->log.sent[0].at, b->log.sent[0].at);
	assert_ptr_equal(c->log.sent[0].at, b->log.sent[0].at);
	assert_ptr_equal(wire->log.sent[0].at, b->log.sent[0].at); /* its header is in front */
}

static void the_only_receiver_gets_the_original(void **state)
{
	struct frame *frame = fx_ether(&fx, fx_mac(3), fx_mac(1), 1000);
	const uint8_t *data = frame->data;

	(void)state;
	fx_send(c, fx_ether(&fx, broadcast, fx_mac(3), 60));
	fx_forget(&fx);
	fx_queue(a, frame);
	assert_int_equal(frame_pool_usage(fx.sw.pool).frames_used, 1);
	egress_flush(&fx.sw);
	assert_ptr_equal(c->log.sent[0].at, data);
}

static void two_wires_do_not_write_into_each_others_headers(void **state)
{
	struct fx_encap *other = fx_encap(&fx, seg);
	uint8_t want[500];
	struct frame *frame = fx_ether(&fx, broadcast, fx_mac(1), sizeof(want));

	(void)state;
	memcpy(want, frame->data, sizeof(want));
	fx_send(a, frame);
	assert_memory_equal(wire->log.sent[0].bytes, want, sizeof(want));
	assert_memory_equal(other->log.sent[0].bytes, want, sizeof(want));
	assert_memory_equal(b->log.sent[0].bytes, want, sizeof(want));
	assert_ptr_not_equal(wire->log.sent[0].at, other->log.sent[0].at);
	assert_ptr_equal(c->log.sent[0].at, b->log.sent[0].at);
}

/* ---- superframes ---- */

static struct frame_offload super_offload(unsigned gso, size_t gso_size, size_t l4)
{
	return (struct frame_offload){
	    .csum_partial = true,
	    .gso = (uint8_t)gso,
	    .gso_size = (uint16_t)gso_size,
	    .csum_start = (uint16_t)l4,
	    .csum_offset = gso == FRAME_GSO_UDP ? 6 : 16,
	};
}

/* One flow of `payload` bytes, to be cut into segments of `gso_size`. */
static struct frame *super_frame(unsigned gso, size_t payload, size_t gso_size)
{
	size_t header = gso == FRAME_GSO_UDP ? 8 : 20, l4;
	struct frame *frame;

	craft_eth(&super, ETHERTYPE_IPV4);
	craft_ipv4(&super, gso == FRAME_GSO_UDP ? IPPROTO_UDP : IPPROTO_TCP, 0, header + payload);
	l4 = super.len;
	if (gso == FRAME_GSO_UDP)
		craft_udp(&super, 1, 2, payload);
	else
		craft_tcp(&super, 0x10 | TCP_PSH, 0, 7);
	for (size_t i = 0; i < payload; i++)
		craft_u8(&super, (unsigned)(i * 5 + (i >> 8)) & 0xff);
	frame = craft_frame(fx.sw.pool, &super);
	assert_non_null(frame);
	frame->offload = super_offload(gso, gso_size, l4);
	return frame;
}

/* Finished segments that together say what the superframe said, none beyond `most`. */
static void assert_segments(const struct fx_log *log, size_t payload, size_t size, size_t most)
{
	size_t header = super.len - payload, done = 0;
	unsigned protocol = super.b[14 + 9];

	assert_int_equal(log->count, (payload + size - 1) / size);
	for (unsigned i = 0; i < log->count; i++) {
		const struct fx_sent *s = &log->sent[i];
		size_t n = payload - done < size ? payload - done : size;

		assert_int_equal(s->len, header + n);
		assert_true(s->len <= most);
		assert_memory_equal(s->bytes + header, super.b + header + done, n);
		assert_int_equal(get16(s->bytes + 16), s->len - 14);
		assert_int_equal(naive_sum(0, s->bytes + 14, 20), 0xffff);
		assert_int_equal(
		    naive_sum(naive_pseudo(s->bytes + 26, s->bytes + 30, 4, protocol, s->len - 34),
			      s->bytes + 34, s->len - 34),
		    0xffff);
		assert_false(s->offload.csum_partial);
		assert_int_equal(s->offload.gso, FRAME_GSO_NONE);
		done += n;
	}
	assert_int_equal(done, payload);
}

static void assert_untouched(const struct fx_log *log, unsigned gso, size_t gso_size)
{
	assert_int_equal(log->count, 1);
	assert_int_equal(log->sent[0].len, super.len);
	assert_memory_equal(log->sent[0].bytes, super.b, super.len);
	assert_true(log->sent[0].offload.csum_partial);
	assert_int_equal(log->sent[0].offload.gso, gso);
	assert_int_equal(log->sent[0].offload.gso_size, gso_size);
	assert_int_equal(log->sent[0].offload.csum_start, 34);
}

static void each_receiver_gets_superframes_as_it_can_take_them(void **state)
{
	static const unsigned kinds[] = {FRAME_GSO_TCP4, FRAME_GSO_UDP};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fx_forget(&fx);
		fx_send(a, super_frame(kinds[i], 10000, 1448));
		assert_untouched(&b->log, kinds[i], 1448);
		assert_segments(&c->log, 10000, 1448, 1502);
		assert_segments(&wire->log, 10000, 1448, 1502);
	}
	assert_int_equal(a->port->stats.rx_frames, 2);
	assert_int_equal(a->port->stats.rx_segments, 14);
	assert_int_equal(wire->encap->stats.tx_frames, 2);
	assert_int_equal(wire->encap->stats.tx_bytes, 10000 + 54 + 10000 + 42);
}

static void a_guest_without_uso_gets_datagrams_and_keeps_tso(void **state)
{
	(void)state;
	b->port->offloads = OFFLOAD_ALL & ~OFFLOAD_USO;
	fx_send(a, super_frame(FRAME_GSO_UDP, 5000, 1000));
	assert_segments(&b->log, 5000, 1000, 1042);
	fx_forget(&fx);
	fx_send(a, super_frame(FRAME_GSO_TCP4, 5000, 1000));
	assert_untouched(&b->log, FRAME_GSO_TCP4, 1000);
}

static void the_largest_superframe_passes_and_is_cut(void **state)
{
	size_t payload = 65535 - 40;

	(void)state;
	fx_send(a, super_frame(FRAME_GSO_TCP4, payload, 536));
	assert_untouched(&b->log, FRAME_GSO_TCP4, 536);
	assert_segments(&c->log, payload, 536, 590);
	assert_segments(&wire->log, payload, 536, 590);
	assert_true(c->log.batches > 1);
}

static void oversize_says_how_a_superframe_is_cut_for_a_wire(void **state)
{
	(void)state;
	wire->room = 600;
	wire->encap->oversize = OVERSIZE_CLIP;
	fx_send(a, super_frame(FRAME_GSO_TCP4, 5000, 1000));
	assert_segments(&wire->log, 5000, 546, 600);
	assert_segments(&c->log, 5000, 1000, 1054);
	fx_forget(&fx);
	fx_send(a, super_frame(FRAME_GSO_TCP4, 5000, 500)); /* fits as it is */
	assert_segments(&wire->log, 5000, 500, 600);
	fx_forget(&fx);
	fx_send(a, super_frame(FRAME_GSO_UDP, 5000, 1000)); /* datagrams are not cut */
	assert_segments(&wire->log, 5000, 1000, 1042);
	fx_forget(&fx);
	wire->encap->oversize = OVERSIZE_FRAGMENT;
	fx_send(a, super_frame(FRAME_GSO_TCP4, 5000, 1000));
	assert_segments(&wire->log, 5000, 1000, 1054);
	assert_int_equal(wire->encap->stats.tx_frames, 4);
}

static void oversize_drop_counts_where_the_frame_came_in(void **state)
{
	(void)state;
	wire->room = 600;
	wire->encap->oversize = OVERSIZE_DROP;
	fx_send(a, super_frame(FRAME_GSO_TCP4, 5000, 1000));
	fx_send(a, super_frame(FRAME_GSO_UDP, 5000, 1000));
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 601));
	assert_int_equal(wire->log.count, 0);
	assert_int_equal(a->port->stats.rx_drops[REASON_OVERSIZE], 3);
	assert_int_equal(wire->encap->stats.tx_frames, 0); /* what is dropped is not sent */
	assert_int_equal(wire->encap->stats.tx_bytes, 0);
	assert_int_equal(b->log.count, 3); /* others have their own limits */
	fx_forget(&fx);
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 600));
	fx_send(a, super_frame(FRAME_GSO_TCP4, 546, 546)); /* one segment: 600 bytes */
	assert_int_equal(wire->log.count, 2);
	assert_int_equal(wire->encap->stats.tx_frames, 2);
	assert_int_equal(wire->encap->stats.tx_bytes, 1200);
}

/* As VLANs are: what cannot be cut smaller cannot be sent. */
static void a_wire_without_fragments_clips_or_drops(void **state)
{
	(void)state;
	wire->room = 600;
	wire->ops.no_fragments = true;
	wire->ops.offloads = OFFLOAD_ALL;
	wire->encap->oversize = OVERSIZE_CLIP;
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 601));
	fx_send(a, super_frame(FRAME_GSO_UDP, 5000, 1000));
	assert_int_equal(wire->log.count, 0);
	assert_int_equal(a->port->stats.rx_drops[REASON_OVERSIZE], 2);
	fx_send(a, super_frame(FRAME_GSO_TCP4, 5000, 1000)); /* whole, with a smaller size */
	assert_int_equal(wire->log.count, 1);
	assert_int_equal(wire->log.sent[0].len, super.len);
	assert_int_equal(wire->log.sent[0].offload.gso, FRAME_GSO_TCP4);
	assert_int_equal(wire->log.sent[0].offload.gso_size, 546);
	fx_forget(&fx);
	fx_send(a, super_frame(FRAME_GSO_UDP, 5000, 500));
	assert_int_equal(wire->log.count, 1);
	assert_int_equal(wire->log.sent[0].offload.gso_size, 500);
	fx_forget(&fx);
	/* Offloads of the type may be missing here. */
	wire->encap->lacks = OFFLOAD_USO;
	fx_send(a, super_frame(FRAME_GSO_UDP, 5000, 500));
	assert_segments(&wire->log, 5000, 500, 542);
	assert_int_equal(fx_drops(a->port->stats.rx_drops), 2);
}

static void ordinary_frames_that_do_not_fit_are_the_wires_to_fragment(void **state)
{
	(void)state;
	wire->room = 600;
	for (int mode = OVERSIZE_CLIP; mode <= OVERSIZE_FRAGMENT; mode++) {
		fx_forget(&fx);
		wire->encap->oversize = (enum encap_oversize)mode;
		fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 1500));
		assert_int_equal(wire->log.count, 1);
		assert_int_equal(wire->log.sent[0].len, 1500);
	}
}

/* ---- checksums ---- */

/* A UDP datagram whose checksum field holds the pseudo-header's sum. */
static struct frame *partial_frame(void)
{
	struct frame *frame = super_frame(FRAME_GSO_UDP, 101, 0);
	unsigned pseudo = naive_pseudo(super.b + 26, super.b + 30, 4, IPPROTO_UDP, 109);

	craft_put16(&super, 40, pseudo);
	memcpy(frame->data, super.b, super.len);
	frame->offload.gso = FRAME_GSO_NONE;
	return frame;
}

static void partial_checksums_are_finished_only_for_who_wants_them(void **state)
{
	const struct fx_sent *sent;

	(void)state;
	fx_send(a, partial_frame());
	assert_memory_equal(b->log.sent[0].bytes, super.b, super.len);
	assert_true(b->log.sent[0].offload.csum_partial);
	for (unsigned i = 0; i < 2; i++) {
		sent = i ? &wire->log.sent[0] : &c->log.sent[0];
		assert_false(sent->offload.csum_partial);
		assert_int_equal(
		    naive_sum(naive_pseudo(sent->bytes + 26, sent->bytes + 30, 4, IPPROTO_UDP, 109),
			      sent->bytes + 34, 109),
		    0xffff);
		assert_memory_equal(sent->bytes, super.b, 40);
		assert_memory_equal(sent->bytes + 42, super.b + 42, 101);
	}
}

static void a_tag_does_not_displace_checksums(void **state)
{
	struct frame *frame = super_frame(FRAME_GSO_TCP4, 3000, 1000);

	(void)state;
	seg->conf.tags = TAGS_PASS;
	frame->tag = (struct frame_tag){ETHERTYPE_CTAG, 5};
	fx_send(a, frame);
	assert_int_equal(b->log.sent[0].offload.csum_start, 38);
	assert_int_equal(c->log.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct fx_sent *s = &c->log.sent[i];

		assert_int_equal(get32(s->bytes + 12), 0x81000005);
		assert_int_equal(s->len, 1058);
		assert_int_equal(naive_sum(naive_pseudo(s->bytes + 30, s->bytes + 34, 4,
							IPPROTO_TCP, s->len - 38),
					   s->bytes + 38, s->len - 38),
				 0xffff);
	}
	/* And one that is taken off takes them along. */
	fx_forget(&fx);
	seg->conf.tags = TAGS_DROP;
	frame = super_frame(FRAME_GSO_TCP4, 3000, 1000);
	(void)frame_push(frame, 4);
	memmove(frame->data, frame->data + 4, 12);
	memcpy(frame->data + 12, "\x81\x00\x60\x00", 4);
	fx_send(a, frame);
	assert_untouched(&b->log, FRAME_GSO_TCP4, 1000);
	assert_segments(&c->log, 3000, 1000, 1054);
}

static void claims_that_contradict_the_frame_are_bad_offload(void **state)
{
	struct frame *frame;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		frame = super_frame(FRAME_GSO_TCP4, 3000, 1000);
		switch (i) {
		case 0:
			frame->offload.csum_start = 20000;
			break;
		case 1:
			frame->offload.gso = FRAME_GSO_TCP6;
			break;
		case 2:
			frame->offload.gso_size = 0;
			break;
		case 3:
			frame->offload.gso = FRAME_GSO_NONE;
			frame->offload.csum_offset = 3019; /* one byte of two */
			break;
		case 4:
			frame->len = 50;
			break;
		default:
			frame->offload.gso = 200;
		}
		fx_send(a, frame);
		assert_int_equal(a->port->stats.rx_drops[REASON_BAD_OFFLOAD], i + 1);
	}
	assert_int_equal(fx_total(&fx), 0);
	assert_int_equal(fx_drops(a->port->stats.rx_drops), 6);
	assert_int_equal(fdb_segment_count(fx.sw.fdb, seg->number), 0);
}

/* ---- MSS ---- */

static struct frame *syn_frame(unsigned mss)
{
	struct frame *frame;

	craft_eth(&super, ETHERTYPE_IPV4);
	craft_ipv4(&super, IPPROTO_TCP, 0, 24);
	craft_tcp(&super, TCP_SYN, 1, 1);
	craft_put16(&super, 54, 0x0204);
	craft_put16(&super, 56, mss);
	craft_put16(&super, 50,
		    0xffff &
			~naive_sum(naive_pseudo(super.b + 26, super.b + 30, 4, IPPROTO_TCP, 24),
				   super.b + 34, 24));
	frame = craft_frame(fx.sw.pool, &super);
	assert_non_null(frame);
	return frame;
}

static void assert_mss(const struct fx_sent *sent, unsigned mss)
{
	assert_int_equal(get16(sent->bytes + 56), mss);
	assert_int_equal(
	    naive_sum(naive_pseudo(sent->bytes + 26, sent->bytes + 30, 4, IPPROTO_TCP, 24),
		      sent->bytes + 34, 24),
	    0xffff);
}

static void the_mss_is_clamped_toward_the_wire_and_from_it(void **state)
{
	(void)state;
	wire->encap->clamp_mss = true;
	wire->room = 1478;
	fx_send(a, syn_frame(1460));
	assert_mss(&b->log.sent[0], 1460); /* the neighbour's copy is as it was */
	assert_mss(&wire->log.sent[0], 1478 - 54);
	fx_send(a, syn_frame(1424));
	assert_mss(&wire->log.sent[1], 1424);
	fx_forget(&fx);
	fx.sw.now += 1000;
	fx_receive(wire, 1, syn_frame(1460));
	assert_mss(&a->log.sent[0], 1478 - 54);
	assert_mss(&b->log.sent[0], 1478 - 54);
}

static void the_mss_is_left_alone_where_it_is_not_to_be_clamped(void **state)
{
	(void)state;
	wire->room = 1478;
	fx_send(a, syn_frame(8960));
	assert_mss(&wire->log.sent[0], 8960);
	wire->encap->clamp_mss = true;
	wire->room = 0; /* unknown */
	fx_send(a, syn_frame(8960));
	assert_mss(&wire->log.sent[1], 8960);
	fx.sw.now += 1000;
	fx_receive(wire, 1, syn_frame(8960));
	assert_mss(&a->log.sent[0], 8960);
}

/* ---- queues ---- */

static void queues_keep_order_and_go_out_when_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct frame *frame = fx_ether(&fx, broadcast, fx_mac(1), 100);

		frame->data[20] = (uint8_t)i;
		fx_queue(a, frame);
	}
	assert_int_equal(b->log.count, 192);
	assert_int_equal(wire->log.count, 192);
	egress_flush(&fx.sw);
	assert_int_equal(b->log.count, 200);
	assert_int_equal(wire->log.count, 200);
	assert_int_equal(b->log.batches, 4);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(b->log.sent[i].bytes[20], i);
		assert_int_equal(wire->log.sent[i].bytes[20], i);
	}
}

static void many_large_frames_in_one_turn_do_not_exhaust_the_pool(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		fx_queue(a, super_frame(FRAME_GSO_TCP4, 60000, 1448));
	egress_flush(&fx.sw);
	assert_int_equal(frame_pool_usage(fx.sw.pool).exhausted, 0);
	assert_int_equal(b->log.count, 1000);
	assert_int_equal(c->log.count, 1000 * 42);
	assert_int_equal(wire->log.count, 1000 * 42);
}

static void what_goes_down_with_frames_queued_counts_them(void **state)
{
	(void)state;
	fx_queue(a, fx_ether(&fx, broadcast, fx_mac(1), 100));
	fx_queue(a, fx_ether(&fx, broadcast, fx_mac(1), 100));
	b->port->state = NULL;
	wire->ready = false;
	egress_flush(&fx.sw);
	assert_int_equal(b->port->stats.tx_drops[REASON_LINK_DOWN], 2);
	assert_int_equal(wire->encap->stats.tx_drops[REASON_LINK_DOWN], 2);
	assert_int_equal(c->log.count, 2);
	b->port->state = b;
	egress_flush(&fx.sw);
	assert_int_equal(b->log.count, 0);
}

/* A late drop counts where the frame came in, which may be gone by then. */
static void frames_may_outlive_the_port_they_came_from(void **state)
{
	(void)state;
	wire->room = 600;
	wire->encap->oversize = OVERSIZE_DROP;
	fx_queue(a, fx_ether(&fx, broadcast, fx_mac(1), 1000));
	port_destroy(a->port);
	egress_flush(&fx.sw);
	assert_int_equal(b->log.count, 1);
	assert_int_equal(c->log.count, 1);
	assert_int_equal(wire->log.count, 0);
}

static void frames_may_outlive_the_wire_they_came_from(void **state)
{
	struct frame *frame = super_frame(FRAME_GSO_NONE, 100, 100);
	struct frame_batch batch = {.count = 1, .frame = {frame}};

	(void)state;
	frame->offload.csum_partial = true;
	frame->offload.csum_offset = 16;
	forward_from_encap(wire->encap, &batch);
	segment_encaps_close(&fx.uplink);
	assert_int_equal(seg->encap_count, 0);
	egress_flush(&fx.sw);
	assert_int_equal(a->log.count, 1);
	assert_int_equal(c->log.count, 1);
}

static void a_port_takes_its_queue_along(void **state)
{
	(void)state;
	fx_queue(a, fx_ether(&fx, broadcast, fx_mac(1), 100));
	fx_queue(b, fx_ether(&fx, broadcast, fx_mac(2), 100));
	port_destroy(b->port);
	egress_flush(&fx.sw);
	assert_int_equal(a->log.count, 1);
	assert_int_equal(c->log.count, 2);
	assert_int_equal(wire->log.count, 2);
}

/* ---- want of memory ---- */

/* Takes descriptors until `left` remain; give_back() frees them. */
static struct frame *hoard[8192];
static unsigned hoarded;

static void take_descriptors(unsigned left)
{
	struct frame_pool_usage usage = frame_pool_usage(fx.sw.pool);

	hoard[0] = frame_alloc(fx.sw.pool, 0);
	for (hoarded = 1; usage.frames_used + hoarded < usage.frames_max - left; hoarded++)
		hoard[hoarded] = frame_clone(hoard[0]);
}

static void take_buffers(unsigned left)
{
	struct frame_pool_usage usage = frame_pool_usage(fx.sw.pool);
	unsigned count = usage.small_max + usage.large_max - left;

	for (hoarded = 0; hoarded < count; hoarded++) {
		hoard[hoarded] = frame_alloc(fx.sw.pool, 100);
		assert_non_null(hoard[hoarded]);
	}
}

static void give_back(void)
{
	while (hoarded > 0)
		frame_free(hoard[--hoarded]);
}

static void a_flood_without_descriptors_reaches_whom_it_can(void **state)
{
	struct frame *frame = fx_ether(&fx, broadcast, fx_mac(1), 100);
	uint64_t drops;

	(void)state;
	take_descriptors(1);
	fx_queue(a, frame);
	give_back();
	egress_flush(&fx.sw);
	assert_int_equal(fx_total(&fx), 2);
	drops = b->port->stats.tx_drops[REASON_NO_BUFFER] +
		c->port->stats.tx_drops[REASON_NO_BUFFER] +
		wire->encap->stats.tx_drops[REASON_NO_BUFFER];
	assert_int_equal(drops, 1);
}

static void a_superframe_without_buffers_is_cut_as_far_as_they_go(void **state)
{
	struct frame *frame = super_frame(FRAME_GSO_TCP4, 10000, 1000);

	(void)state;
	take_buffers(4);
	b->port->state = NULL;
	wire->ready = false;
	fx_send(a, frame);
	give_back();
	assert_int_equal(c->log.count, 3);
	assert_int_equal(c->port->stats.tx_drops[REASON_NO_BUFFER], 1);
	b->port->state = b;
}

static void a_checksum_without_a_buffer_is_a_drop(void **state)
{
	(void)state;
	take_buffers(1);
	fx_send(a, partial_frame());
	give_back();
	/* The last who holds the bytes may write into them. */
	assert_int_equal(b->log.count, 1);
	assert_true(b->log.sent[0].offload.csum_partial);
	assert_int_equal(wire->log.count, 0);
	assert_int_equal(a->port->stats.rx_drops[REASON_NO_BUFFER], 2 - c->log.count);
}

/* ---- announcements ---- */

static void announcements_go_to_every_wire_and_to_no_port(void **state)
{
	struct fx_encap *other = fx_encap(&fx, seg), *down = fx_encap(&fx, seg);

	(void)state;
	down->ready = false;
	forward_announce(seg, fx_ether(&fx, broadcast, fx_mac(1), 60));
	egress_flush(&fx.sw);
	assert_int_equal(wire->log.count, 1);
	assert_int_equal(other->log.count, 1);
	assert_int_equal(fx_total(&fx), 2);
	assert_int_equal(fdb_segment_count(fx.sw.fdb, seg->number), 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_flood_shares_one_buffer),
	    CASE(the_only_receiver_gets_the_original),
	    CASE(two_wires_do_not_write_into_each_others_headers),
	    CASE(each_receiver_gets_superframes_as_it_can_take_them),
	    CASE(a_guest_without_uso_gets_datagrams_and_keeps_tso),
	    CASE(the_largest_superframe_passes_and_is_cut),
	    CASE(oversize_says_how_a_superframe_is_cut_for_a_wire),
	    CASE(oversize_drop_counts_where_the_frame_came_in),
	    CASE(a_wire_without_fragments_clips_or_drops),
	    CASE(ordinary_frames_that_do_not_fit_are_the_wires_to_fragment),
	    CASE(partial_checksums_are_finished_only_for_who_wants_them),
	    CASE(a_tag_does_not_displace_checksums),
	    CASE(claims_that_contradict_the_frame_are_bad_offload),
	    CASE(the_mss_is_clamped_toward_the_wire_and_from_it),
	    CASE(the_mss_is_left_alone_where_it_is_not_to_be_clamped),
	    CASE(queues_keep_order_and_go_out_when_full),
	    CASE(many_large_frames_in_one_turn_do_not_exhaust_the_pool),
	    CASE(what_goes_down_with_frames_queued_counts_them),
	    CASE(frames_may_outlive_the_port_they_came_from),
	    CASE(frames_may_outlive_the_wire_they_came_from),
	    CASE(a_port_takes_its_queue_along),
	    CASE(a_flood_without_descriptors_reaches_whom_it_can),
	    CASE(a_superframe_without_buffers_is_cut_as_far_as_they_go),
	    CASE(a_checksum_without_a_buffer_is_a_drop),
	    CASE(announcements_go_to_every_wire_and_to_no_port),
	};

	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
