/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accelerator's programs for the kernel (accel.h), as arrays of instructions, and the
 * memory that they share with this process.
 */
#ifndef TVD_ACCEL_BPF_H
#define TVD_ACCEL_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#define ACCEL_OUTER 36u /* Ethernet 14, IPv4 20, EtherIP 2 */
#define ACCEL_SLOT  (ACCEL_OUTER + 6u)
#define ACCEL_SLOTS 2048u /* powers of two, as are the next two */
#define ACCEL_SETS  1024u
#define ACCEL_WAYS  4u
/* What the XDP program leaves in front of the frame, for the kernel's merging to keep apart
 * and for the next program: cookie, source, EtherIP header, 0. */
#define ACCEL_MARK     16u
#define ACCEL_LABEL    14u /* the same in front of what the helper TAP gives */
#define ACCEL_CODE_MAX 160u

/*
 * The one value of a map that both sides have mapped. All is as it stands in packets, but
 * for `cookie`, `enabled` and the interface's index.
 */
struct accel_shared {
	/* ---- receiving: what is taken from the uplink ---- */
	uint64_t cookie;  /* ours alone: what the XDP program says to the next */
	uint32_t address; /* destination */
	uint8_t mac[6];
	uint16_t enabled;
	uint32_t out_ifindex; /* of sending: to which interface */
	uint32_t reserved;
	uint64_t stripped;			  /* packets that were; only counts up */
	uint64_t accept[ACCEL_SETS * ACCEL_WAYS]; /* accel_key(); 0: nobody */
	/* ---- sending ---- */
	/* What goes in front of a frame, and the first 6 bytes of the frame itself: where
	 * these are, the frame says which slot it is. */
	uint8_t slot[ACCEL_SLOTS][64];
};

/* A source and the two bytes of EtherIP's header, as they stand in packets. */
static inline uint64_t accel_key(uint32_t src, uint16_t header)
{
	return (uint64_t)src << 32 | (uint64_t)header << 16 | 1;
}

/* Where in `accept` a key may stand: the first of ACCEL_WAYS. */
static inline unsigned accel_set(uint32_t src, uint16_t header)
{
	uint32_t hash = src * 0x9e3779b1u ^ header * 0x85ebca6bu;

	return (hash >> 22) * ACCEL_WAYS;
}

enum accel_program {
	ACCEL_STRIP,  /* XDP, of the uplink: takes the outer bytes off, and marks */
	ACCEL_HAND,   /* tc ingress of the uplink: what is marked goes to the helper TAP */
	ACCEL_PREPEND /* tc ingress of the helper TAP: puts the outer bytes on */
};

/* Writes a program that uses the map of this descriptor, and hands to the interface of
 * this index. Returns the number of instructions. */
unsigned accel_program(enum accel_program program, int map, uint32_t ifindex,
		       struct bpf_insn code[ACCEL_CODE_MAX]);

#endif
