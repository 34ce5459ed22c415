/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests with a real struct switchd: as root, too, the same must happen as without
 * privileges, where no TAP can be made and no raw socket opened.
 */
#ifndef TVD_TEST_UNPRIVILEGED_H
#define TVD_TEST_UNPRIVILEGED_H

#include <cap-ng.h>

static inline int drop_privileges(void **state)
{
	(void)state;
	capng_clear(CAPNG_SELECT_CAPS);
	return capng_apply(CAPNG_SELECT_CAPS);
}

/* Nobody follows interfaces in such a test. */
static inline void on_links(void *arg)
{
	(void)arg;
}

#endif
