/* SPDX-License-Identifier: BSD-2-Clause */
/* Many reads and writes by one call, on pipes that keep packets apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "switchd/port/bulk.h"

static struct bulk *bulk;
static int ends[2];

static int setup(void **state)
{
	(void)state;
	bulk = bulk_create();
	return pipe2(ends, O_DIRECT | O_CLOEXEC); /* packets; and it would block */
}

static int teardown(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	bulk_destroy(bulk);
	return 0;
}

static void need_bulk(void)
{
	if (!bulk) {
		print_message("no io_uring here\n");
		skip();
	}
}

/* Reads into buffers of their own. */
static void read_into(char (*bytes)[32], struct bulk_op *op, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		op[i] =
		    (struct bulk_op){.pieces = 1, .iov = {{bytes[i], sizeof(bytes[i])}, {NULL, 0}}};
	bulk_read(bulk, ends[0], op, n);
}

static void test_in_order(void **state)
{
	char out[BULK_MAX][32], in[BULK_MAX][32];
	struct bulk_op op[BULK_MAX];

	(void)state;
	need_bulk();
	/* More than there are places in the rings. */
	for (unsigned round = 0; round < 20; round++) {
		unsigned n = 1 + round * 7 % 16, arrived = 0;

		for (unsigned i = 0; i < n; i++) {
			size_t len = (size_t)snprintf(out[i], sizeof(out[i]), "%u.%u", round, i);

			op[i] = (struct bulk_op){.pieces = 1, .iov = {{out[i], len}, {NULL, 0}}};
		}
		bulk_write(bulk, ends[1], op, n);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(op[i].result, strlen(out[i]));
		/* What is not there is said at once. */
		read_into(in, op, BULK_MAX);
		for (unsigned i = 0; i < BULK_MAX; i++) {
			if (op[i].result < 0) {
				assert_int_equal(op[i].result, -EAGAIN);
				continue;
			}
			assert_int_equal(op[i].result, strlen(out[arrived]));
			assert_memory_equal(in[i], out[arrived], strlen(out[arrived]));
			arrived++;
		}
		assert_int_equal(arrived, n);
	}
}

static void test_pieces(void **state)
{
	char text[] = "headerpayload", in[32];
	struct bulk_op op[2] = {
	    {.pieces = 2, .iov = {{text, 6}, {text + 6, 7}}},
	    {.pieces = 1, .iov = {{text, 6}, {NULL, 0}}},
	};

	(void)state;
	need_bulk();
	bulk_write(bulk, ends[1], op, 2);
	assert_int_equal(op[0].result, 13);
	assert_int_equal(op[1].result, 6);
	op[0].iov[0] = (struct iovec){in, 4};
	op[0].iov[1] = (struct iovec){in + 4, sizeof(in) - 4};
	bulk_read(bulk, ends[0], op, 1);
	assert_int_equal(op[0].result, 13);
	assert_memory_equal(in, text, 13);
}

static void test_full(void **state)
{
	char byte = 'x', in[BULK_MAX][32];
	struct bulk_op op[BULK_MAX];
	unsigned written = 0, taken = 0;

	(void)state;
	need_bulk();
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < BULK_MAX; i++)
			op[i] = (struct bulk_op){.pieces = 1, .iov = {{&byte, 1}, {NULL, 0}}};
		bulk_write(bulk, ends[1], op, BULK_MAX);
		for (unsigned i = 0; i < BULK_MAX; i++) {
			assert_true(op[i].result == 1 || op[i].result == -EAGAIN);
			written += op[i].result == 1;
		}
	}
	/* None of them waited for somebody to read. */
	assert_in_range(written, 1, 4 * BULK_MAX - 1);
	for (unsigned round = 0; round < 4; round++) {
		read_into(in, op, BULK_MAX);
		for (unsigned i = 0; i < BULK_MAX; i++)
			taken += op[i].result == 1;
	}
	assert_int_equal(taken, written);
	assert_int_equal(bulk_counters(bulk).calls, 8);
	assert_int_equal(bulk_counters(bulk).frames, written + taken);
}

static void test_bad_descriptor(void **state)
{
	char in[BULK_MAX][32];
	struct bulk_op op[BULK_MAX];

	(void)state;
	need_bulk();
	for (unsigned i = 0; i < 3; i++)
		op[i] = (struct bulk_op){.pieces = 1, .iov = {{in[i], 1}, {NULL, 0}}};
	bulk_read(bulk, -1, op, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(op[i].result, -EBADF);
	bulk_write(bulk, ends[0], op, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(op[i].result, -EBADF);
}

static void test_nothing(void **state)
{
	(void)state;
	bulk_destroy(NULL);
	assert_int_equal(bulk_counters(NULL).calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_descriptor, setup, teardown),
	    cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
