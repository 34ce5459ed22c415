/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether somebody captures on an interface (tcpdump, tshark). What is sent past the
 * kernel's network stack is not seen there, and whoever looks shall see everything.
 */
#ifndef TVD_TAPS_H
#define TVD_TAPS_H

#include <stdbool.h>
#include <stdio.h>

struct encap_host;

/* Whether a packet socket that takes everything is on the interface, or on all, and is
 * none of our own (socket_own()). false where the kernel does not tell. */
bool taps_on(const struct encap_host *host, unsigned ifindex);

/* The same of a file like /proc/net/packet. */
bool taps_in(FILE *file, const struct encap_host *host, unsigned ifindex);

#endif
