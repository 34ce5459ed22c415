/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of the pure half of encapsulations over IP begin with: a pool, frames,
 * parsed configurations, and uplinks. Included once by each test program.
 */
#ifndef TVD_TEST_ENCAP_FIXTURE_H
#define TVD_TEST_ENCAP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "encap/encap.h"
#include "test/unit/craft.h"

static struct frame_pool *pool;

static inline int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(8, 2);
	return pool ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool); /* aborts if a frame has leaked */
	return 0;
}

static inline struct ipaddr addr(const char *text)
{
	struct ipaddr out;

	assert_int_equal(ipaddr_parse(text, &out), 0);
	return out;
}

static inline struct frame *frame_of(const void *bytes, size_t len)
{
	struct frame *frame = frame_alloc(pool, len);

	assert_non_null(frame);
	memcpy(frame->data, bytes, len);
	frame->len = (uint32_t)len;
	return frame;
}

/* Parses a configuration of that backend, of which `text` is a part; uplink "lan"
 * unless it says another. */
static inline bool try_conf(const struct encap_ops *ops, void *conf, const char *text,
			    struct err *err)
{
	json_t *json = json_loads(text, 0, NULL);
	bool ok;

	assert_non_null(json);
	json_object_set_new(json, "type", json_string(ops->type));
	if (!json_object_get(json, "uplink"))
		json_object_set_new(json, "uplink", json_string("lan"));
	memset(conf, 0, ops->schema->size);
	ok = conf_parse_json(ops->schema, json, conf, err);
	json_decref(json);
	return ok;
}

static inline void make_uplink(struct encap_uplink *uplink, unsigned ifindex, const char *v4,
			       const char *v4_prefix)
{
	memset(uplink, 0, sizeof(*uplink));
	uplink->ifindex = ifindex;
	uplink->up = true;
	uplink->mtu = 1500;
	uplink->family = AF_INET;
	uplink->addr[0] = addr(v4);
	assert_int_equal(ipprefix_parse(v4_prefix, &uplink->prefix[uplink->prefixes++]), 0);
}

#endif
