/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many reads or writes of one descriptor by one system call, where each of them would
 * take one otherwise and the calls cost more than what they do: small frames of a TAP.
 *
 * It is an io_uring, of which nothing is used but that, and of which nothing else can be
 * used: what the kernel may be asked for through it is settled before the sandbox is
 * entered. Nothing is ever under way between two calls.
 */
#ifndef TVD_PORT_BULK_H
#define TVD_PORT_BULK_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define BULK_MAX 64u

struct bulk;

/* One read or write. Of two pieces the first must not be empty. */
struct bulk_op {
	struct iovec iov[2];
	unsigned pieces; /* 1 or 2 */
	ssize_t result;	 /* afterwards: bytes, or negative errno */
};

/* NULL where the kernel has not got what is needed, or forbids it; says so in the log. */
struct bulk *bulk_create(void);
void bulk_destroy(struct bulk *bulk);

/*
 * Does up to BULK_MAX, in order, none of which blocks: -EAGAIN is what would have. All
 * are tried, also behind one that fails. -EOPNOTSUPP for all: a descriptor of which this
 * kernel cannot say whether it would block.
 */
void bulk_read(struct bulk *bulk, int fd, struct bulk_op *ops, unsigned n);
void bulk_write(struct bulk *bulk, int fd, struct bulk_op *ops, unsigned n);

/* How many calls there were, and how many frames these have read or written. */
struct bulk_counters {
	uint64_t calls, frames;
};
struct bulk_counters bulk_counters(const struct bulk *bulk);

#endif
