/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/icmp_error.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>

#include "lib/checksum.h"

#define QUOTE_IPV4 576u	 /* RFC 1812 section 4.3.2.3: the whole error is no longer */
#define QUOTE_IPV6 1280u /* RFC 4443 section 2.4 (c) */
#define HOP_LIMIT  64

#define ICMP4_ECHO_REPLY    0
#define ICMP4_UNREACHABLE   3
#define ICMP4_SOURCE_QUENCH 4
#define ICMP4_REDIRECT	    5
#define ICMP4_ECHO	    8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER	    12
#define ICMP6_INFORMATION   128 /* below: errors */
#define ICMP6_ECHO	    128
#define ICMP6_ECHO_REPLY    129
#define ICMP6_REDIRECT	    137

struct icmp_header {
	uint8_t type, code;
	uint16_t checksum;
	uint32_t rest; /* unused, an MTU, or id and sequence number */
} __attribute__((packed));

/* ---- when none may be sent ---- */

/* RFC 1122 section 3.2.1.3, RFC 1812 section 5.3.7: neither "this network", loopback, a
 * group, reserved, nor broadcast. */
static bool is_single_v4(const uint8_t addr[4])
{
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

static bool is_single_v6(const uint8_t addr[16])
{
	static const uint8_t loopback[16] = {[15] = 1};
	static const uint8_t none[16];

	return addr[0] != 0xff && memcmp(addr, none, 16) != 0 && memcmp(addr, loopback, 16) != 0;
}

/* The ICMP type, or -1 if it is not to be seen. */
static int icmp_type(const struct frame *frame, const struct packet *packet)
{
	uint8_t type;

	if (packet->l4_off == FRAME_OFF_UNSET ||
	    (unsigned)packet->l4_off - packet->l3_off >= packet->l3_len ||
	    !frame_peek(frame, packet->l4_off, sizeof(type), &type))
		return -1;
	return type;
}

static bool may_v4(const struct frame *frame, const struct packet *packet)
{
	struct ipv4_header ip;

	if (!frame_peek(frame, packet->l3_off, sizeof(ip), &ip) || !is_single_v4(ip.src) ||
	    !is_single_v4(ip.dst))
		return false;
	if ((ntohs(ip.fragment) & 0x1fff) != 0)
		return false;
	if (packet->protocol != IPPROTO_ICMP)
		return true;
	switch (icmp_type(frame, packet)) {
	case ICMP4_UNREACHABLE:
	case ICMP4_SOURCE_QUENCH:
	case ICMP4_REDIRECT:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAMETER:
	case -1:
		return false;
	default:
		return true;
	}
}

static bool may_v6(const struct frame *frame, const struct packet *packet)
{
	struct ipv6_header ip;
	int type;

	if (!frame_peek(frame, packet->l3_off, sizeof(ip), &ip) || !is_single_v6(ip.src) ||
	    !is_single_v6(ip.dst) || packet->chain_cut)
		return false;
	if (packet->protocol != IPPROTO_ICMPV6)
		return true;
	type = icmp_type(frame, packet);
	return type >= ICMP6_INFORMATION && type != ICMP6_REDIRECT;
}

bool icmp_error_may(const struct frame *frame, const struct packet *packet)
{
	if (mac_is_group(&packet->eth.dst) || mac_is_group(&packet->eth.src))
		return false;
	if (packet->ip_version == 4)
		return may_v4(frame, packet);
	return packet->ip_version == 6 && may_v6(frame, packet);
}

/* ---- building ---- */

static struct icmp_header header_v4(enum icmp_error error, uint32_t mtu)
{
	static const uint8_t words[ICMP_ERROR_COUNT][2] = {
	    [ICMP_ERROR_TTL] = {ICMP4_TIME_EXCEEDED, 0},
	    [ICMP_ERROR_NET] = {ICMP4_UNREACHABLE, 0},
	    [ICMP_ERROR_HOST] = {ICMP4_UNREACHABLE, 1},
	    [ICMP_ERROR_ADMIN] = {ICMP4_UNREACHABLE, 13},
	    [ICMP_ERROR_TOO_BIG] = {ICMP4_UNREACHABLE, 4},
	};
	struct icmp_header icmp = {.type = words[error][0], .code = words[error][1]};

	if (error == ICMP_ERROR_TOO_BIG) /* RFC 1191: the lower half */
		icmp.rest = htonl(mtu > UINT16_MAX ? UINT16_MAX : mtu);
	return icmp;
}

static struct icmp_header header_v6(enum icmp_error error, uint32_t mtu)
{
	static const uint8_t words[ICMP_ERROR_COUNT][2] = {
	    [ICMP_ERROR_TTL] = {3, 0},	 [ICMP_ERROR_NET] = {1, 0},	[ICMP_ERROR_HOST] = {1, 3},
	    [ICMP_ERROR_ADMIN] = {1, 1}, [ICMP_ERROR_TOO_BIG] = {2, 0},
	};
	struct icmp_header icmp = {.type = words[error][0], .code = words[error][1]};

	if (error == ICMP_ERROR_TOO_BIG)
		icmp.rest = htonl(mtu);
	return icmp;
}

/* Writes IP and ICMP headers in front of `quoted` bytes that lie behind them already. */
static void write_v4(uint8_t *at, const uint8_t dst[4], const struct ipaddr *from,
		     struct icmp_header icmp, size_t quoted)
{
	struct ipv4_header ip = {
	    .version_ihl = 0x45,
	    .tos = 0xc0, /* RFC 1812 section 4.3.2.5: internetwork control */
	    .total_len = htons((uint16_t)(sizeof(ip) + sizeof(icmp) + quoted)),
	    .ttl = HOP_LIMIT,
	    .protocol = IPPROTO_ICMP,
	};

	memcpy(ip.src, from->bytes, sizeof(ip.src));
	memcpy(ip.dst, dst, sizeof(ip.dst));
	ip.checksum = checksum(&ip, sizeof(ip));
	memcpy(at, &ip, sizeof(ip));
	memcpy(at + sizeof(ip), &icmp, sizeof(icmp));
	icmp.checksum = checksum(at + sizeof(ip), sizeof(icmp) + quoted);
	memcpy(at + sizeof(ip), &icmp, sizeof(icmp));
}

static void write_v6(uint8_t *at, const uint8_t dst[16], const struct ipaddr *from,
		     struct icmp_header icmp, size_t quoted)
{
	uint16_t len = (uint16_t)(sizeof(icmp) + quoted);
	struct ipv6_header ip = {
	    .version_class_label = htonl(6u << 28),
	    .payload_len = htons(len),
	    .next_header = IPPROTO_ICMPV6,
	    .hop_limit = HOP_LIMIT,
	};
	uint64_t sum;

	memcpy(ip.src, from->bytes, sizeof(ip.src));
	memcpy(ip.dst, dst, sizeof(ip.dst));
	memcpy(at, &ip, sizeof(ip));
	memcpy(at + sizeof(ip), &icmp, sizeof(icmp));
	sum = checksum_pseudo(ip.src, ip.dst, sizeof(ip.src), IPPROTO_ICMPV6, len);
	icmp.checksum = (uint16_t)~checksum_fold(checksum_add(sum, at + sizeof(ip), len));
	memcpy(at + sizeof(ip), &icmp, sizeof(icmp));
}

struct frame *icmp_error_build(struct frame_pool *pool, const struct frame *frame,
			       const struct packet *packet, enum icmp_error error, uint32_t mtu,
			       const struct ipaddr *from, const struct mac *mac)
{
	bool four = packet->ip_version == 4;
	size_t headers = (four ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header)) +
			 sizeof(struct icmp_header);
	size_t quoted = (four ? QUOTE_IPV4 : QUOTE_IPV6) - headers;
	struct eth_header eth = {.dst = packet->eth.src, .src = *mac};
	struct frame *out;
	uint8_t *ip;

	assert(from->family == (four ? AF_INET : AF_INET6));
	if (quoted > packet->l3_len)
		quoted = packet->l3_len;
	out = frame_alloc(pool, sizeof(eth) + headers + quoted);
	if (!out)
		return NULL;
	out->len = (uint32_t)(sizeof(eth) + headers + quoted);
	ip = out->data + sizeof(eth);
	memcpy(ip + headers, frame->data + packet->l3_off, quoted);
	if (four) {
		const struct ipv4_header *was = (const void *)(ip + headers);

		eth.type = htons(ETHERTYPE_IPV4);
		write_v4(ip, was->src, from, header_v4(error, mtu), quoted);
	} else {
		const struct ipv6_header *was = (const void *)(ip + headers);

		eth.type = htons(ETHERTYPE_IPV6);
		write_v6(ip, was->src, from, header_v6(error, mtu), quoted);
	}
	memcpy(out->data, &eth, sizeof(eth));
	return out;
}

/* ---- echo ---- */

bool icmp_is_echo(const struct frame *frame, const struct packet *packet)
{
	size_t fixed =
	    packet->ip_version == 4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
	struct icmp_header icmp;

	if (packet->ip_version == 0 || packet->fragment || packet->l4_off == FRAME_OFF_UNSET ||
	    packet->l4_off != packet->l3_off + fixed || packet->l3_len - fixed < sizeof(icmp) ||
	    frame->offload.gso != FRAME_GSO_NONE || !icmp_error_may(frame, packet) ||
	    !frame_peek(frame, packet->l4_off, sizeof(icmp), &icmp) || icmp.code != 0)
		return false;
	if (packet->ip_version == 4)
		return packet->protocol == IPPROTO_ICMP && icmp.type == ICMP4_ECHO;
	return packet->protocol == IPPROTO_ICMPV6 && icmp.type == ICMP6_ECHO;
}

bool icmp_echo_answer(struct frame *frame, const struct packet *packet, const struct mac *mac)
{
	struct eth_header eth = {
	    .dst = packet->eth.src, .src = *mac, .type = htons(packet->ethertype)};
	uint8_t *l3, *l4;
	uint16_t word[2], check;

	if (!frame_writable(frame))
		return false;
	memcpy(frame->data, &eth, sizeof(eth));
	l3 = frame->data + packet->l3_off;
	l4 = frame->data + packet->l4_off;
	if (packet->ip_version == 4) {
		struct ipv4_header ip, was;

		memcpy(&was, l3, sizeof(was));
		ip = was;
		memcpy(ip.src, was.dst, sizeof(ip.src));
		memcpy(ip.dst, was.src, sizeof(ip.dst));
		ip.ttl = HOP_LIMIT;
		ip.checksum = 0;
		ip.checksum = checksum(&ip, sizeof(ip));
		memcpy(l3, &ip, sizeof(ip));
	} else {
		struct ipv6_header ip, was;

		memcpy(&was, l3, sizeof(was));
		ip = was;
		memcpy(ip.src, was.dst, sizeof(ip.src));
		memcpy(ip.dst, was.src, sizeof(ip.dst));
		ip.hop_limit = HOP_LIMIT;
		memcpy(l3, &ip, sizeof(ip));
	}
	/* The sum knows the addresses in either order; only the type changes. */
	memcpy(&word[0], l4, sizeof(word[0]));
	l4[0] = packet->ip_version == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	if (frame->offload.csum_partial)
		return true;
	memcpy(&word[1], l4, sizeof(word[1]));
	memcpy(&check, l4 + offsetof(struct icmp_header, checksum), sizeof(check));
	check = checksum_update(check, word[0], word[1]);
	memcpy(l4 + offsetof(struct icmp_header, checksum), &check, sizeof(check));
	return true;
}
