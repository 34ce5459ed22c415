/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/machine.h"

#include <stdlib.h>
#include <sys/utsname.h>

static const struct utsname *machine(void)
{
	static struct utsname name;
	static bool asked;

	if (!asked && uname(&name) < 0)
		name.nodename[0] = name.release[0] = '\0';
	asked = true;
	return &name;
}

const char *machine_host_name(void)
{
	return machine()->nodename;
}

bool machine_kernel_is(unsigned major, unsigned minor)
{
	char *rest;
	unsigned long is = strtoul(machine()->release, &rest, 10);

	if (is != major)
		return is > major;
	return *rest == '.' && strtoul(rest + 1, NULL, 10) >= minor;
}
