/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames that wait for a guest, against a naive queue with random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "lib/frame.h"
#include "switchd/port/sendq.h"
#include "test/unit/craft.h"

#define ROUNDS 20000u
#define MOST   20000u /* frames at once */

struct model {
	uint16_t len[MOST]; /* of frame i modulo MOST, whose bytes tell its number */
	unsigned first, behind;
	size_t bytes; /* with the four of each length */
};

static uint8_t byte_of(unsigned number, size_t i)
{
	return (uint8_t)(number * 31 + i * 7);
}

static void add(struct sendq *queue, struct model *model, unsigned len)
{
	static uint8_t bytes[FRAME_LARGE];
	const size_t need = len + sizeof(uint32_t);
	struct frame frame;

	for (unsigned i = 0; i < len; i++)
		bytes[i] = byte_of(model->behind, i);
	frame_borrow(&frame, bytes, len);
	if (sendq_add(queue, &frame)) {
		model->len[model->behind++ % MOST] = (uint16_t)len;
		model->bytes += need;
		assert_true(model->bytes <= SENDQ_BYTES);
		assert_in_range(model->behind - model->first, 1, MOST - 1);
	} else {
		assert_true(need > SENDQ_BYTES - model->bytes);
	}
}

static void look_and_take(struct sendq *queue, struct model *model, unsigned max, unsigned take)
{
	const unsigned there = model->behind - model->first;
	struct iovec iov[64];
	const unsigned count = sendq_first(queue, iov, max);

	assert_int_equal(count, there < max ? there : max);
	assert_int_equal(sendq_empty(queue), there == 0);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *data = iov[i].iov_base;
		const unsigned number = model->first + i;

		assert_int_equal(iov[i].iov_len, model->len[number % MOST]);
		for (size_t k = 0; k < iov[i].iov_len; k++) {
			if (data[k] != byte_of(number, k))
				fail_msg("byte %zu of frame %u", k, number);
		}
	}
	take = take < count ? take : count;
	sendq_take(queue, take);
	for (unsigned i = 0; i < take; i++)
		model->bytes -= model->len[model->first++ % MOST] + sizeof(uint32_t);
}

static void over_a_restart(struct sendq *queue)
{
	struct sendq next = {.bytes = NULL};
	json_t *json = sendq_to_json(queue);

	sendq_from_json(&next, json, UINT16_MAX);
	json_decref(json);
	(void)sendq_clear(queue);
	*queue = next;
}

static void as_a_naive_queue(void **state)
{
	static struct model model;
	struct sendq queue = {.bytes = NULL};
	uint64_t rnd = 5;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const uint32_t r = craft_random(&rnd);
		/* At times it fills up, at times it runs empty. */
		const bool fills = i / 500 % 2;

		if (r % 4 < (fills ? 3 : 1))
			add(&queue, &model, r / 64 % (r % 16 == 0 ? UINT16_MAX : 1600));
		else
			look_and_take(&queue, &model, r / 64 % 65, r / 4096 % (fills ? 4 : 65));
		if (r % 1024 == 1)
			over_a_restart(&queue);
	}
	assert_int_equal(sendq_clear(&queue), model.behind - model.first);
	assert_true(sendq_empty(&queue));
	assert_null(queue.bytes);
}

/* What another process says may be anything. */
static void lies_over_a_restart(void **state)
{
	static const struct {
		const char *text;
		unsigned frames;
	} cases[] = {
	    {"", 0},
	    {"xx", 0},
	    {"0", 0},
	    {"020000", 0},
	    {"02000000aa", 0},
	    {"02000000aabb", 1},
	    {"02000000aabb020000", 1},
	    {"02000000aabb01000000cc", 2},
	    {"02000000aabbffffffffcc", 1},
	    {"0900000001020304050607080900000000", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sendq queue = {.bytes = NULL};
		json_t *json = json_string(cases[i].text);

		sendq_from_json(&queue, json, 8);
		json_decref(json);
		assert_int_equal(sendq_empty(&queue), cases[i].frames == 0);
		assert_int_equal(sendq_clear(&queue), cases[i].frames);
	}
	{
		struct sendq queue = {.bytes = NULL};

		sendq_from_json(&queue, NULL, 8);
		assert_true(sendq_empty(&queue));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_a_naive_queue),
	    cmocka_unit_test(lies_over_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
