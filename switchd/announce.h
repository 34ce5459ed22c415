/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling other hosts who is here: a RARP request in each station's name, which
 * everybody learns from and nobody answers (forwarding.md section 1).
 */
#ifndef TVD_ANNOUNCE_H
#define TVD_ANNOUNCE_H

#include "switchd/switchd.h"

/* Announces a station of a segment on its wires. */
void announce_station(struct segment *segment, const struct mac *mac);

/* A port whose station is known has come up in a segment, or into it: that station is here
 * from now on, for this switch and, by announcement, for others. */
void announce_port(struct segment *segment, const struct port *port);

/* Announces one through one encap, to a host behind it or (unset) to everybody. */
void announce_station_through(struct segment_encap *se, const struct ipaddr *to,
			      const struct mac *mac);

/* Announces all local stations that the segment knows. */
void announce_segment(struct segment *segment);

#endif
