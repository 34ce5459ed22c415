/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frame says of its conversation; the input is the frame. Nothing is read past its
 * end, the same bytes always say the same, and what crosses as an answer is one.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Memory of exactly that size, so that a sanitizer sees one byte too many. */
	uint8_t *copy = malloc(size ? size : 1);
	struct flow_info flow, again;
	struct packet packet;
	struct frame frame;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	frame_borrow(&frame, copy, size);
	for (int gso = 0; gso < 2; gso++) {
		frame.offload.gso = gso ? FRAME_GSO_TCP4 : FRAME_GSO_NONE;
		if (!packet_parse(&frame, &packet))
			break;
		flow_parse(&frame, &packet, &flow);
		flow_parse(&frame, &packet, &again);
		expect(memcmp(&flow, &again, sizeof(flow)) == 0);
		expect(flow.kind < FLOW_KINDS);
		expect(flow.payload <= size);
		expect(!flow.answer || flow.kind == FLOW_KIND_ECHO || flow.kind == FLOW_KIND_ARP ||
		       flow.kind == FLOW_KIND_ND || flow.kind == FLOW_KIND_ERROR);
		expect(flow.kind != FLOW_KIND_FRAGMENT || packet.fragment);
		expect(flow.kind < FLOW_KIND_TCP || flow.family);
		expect(flow.kind == FLOW_KIND_ERROR || flow.inside == 0);
	}
	free(copy);
	return 0;
}
