/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accelerator without a kernel: what it cuts must be, when somebody cuts and completes
 * it further, what our own segmentation makes of the same superframe; and what a helper TAP
 * would be is one end of a pair of sockets. The programs run in the kernel alone
 * (net/26-accel); here only that each is one that can end.
 */
#include "test/unit/encap_fixture.h"

#include <arpa/inet.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/accel.h"
#include "encap/accel_cut.h"
#include "encap/etherip_io.h"
#include "encap/gso.h"
#include "lib/checksum.h"
#include "lib/packet.h"

static struct craft c;

/* ---- cutting ---- */

struct recipe {
	bool v6, ecn;
	unsigned flags, ip_words, tcp_words;
	size_t payload;
	uint16_t size; /* 0: no superframe */
};

static struct frame *make(const struct recipe *r)
{
	size_t l4_len = 20 + r->tcp_words * 4 + r->payload, l3, l4;
	struct frame *frame;

	c.len = 0;
	craft_eth(&c, r->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	l3 = c.len;
	if (r->v6)
		(void)craft_ipv6(&c, IPPROTO_TCP, l4_len);
	else
		(void)craft_ipv4(&c, IPPROTO_TCP, r->ip_words, l4_len);
	if (!r->v6)
		craft_put16(&c, l3 + 10, ntohs(checksum(c.b + l3, c.len - l3)));
	l4 = c.len;
	craft_tcp(&c, r->flags, r->tcp_words, 0xfffffff0u);
	craft_put16(&c, l4 + 16, 0xbeef); /* what the guest left there must not matter */
	for (size_t i = 0; i < r->payload; i++)
		craft_u8(&c, (unsigned)(i * 7 + (i >> 8)) & 0xff);
	frame = frame_of(c.b, c.len);
	if (r->size)
		frame->offload = (struct frame_offload){
		    .csum_partial = true,
		    .gso_ecn = r->ecn,
		    .gso = r->v6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4,
		    .gso_size = r->size,
		    .csum_start = (uint16_t)l4,
		    .csum_offset = 16,
		};
	return frame;
}

#define SEGMENTS_MAX 128u

struct segments {
	unsigned count;
	size_t len[SEGMENTS_MAX];
	uint8_t bytes[SEGMENTS_MAX][1600];
};

static void collect(void *arg, struct frame *segment)
{
	struct segments *list = arg;

	assert_true(list->count < SEGMENTS_MAX);
	assert_true(segment->len <= sizeof(list->bytes[0]));
	memcpy(list->bytes[list->count], segment->data, segment->len);
	list->len[list->count++] = segment->len;
	frame_free(segment);
}

/* As the kernel does it: all it knows is the piece. */
static void finish(const struct accel_piece *piece, struct segments *list)
{
	struct frame *frame = frame_alloc(pool, piece->head_len + piece->rest_len);
	enum reason reason;
	unsigned first = list->count;

	assert_non_null(frame);
	memcpy(frame->data, piece->head, piece->head_len);
	memcpy(frame->data + piece->head_len, piece->rest, piece->rest_len);
	frame->len = (uint32_t)(piece->head_len + piece->rest_len);
	assert_true(vnet_read((const uint8_t *)&piece->vnet, frame));
	assert_int_equal(offload_check(frame), REASON_NONE);
	if (frame->offload.gso != FRAME_GSO_NONE) {
		(void)gso_segment(pool, frame, frame->offload.gso_size, collect, list, &reason);
		assert_int_equal(reason, REASON_NONE);
	} else {
		assert_int_equal(offload_complete_checksum(frame), REASON_NONE);
		collect(list, frame);
	}
	assert_int_equal(list->count - first, piece->segments);
	for (unsigned i = first; i < list->count; i++)
		assert_int_equal(list->len[i], piece->len);
}

static struct segments want, got;

/* Segments of one superframe, and two large buffers. */
static int setup_large(void **state)
{
	(void)state;
	pool = frame_pool_create(SEGMENTS_MAX, 4);
	return pool ? 0 : -1;
}

static void test_cut(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned round = 0; round < 3000; round++) {
		struct recipe r = {
		    .v6 = random() & 1,
		    .ecn = random() & 1,
		    .flags = (unsigned)random() & (0xff & ~2u), /* not a SYN */
		    .ip_words = (unsigned)random() % 11,
		    .tcp_words = (unsigned)random() % 11,
		    .size = (uint16_t)(1 + random() % 1400),
		};
		struct accel_piece piece[2];
		struct frame *frame;
		enum reason reason;
		unsigned n;

		r.payload = 1 + (size_t)random() % (r.size * 40u < 50000 ? r.size * 40u : 50000);
		if (r.payload <= r.size)
			r.payload = r.size + 1u;
		if (r.payload > r.size * 100u)
			r.payload = r.size * 100u;
		frame = make(&r);
		assert_int_equal(offload_check(frame), REASON_NONE);
		assert_true(accel_takes(frame));
		want.count = got.count = 0;
		n = accel_cut(frame, piece);
		assert_int_equal(n, r.payload % r.size ? 2 : 1);
		for (unsigned i = 0; i < n; i++)
			finish(&piece[i], &got);
		(void)gso_segment(pool, frame, r.size, collect, &want, &reason);
		assert_int_equal(got.count, want.count);
		for (unsigned i = 0; i < want.count; i++) {
			assert_int_equal(got.len[i], want.len[i]);
			assert_memory_equal(got.bytes[i], want.bytes[i], want.len[i]);
		}
	}
}

/* What is complete goes as it is. */
static void test_single(void **state)
{
	const struct recipe r = {.flags = 0x10, .tcp_words = 3, .payload = 100};
	struct frame *frame = make(&r);
	struct accel_piece piece[2];

	(void)state;
	assert_true(accel_takes(frame));
	assert_int_equal(accel_cut(frame, piece), 1);
	assert_int_equal(piece->len, frame->len);
	assert_int_equal(piece->head_len + piece->rest_len, frame->len);
	assert_memory_equal(piece->head, frame->data, piece->head_len);
	assert_ptr_equal(piece->rest, frame->data + piece->head_len);
	assert_int_equal(piece->vnet.gso_type, 0);
	assert_int_equal(piece->vnet.flags, 0);
	frame_free(frame);
}

static void refuses(struct frame *frame)
{
	assert_false(accel_takes(frame));
	frame_free(frame);
}

static void test_refuses(void **state)
{
	struct recipe r = {.flags = 0x10, .payload = 100};
	struct frame *frame;

	(void)state;
	frame = make(&r);
	frame->len += 4; /* padding */
	refuses(frame);
	frame = make(&r);
	frame->len -= 1;
	refuses(frame);
	frame = make(&r);
	frame->data[20] = 0x20; /* a fragment */
	refuses(frame);
	frame = make(&r);
	frame->data[23] = IPPROTO_UDP;
	refuses(frame);
	frame = make(&r);
	frame->tag.tpid = ETHERTYPE_CTAG;
	refuses(frame);
	frame = make(&r);
	frame->offload.csum_partial = true;
	refuses(frame);
	frame = make(&r);
	frame->data[46] = 0xf0; /* a TCP header of 60 bytes fits, of 4 does not */
	assert_true(accel_takes(frame));
	frame->data[46] = 0x10;
	refuses(frame);
	r.payload = 0;
	refuses(make(&r));
	r = (struct recipe){.v6 = true, .flags = 0x10, .payload = 100};
	frame = make(&r);
	frame->data[20] = IPPROTO_HOPOPTS;
	refuses(frame);
	r.size = 50;
	frame = make(&r);
	frame->offload.gso = FRAME_GSO_UDP;
	refuses(frame);
	/* Tags among the bytes. */
	c.len = 0;
	craft_eth(&c, ETHERTYPE_CTAG);
	craft_u16(&c, 5);
	craft_u16(&c, ETHERTYPE_IPV4);
	(void)craft_ipv4(&c, IPPROTO_TCP, 0, 30);
	craft_tcp(&c, 0x10, 0, 1);
	craft_fill(&c, 1, 10);
	refuses(frame_of(c.b, c.len));
}

static void test_outer(void **state)
{
	static const uint8_t expected[ACCEL_OUTER] = {
	    2,	  0, 0,	   0,	 0, 2, 2,    0,	  0,  0,  0,	1,    8,   0, /* Ethernet */
	    0x45, 0, 0x05, 0xdc, 0, 0, 0x40, 0,	  64, 97, 0xf0, 0xa8, 192, 0,
	    2,	  1, 192,  0,	 2, 2, 0x31, 0x23};
	const struct accel_to to = {.mac = {{2, 0, 0, 0, 0, 2}},
				    .own_mac = {{2, 0, 0, 0, 0, 1}},
				    .src = {192, 0, 2, 1},
				    .dst = {192, 0, 2, 2},
				    .ttl = 64,
				    .etherip = {0x31, 0x23}};
	const struct accel_piece piece = {.len = 1478};
	uint8_t out[ACCEL_OUTER];

	(void)state;
	accel_outer(&to, &piece, out);
	assert_memory_equal(out, expected, 24);
	assert_memory_equal(out + 26, expected + 26, sizeof(out) - 26);
	assert_int_equal(checksum(out + 14, 20), 0);
}

/* ---- programs ---- */

static void test_programs(void **state)
{
	(void)state;
	for (unsigned p = ACCEL_STRIP; p <= ACCEL_PREPEND; p++) {
		struct bpf_insn code[ACCEL_CODE_MAX];
		unsigned n = accel_program((enum accel_program)p, 5, 7, code);

		assert_in_range(n, 10, ACCEL_CODE_MAX);
		assert_int_equal(code[n - 1].code, BPF_JMP | BPF_EXIT);
		for (unsigned i = 0; i < n; i++) {
			uint8_t class = BPF_CLASS(code[i].code), op = BPF_OP(code[i].code);

			/* Forward only, and to an instruction that is there. */
			if (class == BPF_JMP && op != BPF_CALL && op != BPF_EXIT)
				assert_in_range(code[i].off, 1, n - i - 2);
		}
	}
}

/* ---- traffic ---- */

/* Two segments, alpha (id 1, peer 192.0.2.2) and beta (id 2, peer 192.0.2.3). */
static struct world {
	struct encap_host host;
	struct stats stray[ENCAP_KINDS];
	struct etherip_shared shared;
	struct encap_uplink uplink;
	struct etherip_conf conf[2];
	struct encap encap[2];
	struct etherip etherip[2];
	struct accel_shared memory;
	struct accel *accel;
	int tap; /* the kernel's end */
	uint64_t now;
	unsigned delivered[2], segments[2];
	bool way;
} w;

static void deliver(struct encap *encap, struct frame_batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++) {
		struct frame *frame = batch->frame[i];

		w.delivered[encap - w.encap]++;
		w.segments[encap - w.encap] += offload_segments(frame);
		assert_int_equal(frame->data[0], 0x02); /* craft_eth()'s destination */
		frame_free(frame);
	}
	batch->count = 0;
}

static bool next_hop(struct encap_host *host, const struct encap_uplink *uplink,
		     const struct ipaddr *dst, struct mac *mac)
{
	(void)host;
	(void)uplink;
	(void)dst;
	*mac = (struct mac){{2, 0, 0, 0, 0, 0x77}};
	return w.way;
}

static int world_open(void **state)
{
	static const char *const peers[] = {"{\"peers\": [\"192.0.2.2\"]}",
					    "{\"peers\": [\"192.0.2.3\"]}"};
	struct err err;
	int fd[2];

	(void)state;
	memset(&w, 0, sizeof(w));
	w.host.loop = ev_loop_new(0);
	w.host.pool = pool = frame_pool_create(64, 8);
	w.host.now = &w.now;
	w.host.deliver = deliver;
	w.host.next_hop = next_hop;
	w.host.stray = w.stray;
	w.host.shared[ENCAP_ETHERIP] = &w.shared;
	w.shared.host = &w.host;
	make_uplink(&w.uplink, 2, "192.0.2.1", "192.0.2.0/24");
	w.uplink.mac = (struct mac){{2, 0, 0, 0, 0, 1}};
	for (unsigned i = 0; i < 2; i++) {
		struct encap *encap = &w.encap[i];

		assert_true(try_conf(&etherip_ops, &w.conf[i], peers[i], &err));
		encap->ops = &etherip_ops;
		encap->host = &w.host;
		encap->uplink = &w.uplink;
		encap->conf = &w.conf[i].common;
		encap->state = &w.etherip[i];
		encap->network_id = (uint16_t)(i + 1);
		encap->merge = true;
		w.etherip[i].encap = encap;
		w.etherip[i].conf = &w.conf[i];
		assert_int_equal(remotes_init(&w.etherip[i].remotes, &w.conf[i].remotes), 0);
		assert_int_equal(etherip_table_add(&w.shared.table, &w.etherip[i]), 0);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd), 0);
	w.tap = fd[1];
	w.memory.cookie = 0x1122334455667788;
	assert_int_equal(accel_open(&w.accel, &w.host, &w.uplink, &w.memory, fd[0]), 0);
	w.uplink.accel = w.accel;
	accel_allow(w.accel, true, true);
	w.way = true;
	return 0;
}

static int world_close(void **state)
{
	(void)state;
	accel_close(w.accel);
	for (unsigned i = 0; i < 2; i++) {
		etherip_table_del(&w.shared.table, &w.etherip[i]);
		remotes_fini(&w.etherip[i].remotes);
		conf_clear(etherip_ops.schema, &w.conf[i]);
	}
	close(w.tap);
	ev_loop_destroy(w.host.loop);
	frame_pool_destroy(pool);
	return 0;
}

/* As the tc program hands it over. */
static void arrive(uint64_t cookie, const char *src, unsigned id, const struct recipe *r)
{
	struct ipaddr from = addr(src);
	struct frame *frame = make(r);
	uint8_t label[ACCEL_LABEL], bytes[4096];
	struct vnet_header vnet;
	size_t len = 0;

	memcpy(label, &cookie, 8);
	memcpy(label + 8, &from.v4, 4);
	etherip_header((uint16_t)id, NIBBLES_RFC, label + 12);
	vnet_write(frame, ACCEL_LABEL, &vnet);
	memcpy(bytes, &vnet, sizeof(vnet));
	len += sizeof(vnet);
	memcpy(bytes + len, label, sizeof(label));
	len += sizeof(label);
	memcpy(bytes + len, frame->data, frame->len);
	len += frame->len;
	frame_free(frame);
	assert_int_equal(send(w.tap, bytes, len, 0), len);
	ev_run(w.host.loop, EVRUN_NOWAIT);
}

static const struct recipe one = {.flags = 0x10, .payload = 100};
static const struct recipe super = {.flags = 0x10, .payload = 1000, .size = 300};

static void test_receive(void **state)
{
	(void)state;
	arrive(w.memory.cookie, "192.0.2.2", 1, &one);
	arrive(w.memory.cookie, "192.0.2.2", 1, &super);
	assert_int_equal(w.delivered[0], 2);
	assert_int_equal(w.segments[0], 5);
	assert_int_equal(w.encap[0].stats.rx_merged, 3);
	assert_int_equal(w.encap[0].accelerated.rx, 5);
	arrive(w.memory.cookie, "192.0.2.3", 2, &super);
	assert_int_equal(w.delivered[1], 1);
	/* The label decides nothing by itself. */
	arrive(w.memory.cookie, "192.0.2.3", 1, &super);
	arrive(w.memory.cookie, "192.0.2.9", 2, &one);
	arrive(w.memory.cookie, "192.0.2.2", 3, &one);
	assert_int_equal(w.encap[0].stats.rx_drops[REASON_FOREIGN_SOURCE], 1);
	assert_int_equal(w.encap[1].stats.rx_drops[REASON_FOREIGN_SOURCE], 1);
	assert_int_equal(w.stray[ENCAP_ETHERIP].rx_drops[REASON_UNKNOWN_ID], 1);
	assert_int_equal(accel_received(w.accel), 6);
	/* And who does not know the cookie has not come through our programs. */
	arrive(w.memory.cookie + 1, "192.0.2.2", 1, &one);
	assert_int_equal(send(w.tap, "short", 5, 0), 5);
	ev_run(w.host.loop, EVRUN_NOWAIT);
	assert_int_equal(accel_received(w.accel), 6);
	assert_int_equal(w.delivered[0] + w.delivered[1], 3);
}

static unsigned accepted(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ACCEL_SETS * ACCEL_WAYS; i++)
		n += w.memory.accept[i] != 0;
	return n;
}

static bool accepts(const char *src, unsigned id)
{
	struct ipaddr from = addr(src);
	uint8_t header[2];
	uint16_t bytes;

	etherip_header((uint16_t)id, NIBBLES_RFC, header);
	memcpy(&bytes, header, sizeof(bytes));
	for (unsigned i = 0; i < ACCEL_WAYS; i++) {
		if (w.memory.accept[accel_set(from.v4.s_addr, bytes) + i] ==
		    accel_key(from.v4.s_addr, bytes))
			return true;
	}
	return false;
}

/* What a socket has brought, and was accepted, comes by the programs from then on. */
static void test_accept(void **state)
{
	struct ipaddr from = addr("192.0.2.2");
	uint8_t header[2];

	(void)state;
	assert_int_equal(accepted(), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct outer outer = {addr(i ? "192.0.2.3" : "192.0.2.2"), w.uplink.addr[0], 2,
				      false};
		struct encap *blame = NULL;
		enum reason reason;
		struct frame *frame;

		c.len = 0;
		craft_u16(&c, 0x3001);
		craft_fill(&c, 2, 60);
		frame = frame_of(c.b, c.len);
		assert_ptr_equal(etherip_classify(&w.shared, frame, 0, &outer, &reason, &blame),
				 i ? NULL : &w.encap[0]);
		frame_free(frame);
		assert_int_equal(accepted(), 1);
	}
	assert_true(accepts("192.0.2.2", 1));
	etherip_header(1, NIBBLES_RFC, header);
	for (unsigned i = 0; i < 20000; i++) {
		from.v4.s_addr = htonl(0x0a000000u + i);
		accel_accept(w.accel, &from, header);
		assert_int_equal(from.v4.s_addr, htonl(0x0a000000u + i));
	}
	assert_true(accepts("10.0.78.31", 1)); /* the last, though all is full */
	from = addr("2001:db8::1");
	accel_accept(w.accel, &from, header);
	accel_allow(w.accel, true, false);
	assert_int_equal(w.memory.enabled, 0);
	assert_int_equal(accepted(), 0);
	from = addr("192.0.2.2");
	accel_accept(w.accel, &from, header);
	assert_int_equal(accepted(), 0);
}

static struct frame *pushed(const struct recipe *r, const char *peer)
{
	struct frame *frame = make(r);

	if (peer)
		frame->peer = addr(peer);
	if (r->size)
		assert_int_equal(etherip_takes(&w.encap[0], frame) != 0, w.way && peer);
	assert_int_equal(etherip_ops.push(&w.encap[0], frame), REASON_NONE);
	return frame;
}

static void test_send(void **state)
{
	struct frame_batch batch = {.count = 0};
	struct recipe ack = {.flags = 0x10};
	uint8_t bytes[2048];
	uint16_t slot;

	(void)state;
	frame_batch_add(&batch, pushed(&super, "192.0.2.2"));
	frame_batch_add(&batch, pushed(&ack, "192.0.2.2"));
	frame_batch_add(&batch, pushed(&one, "192.0.2.2"));
	frame_batch_add(&batch, pushed(&one, NULL));
	accel_send(w.accel, &w.encap[0], &batch, 64);
	/* A pure acknowledgement, and what goes to everybody, is not its business. */
	assert_int_equal(batch.count, 2);
	frame_batch_free(&batch);
	assert_int_equal(w.encap[0].stats.tx_segments, 5);
	assert_int_equal(w.encap[0].accelerated.tx, 5);
	for (unsigned i = 0; i < 3; i++) { /* 3 segments of 300, one of 100, one of 100 */
		size_t head = 10, inner = 14 + 20 + 20 + (i == 0 ? 900u : 100u);
		size_t outer_len = 22 + 54 + (i == 0 ? 300u : 100u);
		const uint8_t *outer;

		assert_int_equal(recv(w.tap, bytes, sizeof(bytes), 0), head + inner);
		memcpy(&slot, bytes + head, 2);
		assert_in_range(slot, 0, ACCEL_SLOTS - 1);
		outer = w.memory.slot[slot];
		assert_memory_equal(outer, "\2\0\0\0\0\x77\2\0\0\0\0\1\x8", 13);
		assert_int_equal(outer[16] << 8 | outer[17], outer_len);
		assert_int_equal(checksum(outer + 14, 20), 0);
		assert_memory_equal(outer + 34, "\x30\1\2\0\0\0\0\2", 8);
	}
	/* Two of one length have one slot. */
	assert_int_equal(slot, 2);
}

/* A superframe was left to us, so that nobody else can send it any more. */
static void test_no_way(void **state)
{
	struct frame_batch batch = {.count = 0};

	(void)state;
	frame_batch_add(&batch, pushed(&super, "192.0.2.2"));
	w.way = false;
	frame_batch_add(&batch, pushed(&one, "192.0.2.2"));
	accel_send(w.accel, &w.encap[0], &batch, 64);
	assert_int_equal(batch.count, 1);
	frame_batch_free(&batch);
	assert_int_equal(w.encap[0].stats.tx_drops[REASON_LINK_DOWN], 1);
	assert_int_equal(w.encap[0].stats.tx_segments, 0);
	w.way = true;
	accel_allow(w.accel, false, true);
	w.way = false; /* so it must be refused */
	frame_batch_add(&batch, pushed(&one, "192.0.2.2"));
	accel_send(w.accel, &w.encap[0], &batch, 64);
	assert_int_equal(batch.count, 1);
	frame_batch_free(&batch);
}

/* The kernel may read slots later: the last that were used stay as they are. */
static void test_slots(void **state)
{
	struct frame_batch batch = {.count = 0};
	struct recipe r = one;
	uint16_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 2 * ACCEL_SLOTS + 1; i++) {
		uint8_t bytes[2048];
		uint16_t slot;

		r.payload = 100 + i % 2; /* another length, another slot */
		frame_batch_add(&batch, pushed(&r, "192.0.2.2"));
		accel_send(w.accel, &w.encap[0], &batch, 64);
		assert_true(recv(w.tap, bytes, sizeof(bytes), 0) > 0);
		memcpy(&slot, bytes + 10, 2);
		assert_int_equal(slot, (last + 1) % ACCEL_SLOTS);
		last = slot;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_cut, setup_large, teardown),
	    cmocka_unit_test_setup_teardown(test_single, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
	    cmocka_unit_test(test_outer),
	    cmocka_unit_test(test_programs),
	    cmocka_unit_test_setup_teardown(test_receive, world_open, world_close),
	    cmocka_unit_test_setup_teardown(test_accept, world_open, world_close),
	    cmocka_unit_test_setup_teardown(test_send, world_open, world_close),
	    cmocka_unit_test_setup_teardown(test_no_way, world_open, world_close),
	    cmocka_unit_test_setup_teardown(test_slots, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
