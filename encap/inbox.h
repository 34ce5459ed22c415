/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has arrived and is not handed to the host yet: frames for one encap in a row
 * travel together, and segments of one flow become superframes (gro.h).
 */
#ifndef TVD_INBOX_H
#define TVD_INBOX_H

#include "encap/encap.h"
#include "encap/gro.h"

/* All zero but `host` is empty. */
struct inbox {
	struct encap_host *host;
	struct encap *current; /* whose the batch is */
	struct frame_batch batch;
	struct gro gro;
};

/* Takes ownership; copies a borrowed frame. Counts what there is no buffer for. */
void inbox_add(struct inbox *inbox, struct encap *encap, struct frame *frame);

/* Hands over all there is: due before the loop sleeps. */
void inbox_flush(struct inbox *inbox);

#endif
