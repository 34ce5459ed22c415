/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/checksum.h"

#include <arpa/inet.h>
#include <string.h>

/* Four words at once, in whatever vector registers the machine has. */
typedef uint64_t words __attribute__((vector_size(32)));

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t low = 0, high = 0;

	/* Two 32-bit halves of each word, added where they cannot overflow. */
	if (len >= 2 * sizeof(words)) {
		words lows = {0}, highs = {0}, a, b;

		for (; len >= 2 * sizeof(words); len -= 2 * sizeof(words), p += 2 * sizeof(words)) {
			memcpy(&a, p, sizeof(a));
			memcpy(&b, p + sizeof(a), sizeof(b));
			lows += (a & UINT32_MAX) + (b & UINT32_MAX);
			highs += (a >> 32) + (b >> 32);
		}
		for (unsigned i = 0; i < sizeof(words) / sizeof(uint64_t); i++) {
			low += lows[i];
			high += highs[i];
		}
	}
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		low += word & UINT32_MAX;
		high += word >> 32;
	}
	for (; len >= 2; len -= 2, p += 2) {
		uint16_t word;

		memcpy(&word, p, sizeof(word));
		low += word;
	}
	if (len) {
		uint16_t word = 0;

		memcpy(&word, p, 1);
		low += word;
	}
	return sum + checksum_fold(low) + checksum_fold(high);
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t checksum(const void *data, size_t len)
{
	return (uint16_t)~checksum_fold(checksum_add(0, data, len));
}

uint64_t checksum_pseudo(const uint8_t *src, const uint8_t *dst, size_t addr_len, uint8_t protocol,
			 uint32_t len)
{
	uint32_t tail[2] = {htonl(len), htonl(protocol)};
	uint64_t sum = checksum_add(0, src, addr_len);

	sum = checksum_add(sum, dst, addr_len);
	return checksum_add(sum, tail, sizeof(tail));
}

uint16_t checksum_update(uint16_t check, uint16_t from, uint16_t to)
{
	uint32_t sum = (uint16_t)~check;

	sum += (uint16_t)~from;
	sum += to;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
