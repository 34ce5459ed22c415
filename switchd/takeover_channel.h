/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages on the channel of a takeover, a SOCK_SEQPACKET pair; for takeover.c.
 */
#ifndef TVD_TAKEOVER_CHANNEL_H
#define TVD_TAKEOVER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "switchd/port/port.h"

#define CHANNEL_PIECE 16384u /* bytes of one message */

struct channel_message {
	char text[CHANNEL_PIECE + 1]; /* ends with a NUL that is not of it */
	size_t len;
	int fd[PORT_HERITAGE_FDS];
	unsigned fds;
};

/* Until when receiving (SO_RCVTIMEO) or sending (SO_SNDTIMEO) waits; 0: for ever. */
void channel_set_timeout(int channel, int option, uint64_t ms);

/* The next message. Its length; 0: the other end is closed; or negative errno. */
ssize_t channel_receive(int channel, struct channel_message *message, int flags);

/* Sends one. 0 or negative errno. */
int channel_say(int channel, const char *text, size_t len, const int *fds, unsigned count);
int channel_say_word(int channel, const char *word);

bool message_says(const struct channel_message *message, const char *word);

/* Closes the descriptors that nobody took. */
void message_close(struct channel_message *message);

#endif
