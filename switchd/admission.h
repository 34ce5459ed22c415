/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port admission: whether a guest may send what it sends. Pure functions of the
 * port's configuration and one frame.
 *
 *   state = "locked"     nothing passes
 *   macs, guard.mac      the Ethernet source is one of `macs`, or, if there are
 *                        none, the port's own address
 *   addresses, guard.ip  the IP source is in one of `addresses`. Exceptions: 0.0.0.0
 *                        for DHCP clients; :: for duplicate address detection,
 *                        router solicitation and MLD; fe80::/10, unless `addresses`
 *                        names something in it, and but for those made of another MAC
 *                        address (RFC 4291 appendix A). guard.ip without
 *                        `addresses` leaves the exceptions only
 *   guard.arp            ARP and neighbour discovery speak for the Ethernet source
 *                        and for addresses that may be used as an IP source
 *   guard.dhcp           no DHCP server messages of either version
 *   guard.ra             no router advertisements, no redirects (RFC 6105, RFC 7113), no
 *                        queries for multicast groups
 *
 * A guard that cannot see what it guards against (an IP header that is broken, a
 * chain of extension headers cut by a fragment's end or too long, LLC/SNAP, more
 * tags than are walked) drops the frame for its own reason.
 */
#ifndef TVD_ADMISSION_H
#define TVD_ADMISSION_H

#include "lib/frame.h"
#include "lib/packet.h"
#include "lib/reason.h"
#include "switchd/config.h"

/* Whether the port restricts anything: if not, admission_check() need not be asked. */
bool admission_applies(const struct port_conf *conf);

/*
 * REASON_NONE if the frame may pass. `own` is the address of the guest's
 * interface where it is known, else NULL; `packet` what packet_parse() found.
 */
enum reason admission_check(const struct port_conf *conf, const struct mac *own,
			    const struct frame *frame, const struct packet *packet);

#endif
