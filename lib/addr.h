/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MAC addresses, IP addresses of either family, and prefixes.
 */
#ifndef TVD_ADDR_H
#define TVD_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define MAC_LEN	    6
#define MAC_STRLEN  18 /* "xx:xx:xx:xx:xx:xx" and the NUL */
#define ADDR_STRLEN 64 /* an IPv6 address, "/128", and the NUL */

struct mac {
	uint8_t octet[MAC_LEN];
};

/*
 * An IPv4 or IPv6 address in network byte order; family 0 is "none". Bytes that
 * a family does not use are zero, so that two can be compared as memory. A host that
 * is known by its MAC address alone is of family AF_PACKET: as a location only,
 * never where IP addresses are read or written.
 */
struct ipaddr {
	uint16_t family; /* AF_INET, AF_INET6, AF_PACKET or 0 */
	uint16_t pad;
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};

struct ipprefix {
	struct ipaddr addr;
	uint8_t len;
};

/* A group address has the lowest bit of its first octet set; broadcast is one. */
static inline bool mac_is_group(const struct mac *mac)
{
	return mac->octet[0] & 1;
}

static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool mac_is_zero(const struct mac *mac);
bool mac_is_broadcast(const struct mac *mac);

/* Six hexadecimal pairs with ':' or '-' between. 0, or -EINVAL. */
int mac_parse(const char *text, struct mac *mac);

/* Writes the lower-case form with ':' and returns buf. */
const char *mac_format(const struct mac *mac, char buf[MAC_STRLEN]);

static inline bool ipaddr_is_set(const struct ipaddr *addr)
{
	return addr->family != 0;
}

static inline bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* A host by its MAC address, and that address of one that is (else false). */
struct ipaddr ipaddr_of_mac(const struct mac *mac);
bool ipaddr_to_mac(const struct ipaddr *addr, struct mac *mac);

struct ipaddr ipaddr_v4(struct in_addr v4);
struct ipaddr ipaddr_v6(const struct in6_addr *v6);
bool ipaddr_is_multicast(const struct ipaddr *addr);
bool ipaddr_is_unspecified(const struct ipaddr *addr);

/* A numeric address of either family, never a name. 0, or -EINVAL. */
int ipaddr_parse(const char *text, struct ipaddr *addr);

/* Of any family, as a location is written: a MAC address, too. */
const char *ipaddr_format(const struct ipaddr *addr, char buf[ADDR_STRLEN]);

/* Fills a socket address (port 0) and returns its length. */
socklen_t ipaddr_to_sockaddr(const struct ipaddr *addr, struct sockaddr_storage *ss);

/*
 * "address/length", or a lone address with its full length. Bits behind the
 * prefix must be zero. 0, or -EINVAL.
 */
int ipprefix_parse(const char *text, struct ipprefix *prefix);
/* The same of an address that an interface has: bits behind the length are its own, and the
 * length has to be there. */
int ipprefix_parse_interface(const char *text, struct ipprefix *prefix);
bool ipprefix_contains(const struct ipprefix *prefix, const struct ipaddr *addr);
/* Clears the bits behind the prefix: the subnet of an interface's address. */
void ipprefix_clear_host(struct ipprefix *prefix);
const char *ipprefix_format(const struct ipprefix *prefix, char buf[ADDR_STRLEN]);

/* The Ethernet group address for an IP multicast group: RFC 1112 section 6.4, RFC 2464
 * section 7. */
struct mac ipaddr_group_mac(const struct ipaddr *group);

#endif
