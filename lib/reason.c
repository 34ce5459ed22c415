/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/reason.h"

#include <assert.h>
#include <errno.h>

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

enum reason reason_of_errno(int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return REASON_QUEUE_FULL;
	case EMSGSIZE:
		return REASON_OVERSIZE;
	default:
		return REASON_LINK_DOWN;
	}
}
