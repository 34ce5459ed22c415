/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

bool mac_is_zero(const struct mac *mac)
{
	static const struct mac zero;

	return mac_equal(mac, &zero);
}

bool mac_is_broadcast(const struct mac *mac)
{
	static const struct mac all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

	return mac_equal(mac, &all);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, struct mac *mac)
{
	struct mac out;

	for (int i = 0; i < MAC_LEN; i++) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0)
			return -EINVAL;
		out.octet[i] = (uint8_t)(high * 16 + low);
		text += 2;
		if (i < MAC_LEN - 1) {
			if (*text != ':' && *text != '-')
				return -EINVAL;
			text++;
		}
	}
	if (*text != '\0')
		return -EINVAL;
	*mac = out;
	return 0;
}

const char *mac_format(const struct mac *mac, char buf[MAC_STRLEN])
{
	static const char digits[] = "0123456789abcdef";
	char *out = buf;

	for (unsigned i = 0; i < MAC_LEN; i++) {
		*out++ = digits[mac->octet[i] >> 4];
		*out++ = digits[mac->octet[i] & 15];
		*out++ = ':';
	}
	out[-1] = '\0';
	return buf;
}

struct ipaddr ipaddr_of_mac(const struct mac *mac)
{
	struct ipaddr addr = {.family = AF_PACKET};

	memcpy(addr.bytes, mac->octet, MAC_LEN);
	return addr;
}

bool ipaddr_to_mac(const struct ipaddr *addr, struct mac *mac)
{
	if (addr->family != AF_PACKET)
		return false;
	memcpy(mac->octet, addr->bytes, MAC_LEN);
	return true;
}

struct ipaddr ipaddr_v4(struct in_addr v4)
{
	struct ipaddr addr;

	memset(&addr, 0, sizeof(addr));
	addr.family = AF_INET;
	addr.v4 = v4;
	return addr;
}

struct ipaddr ipaddr_v6(const struct in6_addr *v6)
{
	struct ipaddr addr;

	memset(&addr, 0, sizeof(addr));
	addr.family = AF_INET6;
	addr.v6 = *v6;
	return addr;
}

bool ipaddr_is_multicast(const struct ipaddr *addr)
{
	if (addr->family == AF_INET)
		return IN_MULTICAST(ntohl(addr->v4.s_addr));
	return addr->family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&addr->v6);
}

bool ipaddr_is_unspecified(const struct ipaddr *addr)
{
	if (addr->family == AF_INET)
		return addr->v4.s_addr == 0;
	return addr->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->v6);
}

int ipaddr_parse(const char *text, struct ipaddr *addr)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		*addr = ipaddr_v4(v4);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		*addr = ipaddr_v6(&v6);
	else
		return -EINVAL;
	return 0;
}

const char *ipaddr_format(const struct ipaddr *addr, char buf[ADDR_STRLEN])
{
	struct mac mac;

	if (ipaddr_to_mac(addr, &mac))
		return mac_format(&mac, buf);
	if (!ipaddr_is_set(addr) || !inet_ntop(addr->family, addr->bytes, buf, ADDR_STRLEN))
		(void)snprintf(buf, ADDR_STRLEN, "none");
	return buf;
}

socklen_t ipaddr_to_sockaddr(const struct ipaddr *addr, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	ss->ss_family = addr->family;
	if (addr->family == AF_INET6) {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;

		sin6->sin6_addr = addr->v6;
		return sizeof(*sin6);
	}
	((struct sockaddr_in *)ss)->sin_addr = addr->v4;
	return sizeof(struct sockaddr_in);
}

static unsigned family_bits(uint16_t family)
{
	return family == AF_INET ? 32 : 128;
}

/* Whether bits from..to-1 of the address are equal to those of the other. */
static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		uint8_t mask = (uint8_t)(0x80u >> (i % 8));

		if (i % 8 == 0 && to - i >= 8) {
			if (a[i / 8] != b[i / 8])
				return false;
			i += 7;
		} else if ((a[i / 8] ^ b[i / 8]) & mask) {
			return false;
		}
	}
	return true;
}

int ipprefix_parse_interface(const char *text, struct ipprefix *prefix)
{
	const char *slash = strchr(text, '/');
	struct ipprefix out;
	char buf[ADDR_STRLEN];
	unsigned len = 0;

	if (!slash || (size_t)(slash - text) >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, (size_t)(slash - text));
	buf[slash - text] = '\0';
	if (ipaddr_parse(buf, &out.addr) < 0)
		return -EINVAL;
	if (slash[1] == '\0')
		return -EINVAL;
	for (const char *p = slash + 1; *p; p++) {
		if (*p < '0' || *p > '9' || p - slash > 3)
			return -EINVAL;
		len = len * 10 + (unsigned)(*p - '0');
	}
	if (len > family_bits(out.addr.family))
		return -EINVAL;
	out.len = (uint8_t)len;
	*prefix = out;
	return 0;
}

int ipprefix_parse(const char *text, struct ipprefix *prefix)
{
	static const uint8_t zero[16];
	struct ipprefix out;

	if (!strchr(text, '/')) {
		if (ipaddr_parse(text, &out.addr) < 0)
			return -EINVAL;
		out.len = (uint8_t)family_bits(out.addr.family);
	} else if (ipprefix_parse_interface(text, &out) < 0 ||
		   !bits_equal(out.addr.bytes, zero, out.len, family_bits(out.addr.family))) {
		return -EINVAL;
	}
	*prefix = out;
	return 0;
}

bool ipprefix_contains(const struct ipprefix *prefix, const struct ipaddr *addr)
{
	return prefix->addr.family == addr->family &&
	       bits_equal(prefix->addr.bytes, addr->bytes, 0, prefix->len);
}

void ipprefix_clear_host(struct ipprefix *prefix)
{
	unsigned bits = prefix->addr.family == AF_INET ? 32 : 128;

	for (unsigned bit = prefix->len; bit < bits; bit++)
		prefix->addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

const char *ipprefix_format(const struct ipprefix *prefix, char buf[ADDR_STRLEN])
{
	size_t used;

	ipaddr_format(&prefix->addr, buf);
	used = strlen(buf);
	(void)snprintf(buf + used, ADDR_STRLEN - used, "/%u", prefix->len);
	return buf;
}

struct mac ipaddr_group_mac(const struct ipaddr *group)
{
	const uint8_t *b = group->bytes;

	if (group->family == AF_INET6)
		return (struct mac){{0x33, 0x33, b[12], b[13], b[14], b[15]}};
	return (struct mac){{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}};
}
