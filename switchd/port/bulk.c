/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/bulk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"

LOG_MODULE("bulk");

/* Both rings are one mapping since Linux 5.4; what they may be asked for can be
 * restricted since 5.10. */
struct bulk {
	int fd;
	void *rings;
	size_t rings_size;
	struct io_uring_sqe *sqes;
	size_t sqes_size;
	unsigned *sq_tail, *cq_head, *cq_tail;
	unsigned sq_mask, cq_mask;
	struct io_uring_cqe *cqes;
	struct bulk_counters counters;
};

/* libc has no names for these. @syscall io_uring_enter */
static int enter(const struct bulk *bulk, unsigned submit, unsigned wait)
{
	return (int)syscall(SYS_io_uring_enter, bulk->fd, submit, wait, IORING_ENTER_GETEVENTS,
			    NULL, 0);
}

static int control(const struct bulk *bulk, unsigned what, const void *arg, unsigned n)
{
	return syscall(SYS_io_uring_register, bulk->fd, what, arg, n) < 0 ? -errno : 0;
}

/* ---- life ---- */

/* Completions are looked for by whoever asks, and by nobody else: since Linux 6.1. */
static int setup(struct io_uring_params *params)
{
	static const unsigned flags[] = {
	    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	    IORING_SETUP_R_DISABLED,
	};
	int fd = -1;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && fd < 0; i++) {
		*params = (struct io_uring_params){.flags = flags[i]};
		fd = (int)syscall(SYS_io_uring_setup, BULK_MAX, params);
	}
	if (fd < 0)
		return -errno;
	if (!(params->features & IORING_FEAT_SINGLE_MMAP)) {
		close(fd);
		return -ENOSYS;
	}
	return fd;
}

static int map(struct bulk *bulk, const struct io_uring_params *params)
{
	size_t sq = params->sq_off.array + params->sq_entries * sizeof(unsigned);
	size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	unsigned *array;
	uint8_t *rings;
	void *sqes;

	bulk->rings_size = sq > cq ? sq : cq;
	rings = mmap(NULL, bulk->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		     bulk->fd, IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		return -errno;
	bulk->rings = rings;
	bulk->sqes_size = params->sq_entries * sizeof(struct io_uring_sqe);
	sqes = mmap(NULL, bulk->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    bulk->fd, IORING_OFF_SQES);
	if (sqes == MAP_FAILED)
		return -errno;
	bulk->sqes = sqes;
	bulk->sq_tail = (unsigned *)(void *)(rings + params->sq_off.tail);
	bulk->cq_head = (unsigned *)(void *)(rings + params->cq_off.head);
	bulk->cq_tail = (unsigned *)(void *)(rings + params->cq_off.tail);
	bulk->cqes = (struct io_uring_cqe *)(void *)(rings + params->cq_off.cqes);
	bulk->sq_mask = params->sq_entries - 1; /* a power of two */
	bulk->cq_mask = params->cq_entries - 1;
	/* Which entry stands in which place never changes. */
	array = (unsigned *)(void *)(rings + params->sq_off.array);
	for (unsigned i = 0; i < params->sq_entries; i++)
		array[i] = i;
	return 0;
}

/* Reading and writing, and nothing else: neither opening nor connecting, which the
 * sandbox would not see, nor registering. */
static int restrict_to(const struct bulk *bulk)
{
	static const uint8_t ops[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV,
				      IORING_OP_WRITEV};
	struct io_uring_restriction rules[sizeof(ops)];
	int ret;

	memset(rules, 0, sizeof(rules));
	for (unsigned i = 0; i < sizeof(ops); i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = ops[i];
	}
	ret = control(bulk, IORING_REGISTER_RESTRICTIONS, rules, sizeof(ops));
	return ret ? ret : control(bulk, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* Whether it keeps its word where there is nothing to read: it says so, and at once. */
static int try_out(struct bulk *bulk)
{
	struct bulk_op op = {.pieces = 1};
	int fds[2], ret = 0;
	char byte;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	op.iov[0] = (struct iovec){&byte, 1};
	bulk_read(bulk, fds[0], &op, 1);
	if (op.result != -EAGAIN)
		ret = op.result < 0 ? (int)op.result : -EPROTO;
	close(fds[0]);
	close(fds[1]);
	return ret;
}

struct bulk *bulk_create(void)
{
	struct bulk *bulk = calloc(1, sizeof(*bulk));
	struct io_uring_params params;
	int ret = -ENOMEM;

	if (!bulk)
		goto fail;
	bulk->fd = ret = setup(&params);
	if (ret >= 0)
		ret = map(bulk, &params);
	if (ret == 0)
		ret = restrict_to(bulk);
	if (ret == 0)
		ret = try_out(bulk);
	if (ret == 0) {
		bulk->counters = (struct bulk_counters){0};
		return bulk;
	}
fail:
	bulk_destroy(bulk);
	log_info("no io_uring here (%s): each frame of a TAP takes a system call", strerror(-ret));
	return NULL;
}

void bulk_destroy(struct bulk *bulk)
{
	if (!bulk)
		return;
	if (bulk->sqes)
		munmap(bulk->sqes, bulk->sqes_size);
	if (bulk->rings)
		munmap(bulk->rings, bulk->rings_size);
	if (bulk->fd >= 0)
		close(bulk->fd);
	free(bulk);
}

struct bulk_counters bulk_counters(const struct bulk *bulk)
{
	return bulk ? bulk->counters : (struct bulk_counters){0};
}

/* ---- work ---- */

static void prepare(struct bulk *bulk, bool writes, int fd, struct bulk_op *ops, unsigned n)
{
	static const uint8_t opcode[2][2] = {{IORING_OP_READ, IORING_OP_READV},
					     {IORING_OP_WRITE, IORING_OP_WRITEV}};
	unsigned tail = *bulk->sq_tail;

	for (unsigned i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = &bulk->sqes[(tail + i) & bulk->sq_mask];
		bool pieces = ops[i].pieces > 1;

		*sqe = (struct io_uring_sqe){
		    .opcode = opcode[writes][pieces],
		    .fd = fd,
		    .off = UINT64_MAX, /* none: like read() */
		    .addr = (uintptr_t)(pieces ? (void *)ops[i].iov : ops[i].iov[0].iov_base),
		    .len = pieces ? ops[i].pieces : (unsigned)ops[i].iov[0].iov_len,
		    .rw_flags = RWF_NOWAIT, /* O_NONBLOCK means nothing here */
		    .user_data = i,
		};
		ops[i].result = -EAGAIN;
	}
	__atomic_store_n(bulk->sq_tail, tail + n, __ATOMIC_RELEASE);
}

/* How many of those that were submitted have come back. */
static unsigned collect(struct bulk *bulk, struct bulk_op *ops, unsigned n)
{
	unsigned head = *bulk->cq_head;
	unsigned tail = __atomic_load_n(bulk->cq_tail, __ATOMIC_ACQUIRE), count = tail - head;

	for (; head != tail; head++) {
		const struct io_uring_cqe *cqe = &bulk->cqes[head & bulk->cq_mask];

		assert(cqe->user_data < n);
		ops[cqe->user_data].result = cqe->res;
		bulk->counters.frames += cqe->res >= 0;
	}
	__atomic_store_n(bulk->cq_head, head, __ATOMIC_RELEASE);
	return count;
}

static void transfer(struct bulk *bulk, bool writes, int fd, struct bulk_op *ops, unsigned n)
{
	unsigned tail = *bulk->sq_tail, submitted = 0, done = 0;

	assert(n <= BULK_MAX);
	prepare(bulk, writes, fd, ops, n);
	while (submitted < n) {
		int ret = enter(bulk, n - submitted, n - submitted);

		if (ret > 0)
			submitted += (unsigned)ret;
		else if (ret == 0 || errno != EINTR)
			break;
	}
	/* The kernel has no memory for the rest: it never sees it. */
	__atomic_store_n(bulk->sq_tail, tail + submitted, __ATOMIC_RELEASE);
	/* What does not wait is done by now; what does would be the kernel's broken word. */
	for (done = collect(bulk, ops, n); done < submitted; done += collect(bulk, ops, n)) {
		int ret = enter(bulk, 0, submitted - done);

		assert(ret >= 0 || errno == EINTR);
	}
	bulk->counters.calls++;
}

void bulk_read(struct bulk *bulk, int fd, struct bulk_op *ops, unsigned n)
{
	transfer(bulk, false, fd, ops, n);
}

void bulk_write(struct bulk *bulk, int fd, struct bulk_op *ops, unsigned n)
{
	transfer(bulk, true, fd, ops, n);
}
