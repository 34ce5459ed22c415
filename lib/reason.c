/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/reason.h"

#include <assert.h>

static const struct {
	const char *name, *text;
} reasons[] = {[REASON_NONE] = {"none", "not dropped"},
#define X(id, name, text) [REASON_##id] = {name, text},
	       REASONS(X)
#undef X
};

static_assert(sizeof(reasons) / sizeof(reasons[0]) == REASON_COUNT, "a reason without its word");

const char *reason_name(enum reason reason)
{
	return (unsigned)reason < REASON_COUNT ? reasons[reason].name : "?";
}

const char *reason_text(enum reason reason)
{
	return (unsigned)reason < REASON_COUNT ? reasons[reason].text : "?";
}
