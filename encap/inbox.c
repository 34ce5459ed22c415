/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/inbox.h"

void inbox_flush(struct inbox *inbox)
{
	gro_finish(&inbox->gro, &inbox->batch);
	if (inbox->batch.count)
		inbox->host->deliver(inbox->current, &inbox->batch);
}

void inbox_add(struct inbox *inbox, struct encap *encap, struct frame *frame)
{
	struct frame_pool *pool = inbox->host->pool;
	enum gro_result result = GRO_ADDED;

	if (encap != inbox->current || frame_batch_full(&inbox->batch)) {
		inbox_flush(inbox);
		inbox->current = encap;
	}
	if (encap->merge)
		result = gro_add(&inbox->gro, pool, &inbox->batch, frame);
	else if (frame_is_borrowed(frame) && !(frame = frame_keep(pool, frame)))
		result = GRO_NO_BUFFER;
	else
		frame_batch_add(&inbox->batch, frame);
	if (result == GRO_MERGED)
		encap->stats.rx_merged++;
	else if (result == GRO_NO_BUFFER)
		encap->stats.rx_drops[REASON_NO_BUFFER]++;
}
