/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071, RFC 1624).
 */
#ifndef TVD_CHECKSUM_H
#define TVD_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Adds len bytes to a running one's complement sum, as 16-bit words in memory
 * order. A run of odd length ends the sum: only the last may be odd.
 */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/* Folds a sum to 16 bits, in memory order; not yet complemented. */
uint16_t checksum_fold(uint64_t sum);

/* The checksum of one run of bytes, ready to be stored (memory order). */
uint16_t checksum(const void *data, size_t len);

/* The sum over the pseudo-header of TCP or UDP; addresses of 4 or 16 bytes. */
uint64_t checksum_pseudo(const uint8_t *src, const uint8_t *dst, size_t addr_len, uint8_t protocol,
			 uint32_t len);

/* A stored checksum after one 16-bit word changed (memory order all). RFC 1624, equation 3. */
uint16_t checksum_update(uint16_t check, uint16_t from, uint16_t to);

#endif
