/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/takeover_channel.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void channel_set_timeout(int channel, int option, uint64_t ms)
{
	struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};

	(void)setsockopt(channel, SOL_SOCKET, option, &tv, sizeof(tv)); /* @syscall setsockopt */
}

bool message_says(const struct channel_message *message, const char *word)
{
	return message->len == strlen(word) && memcmp(message->text, word, message->len) == 0;
}

/* @syscall recvmsg */
ssize_t channel_receive(int channel, struct channel_message *message, int flags)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(message->fd))];
	} control;
	struct iovec iov = {.iov_base = message->text, .iov_len = CHANNEL_PIECE};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	bool reset = false;
	ssize_t n;

	message->fds = 0;
	for (;;) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC | flags);
		/* That it was closed with words unread is told before its last words. */
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
			break;
		reset |= errno == ECONNRESET;
	}
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    bytes > sizeof(message->fd))
			continue;
		memcpy(message->fd, CMSG_DATA(c), bytes);
		message->fds = (unsigned)(bytes / sizeof(int));
	}
	message->len = (size_t)n;
	message->text[n] = '\0';
	return n;
}

void message_close(struct channel_message *message)
{
	for (unsigned i = 0; i < message->fds; i++)
		close(message->fd[i]);
	message->fds = 0;
}

/* @syscall sendmsg */
int channel_say(int channel, const char *text, size_t len, const int *fds, unsigned count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(PORT_HERITAGE_FDS * sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (char *)(uintptr_t)text, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (count) {
		struct cmsghdr *cmsg = (struct cmsghdr *)&control;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	do
		n = sendmsg(channel, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int channel_say_word(int channel, const char *word)
{
	return channel_say(channel, word, strlen(word), NULL, 0);
}
