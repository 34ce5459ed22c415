/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine says of itself. */
#ifndef TVD_MACHINE_H
#define TVD_MACHINE_H

#include <stdbool.h>

/*
 * As it was when this was first asked for: in the sandbox the kernel is not asked any
 * more, so that who enters it asks before. Empty texts where it says nothing.
 */
const char *machine_host_name(void);

/* Whether the running kernel is of this version, or later. */
bool machine_kernel_is(unsigned major, unsigned minor);

#endif
