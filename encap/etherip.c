/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/etherip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "encap/gso.h"
#include "lib/packet.h"

static const char *const nibbles_words[] = {"rfc", "swapped", NULL};
static const char *const transport_words[] = {"ip", "udp", NULL};
static const char *const oversize_words[] = {"clip", "fragment", "drop", NULL};

/* clang-format off */
static const struct conf_key etherip_keys[] = {
	ENCAP_COMMON_KEYS(struct etherip_conf),
	REMOTES_KEYS(struct etherip_conf),
	{.name = "nibbles", .type = CONF_ENUM, .offset = offsetof(struct etherip_conf, nibbles), .words = nibbles_words},
	{.name = "ttl", .type = CONF_INT, .offset = offsetof(struct etherip_conf, ttl), .min = 1, .max = 255},
	{.name = "transport", .type = CONF_ENUM, .offset = offsetof(struct etherip_conf, transport), .words = transport_words},
	{.name = "port", .type = CONF_INT, .offset = offsetof(struct etherip_conf, port), .min = 1, .max = UDP_FIRST_SOURCE_PORT - 1, .initial = ETHERIP_PORT},
	{.name = "oversize", .type = CONF_ENUM, .offset = offsetof(struct etherip_conf, oversize), .words = oversize_words},
	{.name = "clamp_mss", .type = CONF_BOOL, .offset = offsetof(struct etherip_conf, clamp_mss), .initial = true},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema etherip_schema = {
    .kind = "etherip",
    .size = sizeof(struct etherip_conf),
    .keys = etherip_keys,
};

static const struct etherip_conf *conf_of(const struct encap_conf *conf)
{
	return (const struct etherip_conf *)conf;
}

static const struct etherip_conf *encap_etherip_conf(const struct encap *encap)
{
	return conf_of(encap->conf);
}

/* Identifiers are refused that a strict peer would take for plain EtherIP: it
 * looks at the second byte only. */
static bool id_is_usable(int64_t id)
{
	return id >= 0 && id <= (int64_t)ETHERIP_ID_MAX && (id == 0 || (id & 0xff) != 0);
}

static int etherip_check(const struct encap_conf *common, int64_t id, struct err *err)
{
	const struct etherip_conf *conf = conf_of(common);

	if (id < 0) {
		conf_fail(conf, err, "etherip: the segment needs an `id`");
		return -EINVAL;
	}
	if (!id_is_usable(id)) {
		conf_fail(conf, err,
			  "etherip: id %lld is not usable: 1 to 4095 with a low byte that is not "
			  "zero, or 0 for plain RFC 3378 peers",
			  (long long)id);
		return -EINVAL;
	}
	if (conf->transport == TRANSPORT_IP && conf->port != ETHERIP_PORT) {
		conf_fail(conf, err, "etherip: `port` is for transport = \"udp\"");
		return -EINVAL;
	}
	if (id == 0 && conf->remotes.peers.count == 0) {
		conf_fail(conf, err, "etherip: id 0 needs `peers`");
		return -EINVAL;
	}
	if (id == 0 && ipaddr_is_set(&conf->remotes.group)) {
		conf_fail(conf, err,
			  "etherip: plain peers (id 0) are addressed by `peers`, not by a group");
		return -EINVAL;
	}
	return remotes_check(&conf->remotes, conf, "etherip", err);
}

/* Whether both send to one group; who names neither group nor peers uses the default. */
static bool share_a_group(const struct remotes_conf *a, const struct remotes_conf *b, uint16_t id)
{
	struct ipaddr by_default;

	if ((!ipaddr_is_set(&a->group) && a->peers.count) ||
	    (!ipaddr_is_set(&b->group) && b->peers.count))
		return false;
	if (ipaddr_is_set(&a->group) == ipaddr_is_set(&b->group))
		return ipaddr_equal(&a->group, &b->group);
	by_default = etherip_group((uint16_t)(a->group.family | b->group.family), id);
	return ipaddr_equal(&by_default, ipaddr_is_set(&a->group) ? &a->group : &b->group);
}

/* Identifiers differ between segments, so only plain peers, which are told apart
 * by address, and two encaps of one segment can get in each other's way. */
static bool etherip_conflict(const struct encap_conf *a, int64_t id_a, const struct encap_conf *b,
			     int64_t id_b)
{
	const struct remotes_conf *ca = &conf_of(a)->remotes, *cb = &conf_of(b)->remotes;

	if (id_a != id_b || strcmp(a->uplink, b->uplink) != 0)
		return false;
	return remotes_share_a_peer(ca, cb) || share_a_group(ca, cb, (uint16_t)id_a);
}

struct ipaddr etherip_group(uint16_t family, uint16_t id)
{
	struct in6_addr v6 = {{{0xff, 0x18, [12] = 0x54, 0x56, (uint8_t)(id >> 8), (uint8_t)id}}};

	if (family == AF_INET6)
		return ipaddr_v6(&v6);
	return ipaddr_v4((struct in_addr){htonl(0xefc00000u | id)});
}

void etherip_header(uint16_t id, enum etherip_nibbles nibbles, uint8_t out[ETHERIP_HEADER_LEN])
{
	uint8_t high = (uint8_t)(id >> 8);

	if (nibbles == NIBBLES_SWAPPED)
		out[0] = (uint8_t)(high << 4 | 0x03);
	else
		out[0] = (uint8_t)(0x30 | high);
	out[1] = (uint8_t)id;
}

/* The UDP port at which it listens; 0: it is protocol 97. */
static uint16_t port_of(const struct etherip *etherip)
{
	return etherip->conf->transport == TRANSPORT_UDP ? (uint16_t)etherip->conf->port : 0;
}

static size_t etherip_room(const struct encap *encap, const struct ipaddr *peer)
{
	const struct etherip *etherip = encap->state;

	return remotes_room(&etherip->remotes, encap->uplink, peer,
			    ETHERIP_HEADER_LEN +
				(port_of(etherip) ? sizeof(struct udp_header) : 0));
}

static enum reason etherip_push(const struct encap *encap, struct frame *frame)
{
	uint8_t *header = encap_push(frame, ETHERIP_HEADER_LEN);

	if (!header)
		return REASON_NO_BUFFER;
	etherip_header(encap->network_id, (enum etherip_nibbles)encap_etherip_conf(encap)->nibbles,
		       header);
	return REASON_NONE;
}

static enum reason etherip_pop(const struct encap *encap, struct frame *frame)
{
	uint8_t want[ETHERIP_HEADER_LEN], header[ETHERIP_HEADER_LEN];

	if (!frame_peek(frame, 0, sizeof(header), header))
		return REASON_BAD_HEADER;
	etherip_header(encap->network_id, (enum etherip_nibbles)encap_etherip_conf(encap)->nibbles,
		       want);
	if (header[0] != want[0] || header[1] != want[1])
		return REASON_UNKNOWN_ID;
	(void)frame_pull(frame, ETHERIP_HEADER_LEN);
	return REASON_NONE;
}

enum reason etherip_pull_ipv4(struct frame *frame, struct outer *outer)
{
	struct ipv4_header ip;
	struct in_addr addr;
	size_t header_len, total;

	if (!frame_peek(frame, 0, sizeof(ip), &ip))
		return REASON_BAD_HEADER;
	header_len = (ip.version_ihl & 0x0fu) * 4u;
	total = ntohs(ip.total_len);
	if (ip.version_ihl >> 4 != 4 || ip.protocol != ETHERIP_PROTOCOL ||
	    header_len < sizeof(ip) || total < header_len || total > frame->len)
		return REASON_BAD_HEADER;
	memcpy(&addr, ip.src, sizeof(addr));
	outer->src = ipaddr_v4(addr);
	memcpy(&addr, ip.dst, sizeof(addr));
	outer->dst = ipaddr_v4(addr);
	frame->len = (uint32_t)total;
	(void)frame_pull(frame, header_len);
	return REASON_NONE;
}

static int compare_peer(const void *a, const void *b)
{
	return memcmp(&((const struct etherip_peer *)a)->addr,
		      &((const struct etherip_peer *)b)->addr, sizeof(struct ipaddr));
}

static enum reason accepts(const struct etherip *etherip, const struct outer *outer)
{
	enum reason reason = remotes_accept(&etherip->remotes, etherip->encap->uplink, outer);

	if (reason == REASON_NONE && outer->fragmented && etherip->conf->oversize == OVERSIZE_DROP)
		return REASON_FRAGMENT;
	return reason;
}

static struct etherip *demux_plain(const struct etherip_table *table, uint16_t port,
				   const struct outer *outer, enum reason *reason,
				   struct etherip **blame)
{
	struct etherip_peer key = {.addr = outer->src};
	struct etherip_peer *found = NULL;

	if (table->plain_count)
		found = bsearch(&key, table->plain, table->plain_count, sizeof(key), compare_peer);
	if (!found) {
		*reason = table->plain_count ? REASON_FOREIGN_SOURCE : REASON_UNKNOWN_ID;
		return NULL;
	}
	*reason = REASON_UNKNOWN_ID;
	/* The same peer may be known on several uplinks. */
	while (found > table->plain && ipaddr_equal(&found[-1].addr, &outer->src))
		found--;
	for (; found < table->plain + table->plain_count; found++) {
		if (!ipaddr_equal(&found->addr, &outer->src))
			break;
		/* Peers agree on the transport: what came another way is not of it. */
		if (port_of(found->etherip) != port)
			continue;
		*reason = accepts(found->etherip, outer);
		*blame = found->etherip;
		if (*reason == REASON_NONE)
			return found->etherip;
	}
	return NULL;
}

/*
 * Of those with one identifier: the one that names the source as its peer goes before
 * one that listens to a prefix, since the two sides of a relay may share an uplink.
 */
static struct etherip *demux_same(struct etherip *first, uint16_t port, const struct outer *outer,
				  enum reason *reason, struct etherip **blame)
{
	struct etherip *found = NULL;

	for (struct etherip *e = first; e; e = e->next_same_id) {
		enum reason why;

		if (port_of(e) != port)
			continue;
		why = accepts(e, outer);
		if (why == REASON_NONE) {
			if (!first->next_same_id || remotes_has_peer(&e->remotes, &outer->src))
				return e;
			found = found ? found : e;
		}
		*reason = why;
		*blame = e;
	}
	return found;
}

struct etherip *etherip_demux(const struct etherip_table *table, const struct frame *frame,
			      uint16_t port, const struct outer *outer, enum reason *reason,
			      struct etherip **blame)
{
	uint8_t header[ETHERIP_HEADER_LEN];
	struct etherip *etherip;
	bool version_seen = false;

	*blame = NULL;
	if (!frame_peek(frame, 0, sizeof(header), header)) {
		*reason = REASON_BAD_HEADER;
		return NULL;
	}
	for (int nibbles = NIBBLES_RFC; nibbles <= NIBBLES_SWAPPED; nibbles++) {
		uint8_t version = nibbles == NIBBLES_RFC ? header[0] >> 4 : header[0] & 0x0f;
		uint8_t high = nibbles == NIBBLES_RFC ? header[0] & 0x0f : header[0] >> 4;
		uint16_t id = (uint16_t)(high << 8 | header[1]);

		/* The swapped form is a version only where somebody speaks it. */
		if (version != 3 || (nibbles == NIBBLES_SWAPPED && !table->count[nibbles]))
			continue;
		if (!version_seen)
			*reason = REASON_UNKNOWN_ID;
		version_seen = true;
		if (id == 0) {
			struct etherip *plain = demux_plain(table, port, outer, reason, blame);

			if (plain && plain->conf->nibbles == nibbles)
				return plain;
			if (plain)
				*reason = REASON_BAD_VERSION;
			continue;
		}
		etherip = demux_same(table->by_id[nibbles][id], port, outer, reason, blame);
		if (etherip)
			return etherip;
	}
	if (!version_seen)
		*reason = REASON_BAD_VERSION;
	return NULL;
}

static int table_add_plain(struct etherip_table *table, struct etherip *etherip)
{
	size_t count = table->plain_count + etherip->remotes.peer_count;
	struct etherip_peer *plain = realloc(table->plain, (count ? count : 1) * sizeof(*plain));

	if (!plain)
		return -ENOMEM;
	for (unsigned i = 0; i < etherip->remotes.peer_count; i++) {
		plain[table->plain_count + i].addr = etherip->remotes.peers[i];
		plain[table->plain_count + i].etherip = etherip;
	}
	table->plain = plain;
	table->plain_count = (unsigned)count;
	qsort(plain, count, sizeof(*plain), compare_peer);
	return 0;
}

int etherip_table_add(struct etherip_table *table, struct etherip *etherip)
{
	int nibbles = etherip->conf->nibbles;
	uint16_t id = etherip->encap->network_id;

	if (id == 0) {
		int ret = table_add_plain(table, etherip);

		if (ret < 0)
			return ret;
	} else {
		etherip->next_same_id = table->by_id[nibbles][id];
		table->by_id[nibbles][id] = etherip;
	}
	table->count[nibbles]++;
	etherip->listed = true;
	return 0;
}

void etherip_table_del(struct etherip_table *table, struct etherip *etherip)
{
	int nibbles = etherip->conf->nibbles;
	uint16_t id = etherip->encap->network_id;

	if (!etherip->listed)
		return;
	etherip->listed = false;
	table->count[nibbles]--;
	if (id == 0) {
		unsigned kept = 0;

		for (unsigned i = 0; i < table->plain_count; i++) {
			if (table->plain[i].etherip != etherip)
				table->plain[kept++] = table->plain[i];
		}
		table->plain_count = kept;
		if (kept == 0) {
			free(table->plain);
			table->plain = NULL;
		}
		return;
	}
	for (struct etherip **p = &table->by_id[nibbles][id]; *p; p = &(*p)->next_same_id) {
		if (*p == etherip) {
			*p = etherip->next_same_id;
			return;
		}
	}
}

unsigned etherip_flow(const struct frame *frame)
{
	return udp_flow(frame, ETHERIP_HEADER_LEN);
}

static bool etherip_ready(const struct encap *encap)
{
	const struct etherip *etherip = encap->state;

	return remotes_ready(&etherip->remotes, encap->uplink);
}

static void etherip_show(const struct encap *encap, json_t *object)
{
	const struct etherip *etherip = encap->state;

	json_object_set_new(object, "id", json_integer(encap->network_id));
	remotes_show(&etherip->remotes, object);
	json_object_set_new(object, "nibbles", json_string(nibbles_words[etherip->conf->nibbles]));
	json_object_set_new(object, "transport",
			    json_string(transport_words[etherip->conf->transport]));
	if (port_of(etherip))
		json_object_set_new(object, "port", json_integer(port_of(etherip)));
	json_object_set_new(object, "oversize",
			    json_string(oversize_words[etherip->conf->oversize]));
	json_object_set_new(object, "clamp_mss", json_boolean(etherip->conf->clamp_mss));
	json_object_set_new(object, "reassembled", json_integer((json_int_t)etherip->reassembled));
	etherip_show_io(encap, object);
}

static bool etherip_reaches(const struct encap *encap, const struct ipaddr *host)
{
	const struct etherip *etherip = encap->state;

	return remotes_reach(&etherip->remotes, encap->uplink, host);
}

static const struct ipaddr *etherip_peers(const struct encap *encap, size_t *count)
{
	const struct etherip *etherip = encap->state;

	*count = etherip->remotes.peer_count;
	return etherip->remotes.peers;
}

const struct encap_ops etherip_ops = {
    .type = "etherip",
    .kind = ENCAP_ETHERIP,
    .schema = &etherip_schema,
    .offloads = OFFLOAD_NONE,
    .takes = etherip_takes,
    .has_hosts = true,
    .check = etherip_check,
    .conflict = etherip_conflict,
    .open = etherip_open,
    .reconf = etherip_reconf,
    .uplink_changed = etherip_uplink_changed,
    .yield = etherip_yield,
    .close = etherip_close,
    .room = etherip_room,
    .push = etherip_push,
    .pop = etherip_pop,
    .send = etherip_send,
    .ready = etherip_ready,
    .show = etherip_show,
    .reaches = etherip_reaches,
    .peers = etherip_peers,
    .count = etherip_rings_count,
};
