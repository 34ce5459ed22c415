/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of VDE's management: what is found in a line is within it, and the same line
 * written anew from what was found says the same.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/vde_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct vde_line *line, char *out, size_t room)
{
	char mac[MAC_STRLEN];
	int n = snprintf(out, room, " %s", line->command->path);

	if (line->command->args[0] == 'm')
		n += snprintf(out + n, room - (size_t)n, "  %s", mac_format(&line->mac, mac));
	for (unsigned i = 0; i < line->count; i++)
		n += snprintf(out + n, room - (size_t)n, "\t%ld", line->number[i]);
	if (line->text[0])
		n += snprintf(out + n, room - (size_t)n, " %s", line->text);
	assert((size_t)n < room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char again[2 * VDE_LINE_MAX], *text;
	struct vde_line line, second;
	int ret;

	if (size > VDE_LINE_MAX)
		return 0;
	text = malloc(size + 1);
	assert(text);
	memcpy(text, data, size);
	ret = vde_line_parse(text, size, &line);
	assert(ret == 0 || ret == -ENOSYS || ret == -EINVAL);
	assert(ret != -EINVAL || line.command);
	assert(ret != -ENOSYS || !line.command);
	assert(line.count <= 2);
	if (ret == 0 && line.command) {
		assert(line.number[0] >= 0 && line.number[1] >= 0);
		write_again(&line, again, sizeof(again));
		assert(vde_line_parse(again, strlen(again), &second) == 0);
		assert(second.command == line.command && second.count == line.count);
		assert(memcmp(second.number, line.number, sizeof(line.number)) == 0);
		assert(memcmp(&second.mac, &line.mac, sizeof(line.mac)) == 0);
		assert(strcmp(second.text, line.text) == 0);
	}
	free(text);
	return 0;
}
