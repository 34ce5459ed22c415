/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of rtnetlink share: making a request and reading its answer.
 */
#ifndef TVD_RTNL_IMPL_H
#define TVD_RTNL_IMPL_H

#include <libmnl/libmnl.h>

#include "switchd/rtnl.h"

/* mnl_attr_for_each() without its narrowing conversion. */
#define rtnl_each_attr(attr, nlh, off)                                                             \
	for ((attr) = mnl_nlmsg_get_payload_offset((nlh), (off));                                  \
	     mnl_attr_ok((attr), (int)((const char *)mnl_nlmsg_get_payload_tail(nlh) -             \
				       (const char *)(attr)));                                     \
	     (attr) = mnl_attr_next(attr))

#define rtnl_each_nested(attr, nest)                                                               \
	for ((attr) = mnl_attr_get_payload(nest);                                                  \
	     mnl_attr_ok((attr), (int)((const char *)mnl_attr_get_payload(nest) +                  \
				       mnl_attr_get_payload_len(nest) - (const char *)(attr)));    \
	     (attr) = mnl_attr_next(attr))

/* Begins a request in buf; *payload is its zeroed family header. */
struct nlmsghdr *rtnl_put_header(char *buf, uint16_t type, uint16_t flags, size_t extra,
				 void **payload);

/*
 * Sends a request and reads its answer, or the whole of a dump, message by message
 * into cb (may be NULL). 0 or negative errno; the kernel's own words, where it has
 * any, are then in err (may be NULL). -EINTR: a dump was overtaken by a change.
 */
int rtnl_transact(struct rtnl *rtnl, struct nlmsghdr *request, mnl_cb_t cb, void *arg,
		  struct err *err);

#endif
