/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/encap.h"

#include <string.h>

#include "encap/dot1q.h"
#include "encap/etherip.h"

static const struct encap_ops *const backends[ENCAP_KINDS] = {
    [ENCAP_ETHERIP] = &etherip_ops,
    [ENCAP_DOT1Q] = &dot1q_ops,
};

const struct encap_ops *encap_at(enum encap_kind kind)
{
	return backends[kind];
}

const struct encap_ops *encap_find(const char *type)
{
	for (unsigned i = 0; i < ENCAP_KINDS; i++) {
		if (backends[i] && strcmp(backends[i]->type, type) == 0)
			return backends[i];
	}
	return NULL;
}
