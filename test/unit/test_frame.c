/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/frame.h"
#include "test/unit/craft.h"

static struct frame *frame_of(struct frame_pool *pool, const char *text)
{
	struct frame *frame = frame_alloc(pool, strlen(text));

	assert_non_null(frame);
	memcpy(frame->data, text, strlen(text));
	frame->len = (uint32_t)strlen(text);
	return frame;
}

static void assert_bytes(const struct frame *frame, const char *text)
{
	assert_int_equal(frame->len, strlen(text));
	assert_memory_equal(frame->data, text, frame->len);
}

static void assert_empty(const struct frame_pool *pool)
{
	struct frame_pool_usage usage = frame_pool_usage(pool);

	assert_int_equal(usage.small_used, 0);
	assert_int_equal(usage.large_used, 0);
	assert_int_equal(usage.frames_used, 0);
}

static void test_alloc(void **state)
{
	struct frame_pool *pool = frame_pool_create(2, 1);
	struct frame *frame;

	(void)state;
	frame = frame_alloc(pool, 60);
	assert_non_null(frame);
	assert_int_equal(frame->len, 0);
	assert_int_equal(frame->l3_off, FRAME_OFF_UNSET);
	assert_int_equal(frame->l4_off, FRAME_OFF_UNSET);
	assert_int_equal(frame->offload.gso, FRAME_GSO_NONE);
	assert_false(frame->offload.csum_partial);
	assert_int_equal(frame->tag.tpid, 0);
	assert_null(frame->origin);
	assert_int_equal(frame_room(frame), FRAME_SMALL);
	assert_true(frame_is_private(frame));
	frame_free(frame);
	frame_free(NULL);

	frame = frame_alloc(pool, FRAME_SMALL + 1);
	assert_int_equal(frame_room(frame), FRAME_LARGE);
	assert_int_equal(frame_pool_usage(pool).large_used, 1);
	assert_null(frame_alloc(pool, FRAME_LARGE));
	assert_int_equal(frame_pool_usage(pool).exhausted, 1);
	frame_free(frame);
	assert_null(frame_alloc(pool, FRAME_LARGE + 1));
	assert_empty(pool);
	frame_pool_destroy(pool);
	frame_pool_destroy(NULL);
}

static void test_exhaustion(void **state)
{
	struct frame_pool *pool = frame_pool_create(2, 1);
	struct frame *frame[6], *clone;

	(void)state;
	/* A small frame takes a large buffer when no small one is left. */
	for (unsigned i = 0; i < 3; i++)
		frame[i] = frame_of(pool, "frame");
	assert_int_equal(frame_pool_usage(pool).large_used, 1);
	assert_null(frame_alloc(pool, 1));
	assert_int_equal(frame_pool_usage(pool).exhausted, 1);
	/* Six descriptors for three buffers. */
	for (unsigned i = 3; i < 6; i++)
		assert_non_null(frame[i] = frame_clone(frame[0]));
	assert_null(frame_clone(frame[1]));
	assert_null(frame_copy(frame[1]));
	/* Nothing to copy to: the frame stays as it was. */
	clone = frame[5];
	assert_false(frame_writable(clone));
	assert_ptr_equal(clone->data, frame[0]->data);
	assert_bytes(clone, "frame");
	for (unsigned i = 0; i < 6; i++)
		frame_free(frame[i]);
	assert_empty(pool);
	/* A copy that fails for want of a buffer gives its descriptor back. */
	for (unsigned i = 0; i < 3; i++)
		frame[i] = frame_of(pool, "frame");
	assert_null(frame_copy(frame[0]));
	assert_int_equal(frame_pool_usage(pool).frames_used, 3);
	/* So does an allocation that finds a buffer, but no descriptor. */
	frame_free(frame[2]);
	for (unsigned i = 2; i < 6; i++)
		frame[i] = frame_clone(frame[0]);
	assert_null(frame_alloc(pool, 1));
	assert_int_equal(frame_pool_usage(pool).small_used + frame_pool_usage(pool).large_used, 2);
	for (unsigned i = 0; i < 6; i++)
		frame_free(frame[i]);
	assert_empty(pool);
	frame_pool_destroy(pool);
}

static void test_push_pull(void **state)
{
	struct frame_pool *pool = frame_pool_create(2, 0);
	struct frame *frame = frame_of(pool, "payload");

	(void)state;
	frame->offload.csum_partial = true;
	frame->offload.csum_start = 3;
	frame->l3_off = 1;
	frame->l4_off = 2;
	memcpy(frame_push(frame, 4), "head", 4);
	assert_bytes(frame, "headpayload");
	assert_int_equal(frame->offload.csum_start, 7);
	assert_int_equal(frame->l3_off, FRAME_OFF_UNSET);
	assert_int_equal(frame->l4_off, FRAME_OFF_UNSET);
	assert_null(frame_push(frame, FRAME_HEADROOM - 3));
	assert_bytes(frame, "headpayload");
	assert_non_null(frame_push(frame, FRAME_HEADROOM - 4));
	assert_null(frame_push(frame, 1));
	assert_int_equal(frame_room(frame), FRAME_SMALL + FRAME_HEADROOM);
	assert_true(frame_pull(frame, FRAME_HEADROOM));
	assert_bytes(frame, "payload");
	assert_int_equal(frame->offload.csum_start, 3);
	assert_true(frame->offload.csum_partial);
	assert_false(frame_pull(frame, 8));
	assert_bytes(frame, "payload");
	/* A checksum that began in what is gone is nothing any more. */
	assert_true(frame_pull(frame, 4));
	assert_false(frame->offload.csum_partial);
	assert_true(frame_pull(frame, 3));
	assert_int_equal(frame->len, 0);
	assert_false(frame_pull(frame, 1));
	/* What was pulled is headroom. */
	assert_non_null(frame_push(frame, FRAME_HEADROOM + 7));
	assert_null(frame_push(frame, SIZE_MAX));
	frame_free(frame);
	assert_empty(pool);
	frame_pool_destroy(pool);
}

static void test_clone(void **state)
{
	struct frame_pool *pool = frame_pool_create(4, 0);
	struct frame *frame = frame_of(pool, "frame"), *clone, *third;
	struct stats stats = {.rx_frames = 0};

	(void)state;
	frame->tag.tpid = 0x8100;
	frame->origin = &stats;
	clone = frame_clone(frame);
	assert_ptr_equal(clone->data, frame->data);
	assert_int_equal(clone->tag.tpid, 0x8100);
	assert_ptr_equal(clone->origin, &stats);
	assert_false(frame_is_private(frame));
	assert_false(frame_is_private(clone));

	/* The first to push gets the headroom; the others must copy. */
	memcpy(frame_push(clone, 2), "A-", 2);
	assert_null(frame_push(frame, 2));
	assert_bytes(frame, "frame");
	third = frame_clone(clone);
	memcpy(frame_push(third, 2), "B-", 2);
	assert_null(frame_push(clone, 1));
	assert_bytes(third, "B-A-frame");
	assert_bytes(clone, "A-frame");

	/* Writing needs bytes of one's own. */
	assert_true(frame_writable(frame));
	assert_true(frame_is_private(frame));
	frame->data[0] = 'F';
	memcpy(frame_push(frame, 2), "C-", 2);
	assert_bytes(frame, "C-Frame");
	assert_bytes(clone, "A-frame");
	frame_drop(third, REASON_QUEUE_FULL);
	assert_int_equal(stats.rx_drops[REASON_QUEUE_FULL], 1);

	/* Alone again: the bytes below are nobody else's. */
	assert_true(frame_is_private(clone));
	memcpy(frame_push(clone, 2), "D-", 2);
	assert_bytes(clone, "D-A-frame");
	frame_free(clone);
	assert_bytes(frame, "C-Frame");
	frame_free(frame);
	assert_empty(pool);
	frame_pool_destroy(pool);
}

static void test_pull_of_shared(void **state)
{
	struct frame_pool *pool = frame_pool_create(4, 0);
	struct frame *frame = frame_of(pool, "0123456789"), *clone = frame_clone(frame);

	(void)state;
	/* Pulled bytes are still the other's: they must not be written. */
	assert_true(frame_pull(clone, 4));
	assert_null(frame_push(clone, 4));
	assert_bytes(clone, "456789");
	frame_free(frame);
	memcpy(frame_push(clone, 4), "abcd", 4);
	assert_bytes(clone, "abcd456789");
	frame_free(clone);
	frame_pool_destroy(pool);
}

static void test_copy(void **state)
{
	struct frame_pool *pool = frame_pool_create(2, 1);
	struct frame *frame = frame_of(pool, "frame"), *copy;

	(void)state;
	assert_non_null(frame_push(frame, 100));
	assert_true(frame_pull(frame, 100));
	copy = frame_copy(frame);
	assert_bytes(copy, "frame");
	assert_true(frame_is_private(copy));
	assert_true(frame_is_private(frame));
	assert_non_null(frame_push(copy, FRAME_HEADROOM));
	copy->data[FRAME_HEADROOM] = 'F';
	assert_bytes(frame, "frame");
	frame_free(copy);
	frame_free(frame);
	assert_empty(pool);
	frame_pool_destroy(pool);
}

static void test_peek(void **state)
{
	struct frame_pool *pool = frame_pool_create(1, 0);
	struct frame *frame = frame_of(pool, "0123456789");
	char storage[16] = "";

	(void)state;
	assert_ptr_equal(frame_peek(frame, 0, 10, storage), storage);
	assert_string_equal(storage, "0123456789");
	assert_non_null(frame_peek(frame, 9, 1, storage));
	assert_int_equal(storage[0], '9');
	assert_non_null(frame_peek(frame, 10, 0, storage));
	assert_null(frame_peek(frame, 9, 2, storage));
	assert_null(frame_peek(frame, 11, 0, storage));
	assert_null(frame_peek(frame, SIZE_MAX, 2, storage));
	assert_null(frame_peek(frame, 1, SIZE_MAX, storage));
	frame_free(frame);
	frame_pool_destroy(pool);
}

static void test_batch(void **state)
{
	struct frame_pool *pool = frame_pool_create(FRAME_BATCH_MAX, 0);
	struct frame_batch batch = {.count = 0};
	struct stats stats = {.rx_frames = 0};

	(void)state;
	for (unsigned i = 0; i < FRAME_BATCH_MAX; i++) {
		struct frame *frame = frame_of(pool, "x");

		assert_false(frame_batch_full(&batch));
		frame->origin = i % 2 ? &stats : NULL;
		frame_batch_add(&batch, frame);
	}
	assert_true(frame_batch_full(&batch));
	frame_batch_drop(&batch, REASON_OVERSIZE);
	assert_int_equal(batch.count, 0);
	assert_int_equal(stats.rx_drops[REASON_OVERSIZE], FRAME_BATCH_MAX / 2);
	frame_batch_add(&batch, frame_of(pool, "y"));
	frame_batch_free(&batch);
	assert_int_equal(batch.count, 0);
	assert_empty(pool);
	frame_pool_destroy(pool);
}

/* What each of a few descriptors must show, kept beside them. */
struct model {
	struct frame *frame;
	size_t len;
	uint8_t bytes[FRAME_HEADROOM + FRAME_SMALL];
};

static void model_push(struct model *m, uint64_t *rnd)
{
	size_t n = craft_below(rnd, 24);
	uint8_t *head = frame_push(m->frame, n);

	if (!head)
		return;
	memmove(m->bytes + n, m->bytes, m->len);
	for (size_t i = 0; i < n; i++)
		m->bytes[i] = head[i] = (uint8_t)craft_random(rnd);
	m->len += n;
}

static void model_step(struct frame_pool *pool, struct model *m, const struct model *other,
		       uint64_t *rnd)
{
	size_t n = craft_below(rnd, 16);

	if (!m->frame) {
		m->frame = other->frame ? craft_below(rnd, 4) ? frame_clone(other->frame)
							      : frame_copy(other->frame)
					: frame_alloc(pool, 100);
		m->len = m->frame ? other->frame ? other->len : 100 : 0;
		memcpy(m->bytes, other->bytes, m->len);
		if (m->frame && !other->frame) {
			memcpy(m->frame->data, m->bytes, m->len);
			m->frame->len = (uint32_t)m->len;
		}
		return;
	}
	switch (craft_below(rnd, 6)) {
	case 0:
		frame_free(m->frame);
		m->frame = NULL;
		break;
	case 1:
		if (frame_pull(m->frame, n)) {
			m->len -= n;
			memmove(m->bytes, m->bytes + n, m->len);
		}
		break;
	case 2:
		if (frame_writable(m->frame) && m->len > n)
			m->bytes[n] = m->frame->data[n] = (uint8_t)craft_random(rnd);
		break;
	default:
		model_push(m, rnd);
		break;
	}
}

static void test_random_sharing(void **state)
{
	static struct model model[8];
	struct frame_pool *pool = frame_pool_create(5, 0);
	uint64_t rnd = 5;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		unsigned at = craft_below(&rnd, 8), other = (at + 1 + craft_below(&rnd, 7)) % 8;

		model_step(pool, &model[at], &model[other], &rnd);
		for (unsigned j = 0; j < 8; j++) {
			if (!model[j].frame)
				continue;
			assert_int_equal(model[j].frame->len, model[j].len);
			assert_memory_equal(model[j].frame->data, model[j].bytes, model[j].len);
		}
	}
	for (unsigned j = 0; j < 8; j++)
		frame_free(model[j].frame);
	assert_empty(pool);
	frame_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alloc),	   cmocka_unit_test(test_exhaustion),
	    cmocka_unit_test(test_push_pull),	   cmocka_unit_test(test_clone),
	    cmocka_unit_test(test_pull_of_shared), cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_peek),	   cmocka_unit_test(test_batch),
	    cmocka_unit_test(test_random_sharing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
