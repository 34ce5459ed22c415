/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encap/gso.h"
#include "encap/remotes.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/packet.h"
#include "switchd/capture.h"
#include "switchd/connections.h"
#include "switchd/egress.h"
#include "switchd/membership.h"
#include "switchd/policy/gateway.h"
#include "switchd/policy/policy.h"
#include "switchd/relay.h"
#include "switchd/snooping.h"

LOG_MODULE("segment");

#define MTU_LOCAL 65521u /* of a segment that stays on this host: a TAP's largest */

static struct fdb_limits limits_of(const struct segment_conf *conf)
{
	uint32_t max = (uint32_t)conf->fdb_max;
	uint32_t quarter = max / 4 ? max / 4 : 1;

	return (struct fdb_limits){
	    .ageing_ms = (uint32_t)conf->ageing * 1000u,
	    .max = max,
	    .holder_max = conf->fdb_port_max ? (uint32_t)conf->fdb_port_max : quarter,
	    .remote_max = quarter,
	    /* Who is who on a VLAN nobody can tell: all its hosts together are one holder,
	     * which still loses its own oldest entry first. */
	    .wire_max = max,
	};
}

static uint16_t reserved_of(const struct segment_conf *conf)
{
	const int64_t *last = conf->reserved.items;
	uint16_t set = 0;

	for (size_t i = 0; i < conf->reserved.count; i++)
		set = (uint16_t)(set | 1u << last[i]);
	return set;
}

/* ---- encaps ---- */

static void encap_open(struct segment_encap *se)
{
	struct encap *encap = &se->encap;
	struct err err;

	encap->network_id = (uint16_t)(se->segment->conf.id > 0 ? se->segment->conf.id : 0);
	encap->inner_tags = se->segment->conf.tags == TAGS_PASS;
	encap->segment_name = se->segment->conf.name;
	if (encap->ops->open(encap, &err) < 0) {
		if (strcmp(se->why, err.text) != 0)
			log_warn("segment %s: %s on uplink %s is down: %s; trying again",
				 se->segment->conf.name, encap->ops->type, se->uplink->conf.name,
				 err.text);
		(void)snprintf(se->why, sizeof(se->why), "%.150s", err.text);
		return;
	}
	se->why[0] = '\0';
	se->open = true;
}

static void encap_close(struct segment_encap *se)
{
	egress_flush_encap(se);
	if (se->open)
		se->encap.ops->close(&se->encap);
	se->open = false;
}

static struct segment_encap *encap_create(struct segment *segment, const struct encap_conf *conf,
					  const struct encap_ops *ops)
{
	struct switchd *sw = segment->sw;
	struct uplink *uplink = switchd_uplink(sw, conf->uplink);
	struct segment_encap *se = calloc(1, sizeof(*se));

	if (se)
		se->conf = calloc(1, ops->schema->size);
	if (!se || !se->conf || !conf_copy(ops->schema, se->conf, conf)) {
		if (se)
			free(se->conf);
		free(se);
		return NULL;
	}
	se->segment = segment;
	se->uplink = uplink;
	list_init(&se->dirty);
	list_add_tail(&uplink->encaps, &se->by_uplink);
	se->encap.ops = ops;
	se->encap.host = &sw->encap_host;
	se->encap.uplink = &uplink->view;
	se->encap.conf = se->conf;
	se->encap.segment = segment;
	se->encap.side = ++segment->last_side;
	encap_open(se);
	return se;
}

static void encap_destroy(struct segment_encap *se)
{
	struct fdb_where where = {.side = se->encap.side};

	egress_flush(se->segment->sw); /* what came from here counts late drops here */
	encap_close(se);
	relay_encap_gone(se);
	snooping_forget(se->segment, &where);
	gateway_encap_gone(se);
	(void)fdb_flush(se->segment->sw->fdb, se->segment->number, &where, true);
	list_del(&se->by_uplink);
	conf_clear(se->encap.ops->schema, se->conf);
	free(se->conf);
	free(se);
}

/* Who is behind an encap that begins anew will have to speak again. */
static void forget_all(struct segment_encap *se)
{
	struct fdb_where where = {.side = se->encap.side};

	(void)fdb_flush(se->segment->sw->fdb, se->segment->number, &where, false);
}

/* A peer that is no longer configured takes what was learned behind it along. */
static void forget_peer(struct segment_encap *se, const struct ipaddr *peer)
{
	struct fdb_where where = {.side = se->encap.side, .remote = *peer};

	(void)fdb_flush(se->segment->sw->fdb, se->segment->number, &where, true);
}

/* The peers of an encap that is open, to be freed, and how many; NULL: none, or no memory. */
static struct ipaddr *copy_peers(const struct segment_encap *se, size_t *count)
{
	const struct ipaddr *peers;
	struct ipaddr *copy = NULL;

	*count = 0;
	if (!se->open || !se->encap.ops->peers)
		return NULL;
	peers = se->encap.ops->peers(&se->encap, count);
	if (*count)
		copy = calloc(*count, sizeof(*copy));
	if (copy)
		memcpy(copy, peers, *count * sizeof(*copy));
	else
		*count = 0;
	return copy;
}

/* What was learned behind those that are no peers any more. */
static void forget_former(struct segment_encap *se, const struct ipaddr *former, size_t count)
{
	const struct ipaddr *peers = NULL;
	size_t left = 0;

	if (se->open && se->encap.ops->peers)
		peers = se->encap.ops->peers(&se->encap, &left);
	for (size_t i = 0; i < count; i++) {
		if (!left || !bsearch(&former[i], peers, left, sizeof(*peers), remotes_compare))
			forget_peer(se, &former[i]);
	}
}

static int encap_reconf(struct segment_encap *se, const struct encap_conf *conf)
{
	const struct conf_schema *schema = se->encap.ops->schema;
	void *copy = calloc(1, schema->size);
	void *former = se->conf;
	struct ipaddr *peers;
	size_t peer_count;
	int ret = ENCAP_RESTART;

	/* Without memory the former configuration stays. */
	if (!copy || !conf_copy(schema, copy, conf)) {
		free(copy);
		return -ENOMEM;
	}
	egress_flush_encap(se);
	peers = copy_peers(se, &peer_count);
	if (se->open && se->encap.ops->reconf)
		ret = se->encap.ops->reconf(&se->encap, copy);
	if (ret != 0) {
		encap_close(se);
		forget_all(se);
	}
	se->conf = copy;
	se->encap.conf = copy;
	conf_clear(schema, former);
	free(former);
	if (!se->open)
		encap_open(se);
	forget_former(se, peers, peer_count);
	free(peers);
	return 0;
}

/* Takes out an encap of the same type on the same uplink, or one that says all the same. */
static struct segment_encap *take_same(struct segment *segment, const struct encap_ops *ops,
				       const struct encap_conf *want, bool all)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		struct segment_encap *se = segment->encaps[i];

		if (!se || se->encap.ops != ops || strcmp(se->uplink->conf.name, want->uplink) != 0)
			continue;
		if (all && !conf_equal(ops->schema, se->conf, want))
			continue;
		segment->encaps[i] = NULL;
		return se;
	}
	return NULL;
}

static void update_hearer(struct segment *segment)
{
	segment->hearer = NULL;
	for (size_t i = 0; i < segment->encap_count; i++) {
		if (segment->encaps[i]->encap.ops->hear)
			segment->hearer = segment->encaps[i];
	}
}

/* Brings the encaps in line with segment->conf: those that say the same stay, in
 * whatever order they are now; of the others some change and some go. */
static int update_encaps(struct segment *segment)
{
	const struct segment_conf *conf = &segment->conf;
	size_t count = conf->encaps.count, made = 0;
	struct segment_encap **encaps = calloc(count ? count : 1, sizeof(struct segment_encap *));
	int ret = 0;

	segment->unfinished = true;
	if (!encaps)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct encap_conf *want = segment_conf_encap(conf, i);

		encaps[i] = take_same(segment, encap_find(want->type), want, true);
	}
	for (size_t i = 0; i < count; i++) {
		const struct encap_conf *want = segment_conf_encap(conf, i);
		const struct encap_ops *ops = encap_find(want->type);
		struct segment_encap *se = encaps[i];

		if (!se) {
			se = take_same(segment, ops, want, false);
			if (se)
				ret = encap_reconf(se, want) < 0 ? -ENOMEM : ret;
			else
				se = encap_create(segment, want, ops);
		}
		if (se)
			encaps[made++] = se;
	}
	for (size_t i = 0; i < segment->encap_count; i++) {
		if (segment->encaps[i])
			encap_destroy(segment->encaps[i]);
	}
	free(segment->encaps);
	segment->encaps = encaps;
	segment->encap_count = made;
	update_hearer(segment);
	ret = relay_update(segment) < 0 ? -ENOMEM : ret;
	segment->unfinished = ret < 0 || made < count;
	return segment->unfinished ? -ENOMEM : 0;
}

void segment_encaps_close(struct uplink *uplink)
{
	list_for_each_safe (&uplink->encaps, it) {
		struct segment_encap *se = container_of(it, struct segment_encap, by_uplink);
		struct segment *segment = se->segment;

		for (size_t i = 0; i < segment->encap_count; i++) {
			if (segment->encaps[i] != se)
				continue;
			segment->encaps[i] = segment->encaps[--segment->encap_count];
			break;
		}
		update_hearer(segment);
		encap_destroy(se);
		(void)relay_update(segment); /* which makes none now */
		segment_update_mtu(segment);
	}
}

void segment_encaps_restart(struct uplink *uplink)
{
	list_for_each (&uplink->encaps, it) {
		struct segment_encap *se = container_of(it, struct segment_encap, by_uplink);
		struct fdb_where where = {.side = se->encap.side};

		encap_close(se);
		(void)fdb_flush(se->segment->sw->fdb, se->segment->number, &where, false);
		encap_open(se);
		segment_update_mtu(se->segment);
	}
}

void segment_encaps_yield(struct segment *segment)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		struct segment_encap *se = segment->encaps[i];

		if (se->open && se->encap.ops->yield && se->encap.ops->yield(&se->encap))
			encap_close(se);
	}
}

void segment_encaps_open(struct segment *segment)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		struct segment_encap *se = segment->encaps[i];

		if (!se->open)
			encap_open(se);
		else if (se->uplink->view.up)
			se->encap.ops->uplink_changed(&se->encap);
	}
	segment_update_mtu(segment);
}

/* ---- MTU ---- */

unsigned segment_port_mtu(const struct segment *segment)
{
	/* While no encap is open nobody knows what will fit. */
	return segment->encap_count && segment->mtu != MTU_LOCAL ? segment->mtu : 0;
}

void segment_update_mtu(struct segment *segment)
{
	unsigned mtu = MTU_LOCAL;
	unsigned reserve = ETH_HEADER_LEN;

	if (segment->conf.tags == TAGS_PASS)
		reserve += VLAN_TAG_LEN;
	for (size_t i = 0; i < segment->encap_count; i++) {
		const struct segment_encap *se = segment->encaps[i];
		size_t room = se->open ? se->encap.ops->room(&se->encap, NULL) : 0;

		if (room > reserve && room - reserve < mtu)
			mtu = (unsigned)(room - reserve);
	}
	if (mtu == segment->mtu)
		return;
	segment->mtu = mtu;
	list_for_each (&segment->ports, it)
		membership_update_mtu(container_of(it, struct membership, by_segment)->port);
}

static bool takes_superframes(const struct segment *segment)
{
	list_for_each (&segment->ports, it)
		if (container_of(it, struct membership, by_segment)->port->offloads & OFFLOAD_TSO4)
			return true;
	return false;
}

/* What crosses goes to the ports of others. */
static void update_merge(struct segment *segment)
{
	bool merge = takes_superframes(segment);

	for (size_t i = 0; segment->joints && i < segment->joints->count; i++)
		merge = merge || takes_superframes(segment->joints->at[i].to);
	for (size_t i = 0; i < segment->encap_count; i++)
		segment->encaps[i]->encap.merge = merge;
}

void segment_update_merge(struct segment *segment)
{
	update_merge(segment);
	for (size_t i = 0; segment->joints && i < segment->joints->count; i++)
		update_merge(segment->joints->at[i].to);
}

/* ---- life ---- */

/* The lowest that is free, so that numbers stay small. 0 is no number. */
static int take_number(struct switchd *sw, struct segment *segment)
{
	for (uint32_t n = sw->segment_free ? sw->segment_free : 1; n < FDB_SEGMENTS_MAX; n++) {
		if (sw->segment_by_number[n])
			continue;
		sw->segment_by_number[n] = segment;
		sw->segment_free = n + 1;
		if (n >= sw->segment_numbers)
			sw->segment_numbers = n + 1;
		segment->number = (uint16_t)n;
		return 0;
	}
	return -ENOSPC;
}

static void give_number(struct switchd *sw, const struct segment *segment)
{
	sw->segment_by_number[segment->number] = NULL;
	if (segment->number < sw->segment_free)
		sw->segment_free = segment->number;
}

struct segment *segment_create(struct switchd *sw, const struct segment_conf *conf)
{
	struct fdb_limits limits = limits_of(conf);
	struct segment *segment = calloc(1, sizeof(*segment));

	if (!segment)
		return NULL;
	segment->sw = sw;
	list_init(&segment->ports);
	list_init(&segment->captures);
	if (take_number(sw, segment) < 0)
		goto fail;
	if (fdb_segment_set(sw->fdb, segment->number, &limits) < 0)
		goto fail_number;
	if (names_add(sw->segment_names, conf->name, segment) < 0)
		goto fail_fdb;
	if (!conf_copy(&segment_schema, &segment->conf, conf))
		goto fail_name;
	segment->reserved = reserved_of(conf);
	list_add_tail(&sw->segments, &segment->link);
	if (update_encaps(segment) < 0)
		log_warn("segment %s: out of memory for its encaps", conf->name);
	if (snooping_update(segment) < 0)
		log_warn("segment %s: out of memory for multicast snooping", conf->name);
	segment_update_mtu(segment);
	return segment;

fail_name:
	names_del(sw->segment_names, conf->name);
fail_fdb:
	fdb_segment_del(sw->fdb, segment->number);
fail_number:
	give_number(sw, segment);
fail:
	free(segment);
	return NULL;
}

void segment_destroy(struct segment *segment)
{
	struct switchd *sw;

	if (!segment)
		return;
	sw = segment->sw;
	capture_segment_gone(segment);
	gateway_segment_gone(segment);
	policy_segment_gone(segment);
	relay_destroy(segment->relay);
	snooping_destroy(segment);
	for (size_t i = 0; i < segment->encap_count; i++)
		encap_destroy(segment->encaps[i]);
	free(segment->encaps);
	fdb_segment_del(sw->fdb, segment->number);
	connections_segment_gone(sw, segment->number);
	give_number(sw, segment);
	names_del(sw->segment_names, segment->conf.name);
	list_del(&segment->link);
	conf_clear(&segment_schema, &segment->conf);
	free(segment);
}

bool segment_must_restart(const struct segment *segment, const struct segment_conf *conf)
{
	return segment->conf.id != conf->id;
}

int segment_reconf(struct segment *segment, const struct segment_conf *conf)
{
	struct fdb_limits limits = limits_of(conf);
	bool tags_changed = segment->conf.tags != conf->tags;
	int ret;

	if (!conf_replace(&segment_schema, &segment->conf, conf))
		return -ENOMEM;
	segment->reserved = reserved_of(conf);
	ret = fdb_segment_set(segment->sw->fdb, segment->number, &limits);
	for (size_t i = 0; i < segment->encap_count; i++) {
		segment->encaps[i]->encap.segment_name = segment->conf.name;
		segment->encaps[i]->encap.inner_tags = segment->conf.tags == TAGS_PASS;
	}
	if (update_encaps(segment) < 0)
		ret = -ENOMEM;
	if (snooping_update(segment) < 0)
		ret = -ENOMEM;
	if (tags_changed)
		segment->mtu = 0;
	segment_update_mtu(segment);
	segment_update_merge(segment);
	return ret;
}
