/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client of the control socket may send: bytes in pieces of any size, cut
 * into lines, read as requests. The first byte of the input seeds the sizes. The
 * lines must be the same as those of the input in one piece.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/ctl.h"
#include "lib/ctl_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_LIMIT 4096u /* short, so that long lines occur */

static void request(const char *text, size_t len)
{
	struct ctl_request parsed;
	struct err err;

	if (ctl_request_parse(&parsed, text, len, &err) < 0) {
		assert(!parsed.root && err.text[0]);
		return;
	}
	assert(parsed.command && json_is_object(parsed.args));
	ctl_request_clear(&parsed);
}

/* Consumes whole lines; false once one is too long. */
static bool lines(struct ctl_buffer *in, const uint8_t **expected)
{
	ssize_t len;

	while ((len = ctl_buffer_line(in, LINE_LIMIT)) >= 0) {
		const char *text = ctl_buffer_data(in);

		assert(memcmp(text, *expected, (size_t)len + 1) == 0 && text[len] == '\n');
		assert(!memchr(text, '\n', (size_t)len));
		request(text, (size_t)len);
		*expected += len + 1;
		ctl_buffer_take(in, (size_t)len + 1);
	}
	assert(len == -EAGAIN || len == -EMSGSIZE);
	assert(len == -EAGAIN || ctl_buffer_len(in) > LINE_LIMIT);
	return len == -EAGAIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_buffer in = {0};
	const uint8_t *expected = data + 1;
	unsigned state = size ? data[0] : 0;

	for (size_t at = 1; at < size;) {
		size_t n;
		char *to;

		state = state * 1103515245u + 12345u;
		n = 1 + (state >> 16) % 600;
		if (n > size - at)
			n = size - at;
		to = ctl_buffer_reserve(&in, n + (state >> 8) % 5000);
		assert(to);
		memcpy(to, data + at, n);
		ctl_buffer_put(&in, n);
		at += n;
		if (!lines(&in, &expected))
			break;
	}
	ctl_buffer_clear(&in);
	return 0;
}
