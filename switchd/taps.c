/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/taps.h"

#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "encap/encap.h"
#include "encap/socket.h"

#define SOCKETS "/proc/self/net/packet"

/* What stands in a line; the protocol is hexadecimal, and the first line is a heading. */
enum { POINTER, REFERENCES, TYPE, PROTOCOL, INTERFACE, RUNNING, MEMORY, USER, INODE, FIELDS };

static bool split(char *line, uint64_t field[FIELDS])
{
	char *next = line, *save = NULL;

	for (unsigned i = 0; i < FIELDS; i++, next = NULL) {
		char *word = strtok_r(next, " \n", &save), *end;

		if (!word)
			return false;
		field[i] = strtoull(word, &end, i == PROTOCOL || i == POINTER ? 16 : 10);
		if (*end)
			return false;
	}
	return true;
}

/* Who captures on one Ethernet interface wants whole frames; what takes packets without
 * their link's header is a receive ring, of another switchd. */
static bool is_capture_of(const uint64_t field[FIELDS], unsigned ifindex)
{
	return field[INTERFACE] == ifindex && field[TYPE] != SOCK_DGRAM;
}

bool taps_in(FILE *file, const struct encap_host *host, unsigned ifindex)
{
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		uint64_t field[FIELDS];

		if (split(line, field) && field[PROTOCOL] == ETH_P_ALL &&
		    (field[INTERFACE] == 0 || is_capture_of(field, ifindex)) &&
		    !socket_is_own(host, field[INODE]))
			return true;
	}
	return false;
}

/* @syscall openat read close */
bool taps_on(const struct encap_host *host, unsigned ifindex)
{
	FILE *file = fopen(SOCKETS, "re");
	bool on;

	if (!file)
		return false;
	on = taps_in(file, host, ifindex);
	(void)fclose(file);
	return on;
}
