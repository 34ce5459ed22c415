/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/macrewrite.h"

#include <arpa/inet.h>
#include <errno.h>

#include "encap/gso.h"

#define OCTET_MAX   255
#define REFUSE(...) ((void)conf_fail(__VA_ARGS__), -EINVAL)

/* clang-format off */
static const struct conf_key macrewrite_keys[] = {
	ENCAP_COMMON_KEYS(struct macrewrite_conf),
	{.name = "farm", .type = CONF_INT, .offset = offsetof(struct macrewrite_conf, farm), .required = true, .min = 1, .max = 65535},
	{.name = "subnet", .type = CONF_INT, .offset = offsetof(struct macrewrite_conf, subnet), .required = true, .min = 1, .max = 65535},
	{.name = "prefix", .type = CONF_PREFIXES, .offset = offsetof(struct macrewrite_conf, prefixes)},
	{.name = "gateway", .type = CONF_ADDRS, .offset = offsetof(struct macrewrite_conf, gateways)},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema macrewrite_schema = {
    .kind = "macrewrite",
    .size = sizeof(struct macrewrite_conf),
    .keys = macrewrite_keys,
};

static const struct macrewrite_conf *conf_of(const struct encap_conf *conf)
{
	return (const struct macrewrite_conf *)conf;
}

/* The prefixes in force: how many, at most MACREWRITE_PREFIXES. */
static unsigned prefixes_of(const struct macrewrite_conf *conf,
			    struct ipprefix out[MACREWRITE_PREFIXES])
{
	const struct ipprefix *prefix = conf->prefixes.items;

	if (conf->prefixes.count == 0) {
		out[0] = (struct ipprefix){.addr = {.family = AF_INET}, .len = 24};
		out[0].addr.bytes[0] = 10;
		out[0].addr.bytes[1] = (uint8_t)conf->farm;
		out[0].addr.bytes[2] = (uint8_t)conf->subnet;
		return 1;
	}
	for (size_t i = 0; i < conf->prefixes.count && i < MACREWRITE_PREFIXES; i++)
		out[i] = prefix[i];
	return (unsigned)conf->prefixes.count;
}

static bool overlap(const struct ipprefix *a, const struct ipprefix *b)
{
	return ipprefix_contains(a->len <= b->len ? a : b, a->len <= b->len ? &b->addr : &a->addr);
}

/* An address that a single host can have, without being another's anywhere. */
static bool is_usable(const struct ipprefix *prefix)
{
	const struct ipaddr *addr = &prefix->addr;

	if (prefix->len == 0 || ipaddr_is_multicast(addr) || ipaddr_is_unspecified(addr) ||
	    macrewrite_is_link_local(addr))
		return false;
	return addr->family == AF_INET6 || (addr->bytes[0] != 127 && addr->bytes[0] < 224);
}

static int macrewrite_check(const struct encap_conf *common, int64_t id, struct err *err)
{
	const struct macrewrite_conf *conf = conf_of(common);
	const struct ipaddr *gateway = conf->gateways.items;
	struct ipprefix prefix[MACREWRITE_PREFIXES];
	unsigned count;
	char text[ADDR_STRLEN];

	(void)id; /* farm and subnet are the identifier on the wire */
	if (conf->common.relay)
		return REFUSE(conf, err,
			      "macrewrite: no relay leads out of a subnet: use a "
			      "gateway junction");
	if (conf->prefixes.count == 0 && (conf->farm > OCTET_MAX || conf->subnet > OCTET_MAX))
		return REFUSE(conf, err,
			      "macrewrite: `prefix` is missing: 10.FARM.SUBNET.0/24 "
			      "has room for numbers to 255 only");
	if (conf->prefixes.count > MACREWRITE_PREFIXES)
		return REFUSE(conf, err, "macrewrite: key \"prefix\": more than %u",
			      MACREWRITE_PREFIXES);
	count = prefixes_of(conf, prefix);
	for (unsigned i = 0; i < count; i++) {
		if (!is_usable(&prefix[i]))
			return REFUSE(conf, err,
				      "macrewrite: key \"prefix\": guests cannot have "
				      "addresses of %s",
				      ipprefix_format(&prefix[i], text));
		for (unsigned j = 0; j < i; j++)
			if (overlap(&prefix[i], &prefix[j]))
				return REFUSE(conf, err,
					      "macrewrite: key \"prefix\": %s overlaps "
					      "another",
					      ipprefix_format(&prefix[i], text));
	}
	for (size_t i = 0; i < conf->gateways.count; i++) {
		bool inside = false;

		for (unsigned j = 0; j < count; j++)
			inside |= ipprefix_contains(&prefix[j], &gateway[i]);
		if (!inside)
			return REFUSE(conf, err,
				      "macrewrite: key \"gateway\": %s is not in the "
				      "subnet",
				      ipaddr_format(&gateway[i], text));
	}
	return 0;
}

static void macrewrite_gateways(const struct encap_conf *common,
				void (*fn)(void *arg, const struct ipprefix *address), void *arg)
{
	const struct macrewrite_conf *conf = conf_of(common);
	const struct ipaddr *gateway = conf->gateways.items;
	struct ipprefix prefix[MACREWRITE_PREFIXES];
	unsigned count = prefixes_of(conf, prefix);

	for (size_t i = 0; i < conf->gateways.count; i++) {
		for (unsigned j = 0; j < count && j < MACREWRITE_PREFIXES; j++) {
			const struct ipprefix address = {gateway[i], prefix[j].len};

			if (ipprefix_contains(&prefix[j], &gateway[i]))
				fn(arg, &address);
		}
	}
}

/* Each with each: prefixes may overlap whatever they begin with. */
static uint64_t macrewrite_key(const struct encap_conf *conf, int64_t id)
{
	(void)conf;
	(void)id;
	return 0;
}

static bool macrewrite_conflict(const struct encap_conf *a, int64_t id_a,
				const struct encap_conf *b, int64_t id_b)
{
	const struct macrewrite_conf *one = conf_of(a), *two = conf_of(b);
	struct ipprefix first[MACREWRITE_PREFIXES], second[MACREWRITE_PREFIXES];
	unsigned firsts, seconds;

	(void)id_a;
	(void)id_b;
	if (strcmp(a->uplink, b->uplink) != 0)
		return false;
	if (one->farm == two->farm && one->subnet == two->subnet)
		return true;
	firsts = prefixes_of(one, first);
	seconds = prefixes_of(two, second);
	for (unsigned i = 0; i < firsts; i++) {
		for (unsigned j = 0; j < seconds; j++) {
			if (overlap(&first[i], &second[j]))
				return true;
		}
	}
	return false;
}

void macrewrite_configure(struct macrewrite *m)
{
	m->prefixes = prefixes_of(m->conf, m->prefix);
	m->group = macrewrite_group_mac((unsigned)m->conf->farm, (unsigned)m->conf->subnet);
	m->farm_group = macrewrite_group_mac((unsigned)m->conf->farm, 0);
}

/* Nothing comes on top of what a guest sends. */
static size_t macrewrite_room(const struct encap *encap, const struct ipaddr *peer)
{
	(void)peer;
	return encap->uplink->mtu + ETH_HEADER_LEN;
}

const struct encap_ops macrewrite_ops = {
    .type = "macrewrite",
    .kind = ENCAP_MACREWRITE,
    .schema = &macrewrite_schema,
    .offloads = OFFLOAD_ALL,
    .has_hosts = true,
    .no_fragments = true,
    .alone = true,
    .check = macrewrite_check,
    .key = macrewrite_key,
    .conflict = macrewrite_conflict,
    .gateways = macrewrite_gateways,
    .open = macrewrite_open,
    .reconf = macrewrite_reconf,
    .uplink_changed = macrewrite_uplink_changed,
    .close = macrewrite_close,
    .room = macrewrite_room,
    .push = macrewrite_push,
    .pop = macrewrite_pop,
    .hear = macrewrite_hear,
    .send = macrewrite_send,
    .ready = macrewrite_ready,
    .show = macrewrite_show,
    .bindings = macrewrite_bindings,
    .binding_count = macrewrite_binding_count,
    .binding_restore = macrewrite_binding_restore,
};
