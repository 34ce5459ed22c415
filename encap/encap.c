/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/encap.h"

#include <string.h>

#include "encap/dot1q.h"
#include "encap/etherip.h"
#include "encap/macrewrite.h"
#include "encap/vxlan.h"

static const struct encap_ops *const backends[ENCAP_KINDS] = {
    [ENCAP_ETHERIP] = &etherip_ops,
    [ENCAP_DOT1Q] = &dot1q_ops,
    [ENCAP_VXLAN] = &vxlan_ops,
    [ENCAP_MACREWRITE] = &macrewrite_ops,
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

uint8_t *encap_push(struct frame *frame, size_t n)
{
	uint8_t *data = frame_push(frame, n);

	if (data || frame_is_private(frame))
		return data;
	return frame_writable(frame) ? frame_push(frame, n) : NULL;
}
