/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/encap.h"

#include <string.h>

#include "encap/etherip.h"

static const struct encap_ops *const backends[] = {&etherip_ops};

const struct encap_ops *encap_find(const char *type)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (strcmp(backends[i]->type, type) == 0)
			return backends[i];
	}
	return NULL;
}
