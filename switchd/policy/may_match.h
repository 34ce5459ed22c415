/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a filter could match, as far as its program tells without a frame.
 */
#ifndef TVD_MAY_MATCH_H
#define TVD_MAY_MATCH_H

#include <pcap/pcap.h>
#include <stdbool.h>

/*
 * Whether the program, or the filter in the language of pcap-filter(7), could match a
 * question for a neighbour: an ARP request or an IPv6 neighbour solicitation, whoever asks
 * for whom. Where that cannot be told it says yes.
 */
bool program_may_ask(const struct bpf_program *program);
bool filter_may_ask(const char *text);

#endif
