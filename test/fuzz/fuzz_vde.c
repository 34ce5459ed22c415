/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client of VDE writes: bytes that come in pieces. A request is whole at one
 * length and stays so; what it says is fit for a log.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/port/vde_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t room)
{
	assert(strnlen(text, room) < room);
	for (; *text; text++)
		assert(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vde_request request;
	int former = 0;

	if (size > VDE_REQUEST_MAX)
		size = VDE_REQUEST_MAX;
	for (size_t len = 0; len <= size; len++) {
		uint8_t *bytes = malloc(len ? len : 1); /* its end is seen */
		struct err err = {""};
		int ret;

		assert(bytes);
		memcpy(bytes, data, len);
		ret = vde_request_parse(bytes, len, &request, &err);
		free(bytes);
		assert(former == 0 || ret == former);
		assert((ret < 0) == (err.text[0] != '\0'));
		check_text(err.text, sizeof(err.text));
		former = ret;
		if (ret <= 0)
			continue;
		assert(len >= VDE_REQUEST_MIN);
		assert(request.number >= VDE_NUMBER_ANY && request.number <= VDE_NUMBER_MAX);
		assert(request.path[0] == '/');
		check_text(request.path, sizeof(request.path));
		check_text(request.description, sizeof(request.description));
	}
	return 0;
}
