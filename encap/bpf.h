/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bpf(2), as far as it is used here: five commands, so that no library is needed for them.
 * Descriptors are closed with close(). All need CAP_BPF.
 */
#ifndef TVD_BPF_H
#define TVD_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A map of one value of `size` bytes, which *memory then is; munmap() gives that back. The
 * descriptor or negative errno. */
int bpf_memory(size_t size, void **memory);

/* Has the verifier look at a program. The descriptor or negative errno. */
int bpf_load(enum bpf_prog_type type, const char *name, const struct bpf_insn *code,
	     unsigned count);

/* Attaches an XDP program for as long as the descriptor that it returns is open; to the
 * driver itself, since behind it the kernel has merged already what it merges. Negative
 * errno: -EBUSY where another program is, -EOPNOTSUPP where the driver knows no XDP. */
int bpf_attach_xdp(int program, unsigned ifindex);

/* Whether the program that this descriptor stands for is attached still: the interface may
 * have gone, or somebody may have detached it. True also when the kernel does not say. */
bool bpf_attached(int link);

/* Runs a program with these bytes as a packet, and what has become of them in `out`, *len
 * bytes of at most `room`. What it returns, or negative errno. */
int bpf_run(int program, const void *in, size_t in_len, void *out, size_t room, size_t *len);

#endif
