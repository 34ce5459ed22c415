/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what is desired to what is live. Whoever asks for a change (the file,
 * switchctl) makes a new desired state, has it checked, and commits it here: the
 * difference by name is applied, and what did not change is not touched.
 */
#ifndef TVD_COMMIT_H
#define TVD_COMMIT_H

#include "switchd/switchd.h"

/*
 * Checks `next` and applies it; the switch takes it over and `next` is empty
 * afterwards. On failure nothing has changed, and `next` is the caller's still. Where
 * memory runs out half way (-ENOMEM) the former state is made again, as far as memory goes.
 */
int commit(struct switchd *sw, struct desired *next, struct err *err);

/* The same of what was checked when the switch had made as many commits as now: for who
 * did that in an earlier turn of the loop. */
int commit_checked(struct switchd *sw, struct desired *next, struct err *err);

/* Takes everything down. */
void commit_clear(struct switchd *sw);

#endif
