/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mcast.h"

#include <arpa/inet.h>

#include "lib/checksum.h"

#define IGMP_QUERY    0x11
#define IGMP_REPORT_1 0x12
#define IGMP_REPORT_2 0x16
#define IGMP_LEAVE    0x17
#define IGMP_REPORT_3 0x22
#define MLD_QUERY     130
#define MLD_REPORT_1  131
#define MLD_DONE      132
#define MLD_REPORT_2  143
#define OPTION_ALERT  5	    /* of a hop-by-hop header: RFC 2711 */
#define IGMP_MAX      1500u /* bytes of a message that is looked at */
#define FRAME_MIN     60u
#define ROBUSTNESS    2

/* Record types of both: RFC 3376 section 4.2.12. */
enum record_type {
	IS_INCLUDE = 1,
	IS_EXCLUDE,
	TO_INCLUDE,
	TO_EXCLUDE,
	ALLOW_NEW,
	BLOCK_OLD,
};

struct igmp_query { /* version 3; version 2 ends behind the group */
	uint8_t type, response;
	uint16_t checksum;
	uint8_t group[4];
	uint8_t flags, interval;
	uint16_t sources;
} __attribute__((packed));

struct mld_query { /* version 2; version 1 ends behind the group */
	uint8_t type, code;
	uint16_t checksum, response, reserved;
	uint8_t group[16];
	uint8_t flags, interval;
	uint16_t sources;
} __attribute__((packed));

struct report_header { /* of version 3 and 2 */
	uint8_t type, reserved;
	uint16_t checksum, more, records;
} __attribute__((packed));

struct record_header {	   /* the group follows, of 4 or 16 bytes, and then sources */
	uint8_t type, aux; /* `aux` in words of 4 bytes, behind the sources */
	uint16_t sources;
} __attribute__((packed));

/* Small numbers as they are, larger ones with mantissa and exponent: RFC 3376 section 4.1.1. */
static uint32_t code_8(uint8_t code)
{
	return code < 0x80 ? code : ((code & 0xfu) | 0x10u) << (((code >> 4) & 7u) + 3u);
}

static uint32_t code_16(uint16_t code)
{
	return code < 0x8000 ? code : ((code & 0xfffu) | 0x1000u) << (((code >> 12) & 7u) + 3u);
}

static struct ipaddr group_of(uint8_t version, const uint8_t *bytes)
{
	struct ipaddr group = {.family = version == 4 ? AF_INET : AF_INET6};

	memcpy(group.bytes, bytes, version == 4 ? 4 : 16);
	return group;
}

/* ---- reading ---- */

static void parse_query_rest(struct mcast_message *m, uint8_t flags, uint8_t interval,
			     uint16_t sources)
{
	m->suppress = flags & 0x8;
	m->robustness = flags & 0x7;
	m->interval_ms = code_8(interval) * 1000;
	m->sources = sources != 0;
}

static void parse_igmp(const struct frame *frame, struct mcast_message *m, size_t len)
{
	uint8_t bytes[sizeof(struct igmp_query)] = {0};
	struct igmp_query head;

	if (len < 8 || !frame_peek(frame, m->at, len < sizeof(bytes) ? len : sizeof(bytes), bytes))
		return;
	memcpy(&head, bytes, sizeof(head));
	m->group = group_of(4, head.group);
	switch (head.type) {
	case IGMP_QUERY:
		/* Between 8 and 12 bytes there is no version; 1 has no response time. */
		if (len != 8 && len < sizeof(head))
			return;
		m->kind = MCAST_QUERY;
		m->response_ms = 100 * (len == 8 ? head.response : code_8(head.response));
		if (m->response_ms == 0)
			m->response_ms = 10000;
		if (len >= sizeof(head))
			parse_query_rest(m, head.flags, head.interval, head.sources);
		if (!ipaddr_is_unspecified(&m->group) && !ipaddr_is_multicast(&m->group))
			m->kind = MCAST_NONE;
		break;
	case IGMP_REPORT_1:
	case IGMP_REPORT_2:
	case IGMP_LEAVE:
		m->whole = true;
		m->joins = head.type != IGMP_LEAVE;
		m->kind = ipaddr_is_multicast(&m->group) ? MCAST_REPORT : MCAST_NONE;
		break;
	case IGMP_REPORT_3:
		m->kind = MCAST_REPORT;
		m->left = (uint16_t)(bytes[6] << 8 | bytes[7]);
		m->at += (uint32_t)sizeof(struct report_header);
		break;
	default:
		break;
	}
}

static void parse_mld(const struct frame *frame, struct mcast_message *m, size_t len)
{
	uint8_t bytes[sizeof(struct mld_query)] = {0};
	struct mld_query head;

	if (len < 8 || !frame_peek(frame, m->at, len < sizeof(bytes) ? len : sizeof(bytes), bytes))
		return;
	memcpy(&head, bytes, sizeof(head));
	m->group = group_of(6, head.group);
	if (head.type == MLD_REPORT_2) {
		m->kind = MCAST_REPORT;
		m->left = (uint16_t)(bytes[6] << 8 | bytes[7]);
		m->at += (uint32_t)sizeof(struct report_header);
		return;
	}
	if (len < 24)
		return;
	switch (head.type) {
	case MLD_QUERY:
		if (len != 24 && len < sizeof(head))
			return;
		m->kind = MCAST_QUERY;
		m->response_ms = len == 24 ? ntohs(head.response) : code_16(ntohs(head.response));
		if (len >= sizeof(head))
			parse_query_rest(m, head.flags, head.interval, head.sources);
		if (!ipaddr_is_unspecified(&m->group) && !ipaddr_is_multicast(&m->group))
			m->kind = MCAST_NONE;
		break;
	case MLD_REPORT_1:
	case MLD_DONE:
		m->whole = true;
		m->joins = head.type == MLD_REPORT_1;
		m->kind = ipaddr_is_multicast(&m->group) ? MCAST_REPORT : MCAST_NONE;
		break;
	default:
		break;
	}
}

/* Whether a hop-by-hop header that begins right behind the IPv6 header asks routers to look. */
static bool has_alert(const struct frame *frame, const struct packet *packet,
		      const struct ipv6_header *ip)
{
	size_t off = packet->l3_off + sizeof(*ip), end;
	uint8_t head[2];

	if (ip->next_header != IPPROTO_HOPOPTS || !frame_peek(frame, off, sizeof(head), head))
		return false;
	end = off + (head[1] + 1u) * 8u;
	off += sizeof(head);
	while (off < end) {
		if (!frame_peek(frame, off, 1, head))
			return false;
		if (head[0] == 0) { /* padding of one byte has no length */
			off++;
			continue;
		}
		if (!frame_peek(frame, off, sizeof(head), head))
			return false;
		if (head[0] == OPTION_ALERT)
			return true;
		off += 2u + head[1];
	}
	return false;
}

/* The checksum of what begins at `off`, over `sum` of a pseudo-header. */
static bool checksum_holds(const struct frame *frame, uint64_t sum, size_t off, size_t len)
{
	uint8_t bytes[IGMP_MAX];

	return len <= sizeof(bytes) && frame_peek(frame, off, len, bytes) &&
	       checksum_fold(checksum_add(sum, bytes, len)) == 0xffff;
}

/*
 * Whether a query gets to all whom it asks: hosts drop what has a wrong header checksum, a
 * source that nobody can have, or is to others.
 */
static bool query_is_heard(const struct frame *frame, const struct packet *packet,
			   const struct mcast_message *m, const struct ipaddr *dst)
{
	static const uint8_t all[2][16] = {{224, 0, 0, 1}, {0xff, 2, [15] = 1}};
	const uint8_t first = m->source.bytes[0];
	struct ipaddr asked = m->group;
	struct mac mac;

	if (ipaddr_is_unspecified(&asked))
		asked = group_of(m->ip_version, all[m->ip_version == 6]);
	mac = ipaddr_group_mac(&asked);
	if (!ipaddr_equal(dst, &asked) || !mac_equal(&packet->eth.dst, &mac))
		return false;
	if (m->ip_version == 6)
		return true; /* its source is link-local */
	return first != 127 && first < 224 &&
	       checksum_holds(frame, 0, packet->l3_off, (size_t)packet->l4_off - packet->l3_off);
}

void mcast_parse(const struct frame *frame, const struct packet *packet,
		 struct mcast_message *message)
{
	struct mcast_message *m = message;
	struct ipv4_header ip4;
	struct ipv6_header ip6;
	struct ipaddr dst = {.family = 0};
	size_t len;

	memset(m, 0, sizeof(*m));
	if (packet->ip_version == 0 || packet->l4_off == FRAME_OFF_UNSET || packet->fragment ||
	    frame->offload.csum_partial)
		return;
	m->at = packet->l4_off;
	m->end = packet->l3_off + packet->l3_len;
	len = m->end - m->at;
	m->ip_version = packet->ip_version;
	if (m->ip_version == 4 && packet->protocol == IPPROTO_IGMP &&
	    frame_peek(frame, packet->l3_off, sizeof(ip4), &ip4) && ip4.ttl == 1 &&
	    checksum_holds(frame, 0, m->at, len)) {
		m->source = group_of(4, ip4.src);
		dst = group_of(4, ip4.dst);
		parse_igmp(frame, m, len);
	} else if (m->ip_version == 6 && packet->protocol == IPPROTO_ICMPV6 &&
		   frame_peek(frame, packet->l3_off, sizeof(ip6), &ip6) && ip6.hop_limit == 1 &&
		   has_alert(frame, packet, &ip6) &&
		   checksum_holds(frame,
				  checksum_pseudo(ip6.src, ip6.dst, sizeof(ip6.src), IPPROTO_ICMPV6,
						  (uint32_t)len),
				  m->at, len)) {
		m->source = group_of(6, ip6.src);
		dst = group_of(6, ip6.dst);
		parse_mld(frame, m, len);
		/* Who has no address yet may report (RFC 3590), but not ask. */
		if (!(ip6.src[0] == 0xfe && (ip6.src[1] & 0xc0) == 0x80) &&
		    !(m->kind == MCAST_REPORT && ipaddr_is_unspecified(&m->source)))
			m->kind = MCAST_NONE;
	}
	if (m->kind == MCAST_QUERY && !query_is_heard(frame, packet, m, &dst))
		m->kind = MCAST_NONE;
}

bool mcast_next(const struct frame *frame, struct mcast_message *report,
		struct mcast_record *record)
{
	struct mcast_message *m = report;
	size_t addr_len = m->ip_version == 4 ? 4 : 16;

	if (m->whole) {
		m->whole = false;
		*record = (struct mcast_record){m->group, m->joins};
		return true;
	}
	while (m->left > 0) {
		struct record_header head;
		uint8_t group[16];
		size_t need, sources;

		m->left--;
		if (sizeof(head) + addr_len > m->end - m->at ||
		    !frame_peek(frame, m->at, sizeof(head), &head) ||
		    !frame_peek(frame, m->at + sizeof(head), addr_len, group))
			break;
		sources = ntohs(head.sources);
		need = sizeof(head) + addr_len * (1 + sources) + head.aux * 4u;
		if (need > m->end - m->at)
			break;
		m->at += (uint32_t)need;
		record->group = group_of(m->ip_version, group);
		/* To block sources does not say whether others are still wanted: no change. */
		if (head.type < IS_INCLUDE || head.type >= BLOCK_OLD ||
		    !ipaddr_is_multicast(&record->group))
			continue;
		record->joins = head.type == IS_EXCLUDE || head.type == TO_EXCLUDE || sources > 0;
		/* "No source any more" is how one leaves; "no new source" says nothing. */
		if (head.type == ALLOW_NEW && sources == 0)
			continue;
		return true;
	}
	m->left = 0;
	return false;
}

/* ---- writing ---- */

/* The code of `bits` of mantissa for a number, rounded down. */
static uint16_t code_of(uint32_t value, unsigned bits)
{
	const uint32_t hidden = 1u << bits, coded = hidden * 8;
	uint32_t exponent = 0;

	if (value < coded)
		return (uint16_t)value;
	value >>= 3;
	while (value >= 2 * hidden && exponent < 7) {
		value >>= 1;
		exponent++;
	}
	if (value >= 2 * hidden)
		value = 2 * hidden - 1;
	return (uint16_t)(coded | exponent << bits | (value & (hidden - 1)));
}

static size_t query_v4(uint8_t *to, const struct ipaddr *source, const struct ipaddr *group,
		       uint32_t response_ms, uint32_t interval_ms)
{
	static const uint8_t alert[4] = {0x94, 4, 0, 0}; /* RFC 2113 */
	struct ipv4_header ip = {
	    .version_ihl = 0x46,
	    .tos = 0xc0, /* network control, as RFC 3376 section 4 asks for */
	    .total_len = htons(sizeof(ip) + sizeof(alert) + sizeof(struct igmp_query)),
	    .ttl = 1,
	    .protocol = IPPROTO_IGMP,
	    .dst = {224, 0, 0, 1},
	};
	struct igmp_query query = {
	    .type = IGMP_QUERY,
	    .response = (uint8_t)code_of(response_ms / 100, 4),
	    .flags = ROBUSTNESS,
	    .interval = (uint8_t)code_of(interval_ms / 1000, 4),
	};
	uint64_t sum;

	memcpy(ip.src, source->bytes, sizeof(ip.src));
	if (!ipaddr_is_unspecified(group)) {
		memcpy(ip.dst, group->bytes, sizeof(ip.dst));
		memcpy(query.group, group->bytes, sizeof(query.group));
	}
	sum = checksum_add(checksum_add(0, &ip, sizeof(ip)), alert, sizeof(alert));
	ip.checksum = (uint16_t)~checksum_fold(sum);
	query.checksum = checksum(&query, sizeof(query));
	memcpy(to, &ip, sizeof(ip));
	memcpy(to + sizeof(ip), alert, sizeof(alert));
	memcpy(to + sizeof(ip) + sizeof(alert), &query, sizeof(query));
	return sizeof(ip) + sizeof(alert) + sizeof(query);
}

static size_t query_v6(uint8_t *to, const struct ipaddr *source, const struct ipaddr *group,
		       uint32_t response_ms, uint32_t interval_ms)
{
	/* A hop-by-hop header with the router alert, value 0 (MLD), and two bytes of padding. */
	static const uint8_t hop[8] = {IPPROTO_ICMPV6, 0, OPTION_ALERT, 2, 0, 0, 1, 0};
	struct ipv6_header ip = {
	    .version_class_label = htonl(6u << 28),
	    .payload_len = htons(sizeof(hop) + sizeof(struct mld_query)),
	    .next_header = IPPROTO_HOPOPTS,
	    .hop_limit = 1,
	    .dst = {0xff, 2, [15] = 1},
	};
	struct mld_query query = {
	    .type = MLD_QUERY,
	    .response = htons(code_of(response_ms, 12)),
	    .flags = ROBUSTNESS,
	    .interval = (uint8_t)code_of(interval_ms / 1000, 4),
	};
	uint64_t sum;

	memcpy(ip.src, source->bytes, sizeof(ip.src));
	if (!ipaddr_is_unspecified(group)) {
		memcpy(ip.dst, group->bytes, sizeof(ip.dst));
		memcpy(query.group, group->bytes, sizeof(query.group));
	}
	sum = checksum_pseudo(ip.src, ip.dst, sizeof(ip.src), IPPROTO_ICMPV6, sizeof(query));
	query.checksum = (uint16_t)~checksum_fold(checksum_add(sum, &query, sizeof(query)));
	memcpy(to, &ip, sizeof(ip));
	memcpy(to + sizeof(ip), hop, sizeof(hop));
	memcpy(to + sizeof(ip) + sizeof(hop), &query, sizeof(query));
	return sizeof(ip) + sizeof(hop) + sizeof(query);
}

size_t mcast_query(uint8_t to[MCAST_QUERY_MAX], const struct mac *mac, const struct ipaddr *source,
		   const struct ipaddr *group, uint32_t response_ms, uint32_t interval_ms)
{
	static const struct ipaddr all[] = {
	    {.family = AF_INET, .bytes = {224, 0, 0, 1}},
	    {.family = AF_INET6, .bytes = {0xff, 2, [15] = 1}},
	};
	bool v4 = group->family == AF_INET;
	struct eth_header eth = {
	    .src = *mac,
	    .dst = ipaddr_group_mac(!ipaddr_is_unspecified(group) ? group : &all[v4 ? 0 : 1]),
	    .type = htons(v4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6),
	};
	size_t len;

	memset(to, 0, MCAST_QUERY_MAX);
	memcpy(to, &eth, sizeof(eth));
	len = sizeof(eth) +
	      (v4 ? query_v4 : query_v6)(to + sizeof(eth), source, group, response_ms, interval_ms);
	return len < FRAME_MIN ? FRAME_MIN : len;
}
