/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Written by hand: three short programs need neither a compiler for BPF to build nor a
 * library to load, and what the verifier has accepted once does not depend on the version
 * of a compiler. Registers: r1 to r5 are arguments and lost in a call, r0 is its result,
 * r6 to r9 stay, r10 is the end of the stack.
 */
#include "encap/accel_bpf.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <string.h>

#include "encap/etherip.h"
#include "lib/packet.h"

#define R0  BPF_REG_0
#define R1  BPF_REG_1
#define R2  BPF_REG_2
#define R3  BPF_REG_3
#define R4  BPF_REG_4
#define R5  BPF_REG_5
#define R6  BPF_REG_6
#define R7  BPF_REG_7
#define R8  BPF_REG_8
#define R9  BPF_REG_9
#define R10 BPF_REG_10

/* A program that is being written. Jumps are to labels, which are put in at the end. */
#define LABELS 4u

struct writer {
	struct bpf_insn *code;
	unsigned n;
	int label[LABELS];	   /* the instruction; -1: not yet */
	int8_t to[ACCEL_CODE_MAX]; /* the label that a jump is to; -1: none */
};

static void put(struct writer *w, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	assert(w->n < ACCEL_CODE_MAX);
	w->to[w->n] = -1;
	w->code[w->n++] = (struct bpf_insn){
	    .code = code, .dst_reg = dst & 0xfu, .src_reg = src & 0xfu, .off = off, .imm = imm};
}

/* dst = src; dst op= src; dst op= imm. The 32-bit forms clear the upper half. */
static void move(struct writer *w, uint8_t dst, uint8_t src)
{
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void set(struct writer *w, uint8_t dst, int32_t imm)
{
	put(w, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

static void with(struct writer *w, uint8_t op, uint8_t dst, uint8_t src)
{
	put(w, BPF_ALU64 | op | BPF_X, dst, src, 0, 0);
}

static void with_imm(struct writer *w, uint8_t op, uint8_t dst, int32_t imm)
{
	put(w, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm);
}

static void with_imm32(struct writer *w, uint8_t op, uint8_t dst, uint32_t imm)
{
	put(w, BPF_ALU | op | BPF_K, dst, 0, 0, (int32_t)imm);
}

/* dst = *(size *)(src + off), and the other way. */
static void load(struct writer *w, uint8_t size, uint8_t dst, uint8_t src, size_t off)
{
	put(w, BPF_LDX | size | BPF_MEM, dst, src, (int16_t)off, 0);
}

static void store(struct writer *w, uint8_t size, uint8_t dst, int off, uint8_t src)
{
	put(w, BPF_STX | size | BPF_MEM, dst, src, (int16_t)off, 0);
}

/* if (a op b) goto label */
static void jump(struct writer *w, uint8_t op, uint8_t a, uint8_t b, int label)
{
	put(w, BPF_JMP | op | BPF_X, a, b, 0, 0);
	w->to[w->n - 1] = (int8_t)label;
}

static void jump_imm(struct writer *w, uint8_t op, uint8_t a, int32_t imm, int label)
{
	put(w, BPF_JMP | op | BPF_K, a, 0, 0, imm);
	w->to[w->n - 1] = (int8_t)label;
}

static void here(struct writer *w, int label)
{
	w->label[label] = (int)w->n;
}

static void call(struct writer *w, int32_t helper)
{
	put(w, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static void end(struct writer *w, int32_t result)
{
	set(w, R0, result);
	put(w, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* dst = the shared memory. */
static void load_shared(struct writer *w, uint8_t dst, int map)
{
	put(w, BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_VALUE, 0, map);
	put(w, 0, 0, 0, 0, 0);
}

#define SHARED(member) offsetof(struct accel_shared, member)

/* Offsets in a packet; I_ are those of the frame inside. */
#define IP	 ETH_HEADER_LEN
#define ETHERIP	 (IP + sizeof(struct ipv4_header))
#define I_TYPE	 (ACCEL_OUTER + offsetof(struct eth_header, type))
#define I_IP	 (ACCEL_OUTER + ETH_HEADER_LEN)
#define SHORTEST (I_IP + sizeof(struct ipv4_header) + sizeof(struct tcp_header))

#define MARK ((int)ACCEL_MARK)

enum { PASS, DROP, FOUND, TCP };

/* The outer Ethernet and IPv4 header: ours, whole, in one piece, and right. */
static void check_outer(struct writer *w)
{
	load(w, BPF_W, R0, R7, 0);
	load(w, BPF_W, R1, R9, SHARED(mac));
	jump(w, BPF_JNE, R0, R1, PASS);
	load(w, BPF_H, R0, R7, 4);
	load(w, BPF_H, R1, R9, SHARED(mac) + 4);
	jump(w, BPF_JNE, R0, R1, PASS);
	load(w, BPF_H, R0, R7, offsetof(struct eth_header, type));
	jump_imm(w, BPF_JNE, R0, htons(ETHERTYPE_IPV4), PASS);
	load(w, BPF_B, R0, R7, IP);
	jump_imm(w, BPF_JNE, R0, 0x45, PASS);
	load(w, BPF_B, R0, R7, IP + offsetof(struct ipv4_header, protocol));
	jump_imm(w, BPF_JNE, R0, ETHERIP_PROTOCOL, PASS);
	load(w, BPF_H, R0, R7, IP + offsetof(struct ipv4_header, fragment));
	with_imm(w, BPF_AND, R0, htons(0x3fff));
	jump_imm(w, BPF_JNE, R0, 0, PASS);
	load(w, BPF_W, R0, R7, IP + offsetof(struct ipv4_header, dst));
	load(w, BPF_W, R1, R9, SHARED(address));
	jump(w, BPF_JNE, R0, R1, PASS);
	/* As long as it says. To find out by pointers takes one more capability. */
	move(w, R1, R6);
	call(w, BPF_FUNC_xdp_get_buff_len);
	load(w, BPF_H, R1, R7, IP + offsetof(struct ipv4_header, total_len));
	put(w, BPF_ALU | BPF_END | BPF_TO_BE, R1, 0, 0, 16);
	with_imm(w, BPF_ADD, R1, IP);
	jump(w, BPF_JNE, R0, R1, PASS);
	/* The checksum: five words of 32 bits, folded to 16. */
	load(w, BPF_W, R0, R7, IP);
	for (size_t off = 4; off < sizeof(struct ipv4_header); off += 4) {
		load(w, BPF_W, R1, R7, IP + off);
		with(w, BPF_ADD, R0, R1);
	}
	for (unsigned i = 0; i < 4; i++) {
		unsigned bits = i < 1 ? 32 : 16;

		move(w, R1, R0);
		with_imm(w, BPF_RSH, R1, (int32_t)bits);
		if (bits == 32)
			put(w, BPF_ALU | BPF_MOV | BPF_X, R0, R0, 0, 0);
		else
			with_imm(w, BPF_AND, R0, 0xffff);
		with(w, BPF_ADD, R0, R1);
	}
	jump_imm(w, BPF_JNE, R0, 0xffff, PASS);
}

/* r8 = the packet's key, if it is in the table. */
static void find_source(struct writer *w)
{
	load(w, BPF_W, R1, R7, IP + offsetof(struct ipv4_header, src));
	load(w, BPF_H, R2, R7, ETHERIP);
	move(w, R8, R1);
	with_imm(w, BPF_LSH, R8, 32);
	move(w, R3, R2);
	with_imm(w, BPF_LSH, R3, 16);
	with(w, BPF_OR, R8, R3);
	with_imm(w, BPF_OR, R8, 1);
	with_imm32(w, BPF_MUL, R1, 0x9e3779b1u);
	with_imm32(w, BPF_MUL, R2, 0x85ebca6bu);
	with(w, BPF_XOR, R1, R2);
	with_imm32(w, BPF_RSH, R1, 22);
	with_imm(w, BPF_LSH, R1, 5); /* ACCEL_WAYS of 8 bytes */
	with(w, BPF_ADD, R1, R9);
	for (size_t i = 0; i < ACCEL_WAYS; i++) {
		load(w, BPF_DW, R0, R1, SHARED(accept) + i * 8);
		jump(w, BPF_JEQ, R0, R8, FOUND);
	}
	jump_imm(w, BPF_JA, R0, 0, PASS);
	here(w, FOUND);
}

/* Only TCP, without a tag: nothing else would be merged. */
static void check_inner(struct writer *w)
{
	load(w, BPF_H, R0, R7, I_TYPE);
	load(w, BPF_B, R1, R7, I_IP + offsetof(struct ipv6_header, next_header));
	load(w, BPF_B, R2, R7, I_IP + offsetof(struct ipv4_header, protocol));
	jump_imm(w, BPF_JEQ, R0, htons(ETHERTYPE_IPV6), TCP);
	jump_imm(w, BPF_JNE, R0, htons(ETHERTYPE_IPV4), PASS);
	move(w, R1, R2);
	here(w, TCP);
	jump_imm(w, BPF_JNE, R1, 6, PASS);
}

static void write_strip(struct writer *w, int map)
{
	move(w, R6, R1);
	load(w, BPF_W, R7, R6, offsetof(struct xdp_md, data));
	load(w, BPF_W, R8, R6, offsetof(struct xdp_md, data_end));
	move(w, R1, R7);
	with_imm(w, BPF_ADD, R1, SHORTEST);
	jump(w, BPF_JGT, R1, R8, PASS);
	load_shared(w, R9, map);
	load(w, BPF_H, R0, R9, SHARED(enabled));
	jump_imm(w, BPF_JEQ, R0, 0, PASS);
	check_outer(w);
	find_source(w);
	check_inner(w);
	/* First what a driver may refuse. */
	move(w, R1, R6);
	set(w, R2, -MARK);
	call(w, BPF_FUNC_xdp_adjust_meta);
	jump_imm(w, BPF_JNE, R0, 0, PASS);
	move(w, R1, R6);
	set(w, R2, ACCEL_OUTER);
	call(w, BPF_FUNC_xdp_adjust_head);
	jump_imm(w, BPF_JNE, R0, 0, DROP);
	load(w, BPF_W, R1, R6, offsetof(struct xdp_md, data_meta));
	load(w, BPF_W, R2, R6, offsetof(struct xdp_md, data));
	move(w, R3, R1);
	with_imm(w, BPF_ADD, R3, MARK);
	jump(w, BPF_JGT, R3, R2, DROP);
	load(w, BPF_DW, R0, R9, SHARED(cookie));
	store(w, BPF_DW, R1, 0, R0);
	move(w, R0, R8);
	with_imm(w, BPF_RSH, R0, 32);
	store(w, BPF_W, R1, 8, R0);
	with_imm(w, BPF_RSH, R8, 16);
	store(w, BPF_H, R1, 12, R8);
	set(w, R0, 0);
	store(w, BPF_H, R1, 14, R0);
	set(w, R0, 1);
	put(w, BPF_STX | BPF_ATOMIC | BPF_DW, R9, R0, SHARED(stripped), BPF_ADD);
	here(w, PASS);
	end(w, XDP_PASS);
	here(w, DROP);
	end(w, XDP_DROP);
}

/* What has no mark of ours is none of our business. */
static void write_hand(struct writer *w, int map, uint32_t tap)
{
	move(w, R6, R1);
	load(w, BPF_W, R1, R6, offsetof(struct __sk_buff, data_meta));
	load(w, BPF_W, R2, R6, offsetof(struct __sk_buff, data));
	move(w, R3, R1);
	with_imm(w, BPF_ADD, R3, MARK);
	jump(w, BPF_JGT, R3, R2, PASS);
	load_shared(w, R9, map);
	load(w, BPF_DW, R0, R9, SHARED(cookie));
	load(w, BPF_DW, R2, R1, 0);
	jump(w, BPF_JNE, R0, R2, PASS);
	store(w, BPF_DW, R10, -MARK, R2);
	load(w, BPF_DW, R2, R1, 8);
	store(w, BPF_DW, R10, 8 - MARK, R2);
	/* A tag that the hardware has taken off, so that XDP did not see it. */
	load(w, BPF_W, R0, R6, offsetof(struct __sk_buff, vlan_present));
	jump_imm(w, BPF_JNE, R0, 0, DROP);
	move(w, R1, R6);
	set(w, R2, ACCEL_LABEL);
	set(w, R3, 0);
	call(w, BPF_FUNC_skb_change_head);
	jump_imm(w, BPF_JNE, R0, 0, DROP);
	move(w, R1, R6);
	set(w, R2, 0);
	move(w, R3, R10);
	with_imm(w, BPF_ADD, R3, -MARK);
	set(w, R4, ACCEL_LABEL);
	set(w, R5, 0);
	call(w, BPF_FUNC_skb_store_bytes);
	jump_imm(w, BPF_JNE, R0, 0, DROP);
	set(w, R1, (int32_t)tap);
	set(w, R2, 0);
	call(w, BPF_FUNC_redirect);
	put(w, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	here(w, PASS);
	end(w, TC_ACT_UNSPEC);
	here(w, DROP);
	end(w, TC_ACT_SHOT);
}

/* The network header stays at the inner IP: so the kernel's segmentation takes all that is
 * in front of it for the link's header, and copies it to each segment. */
static void write_prepend(struct writer *w, int map)
{
	move(w, R6, R1);
	load(w, BPF_W, R1, R6, offsetof(struct __sk_buff, data));
	load(w, BPF_W, R2, R6, offsetof(struct __sk_buff, data_end));
	move(w, R3, R1);
	with_imm(w, BPF_ADD, R3, 2);
	jump(w, BPF_JGT, R3, R2, DROP);
	load(w, BPF_H, R7, R1, 0);
	with_imm(w, BPF_AND, R7, ACCEL_SLOTS - 1);
	with_imm(w, BPF_LSH, R7, 6);
	load_shared(w, R9, map);
	with(w, BPF_ADD, R7, R9);
	with_imm(w, BPF_ADD, R7, SHARED(slot));
	move(w, R1, R6);
	set(w, R2, ACCEL_OUTER);
	set(w, R3, 0);
	call(w, BPF_FUNC_skb_change_head);
	jump_imm(w, BPF_JNE, R0, 0, DROP);
	move(w, R1, R6);
	set(w, R2, 0);
	move(w, R3, R7);
	set(w, R4, ACCEL_SLOT);
	set(w, R5, 0);
	call(w, BPF_FUNC_skb_store_bytes);
	jump_imm(w, BPF_JNE, R0, 0, DROP);
	load(w, BPF_W, R1, R9, SHARED(out_ifindex));
	set(w, R2, 0);
	call(w, BPF_FUNC_redirect);
	put(w, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	here(w, DROP);
	end(w, TC_ACT_SHOT);
}

unsigned accel_program(enum accel_program program, int map, uint32_t ifindex,
		       struct bpf_insn code[ACCEL_CODE_MAX])
{
	struct writer w = {.code = code};

	memset(w.label, -1, sizeof(w.label));
	if (program == ACCEL_STRIP)
		write_strip(&w, map);
	else if (program == ACCEL_HAND)
		write_hand(&w, map, ifindex);
	else
		write_prepend(&w, map);
	for (unsigned i = 0; i < w.n; i++) {
		if (w.to[i] >= 0)
			code[i].off = (int16_t)(w.label[w.to[i]] - (int)i - 1);
	}
	return w.n;
}
