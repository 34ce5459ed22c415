/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segment that tests of the pipeline begin with, and what they assert of it:
 * three ports and a wire, none of which knows anybody. Include cmocka.h before.
 */
#ifndef TVD_TEST_FORWARD_CASE_H
#define TVD_TEST_FORWARD_CASE_H

#include "lib/packet.h"
#include "test/unit/craft.h"
#include "test/unit/switch_fixture.h"

static struct fx fx;
static struct segment *seg;
static struct fx_port *a, *b, *c;
static struct fx_encap *wire;

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct mac group = {{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};

#define A fx_mac(0xa)
#define B fx_mac(0xb)
#define C fx_mac(0xc)
#define X fx_mac(0xe) /* nobody's */

/* Three ports and a wire in one segment, which most cases need. */
static inline int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	seg = fx_segment(&fx, "s", "");
	a = fx_port(&fx, seg, "a", "");
	b = fx_port(&fx, seg, "b", "");
	c = fx_port(&fx, seg, "c", "");
	wire = fx_encap(&fx, seg);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	assert_true(fx_pool_empty(&fx));
	fx_close(&fx);
	return 0;
}

static inline uint64_t dropped(const struct fx_port *at, enum reason reason)
{
	return at->port->stats.rx_drops[reason];
}

/* The frame from a port is dropped for this reason, once, and reaches nobody. */
static inline void assert_dropped(struct fx_port *from, struct frame *frame, enum reason reason)
{
	uint64_t before = dropped(from, reason), all = fx_drops(from->port->stats.rx_drops);

	fx_forget(&fx);
	fx_send(from, frame);
	assert_int_equal(dropped(from, reason), before + 1);
	assert_int_equal(fx_drops(from->port->stats.rx_drops), all + 1);
	assert_int_equal(fx_total(&fx), 0);
}

static inline void assert_wire_drops(struct fx_encap *from, struct frame *frame, enum reason reason)
{
	const uint64_t *drops = from->encap->stats.rx_drops;
	uint64_t before = drops[reason], all = fx_drops(drops);

	fx_forget(&fx);
	fx_receive(from, 1, frame);
	assert_int_equal(drops[reason], before + 1);
	assert_int_equal(fx_drops(drops), all + 1);
	assert_int_equal(fx_total(&fx), 0);
}

static inline void assert_got(unsigned at_a, unsigned at_b, unsigned at_c, unsigned at_wire)
{
	assert_int_equal(a->log.count, at_a);
	assert_int_equal(b->log.count, at_b);
	assert_int_equal(c->log.count, at_c);
	assert_int_equal(wire->log.count, at_wire);
}

/* Whoever sends from here is known here afterwards. */
static inline void teach(struct fx_port *from, struct mac mac)
{
	fx_send(from, fx_ether(&fx, fx_mac(0xffff), mac, 60));
	fx_forget(&fx);
}

static inline void teach_remote(unsigned host, struct mac mac)
{
	fx_receive(wire, host, fx_ether(&fx, fx_mac(0xffff), mac, 60));
	fx_forget(&fx);
}

static inline const struct fdb_where *lookup(struct mac mac)
{
	return fdb_lookup(fx.sw.fdb, seg->number, &mac, fx.sw.now);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
