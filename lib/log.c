/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"

#define LINE_MAX_BYTES	1024
#define LIMIT_WINDOW_MS 10000
#define LIMIT_BURST	5

static const struct {
	const char *name;
	int syslog; /* sd-daemon(3) */
} levels[LOG_LEVEL_COUNT] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARN] = {"warn", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

static enum log_level current = LOG_LEVEL_INFO;
static bool to_journal;

/* Where lines go. Nobody waits for a reader that has stopped: a socket is asked not to
 * block, and a pipe or terminal is opened once more, because how its open file behaves
 * is not ours alone to change. */
static int out = STDERR_FILENO;
static bool out_is_socket;
static unsigned lost; /* lines, since the last one that was taken */

/* systemd.exec(5): JOURNAL_STREAM holds device and inode of the journal's socket. */
void log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char *end;
	int fd = -1;

	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	out_is_socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		out = fd;
	if (!stream)
		return;
	dev = strtoull(stream, &end, 10);
	if (*end != ':')
		return;
	ino = strtoull(end + 1, &end, 10);
	to_journal = *end == '\0' && st.st_dev == dev && st.st_ino == ino;
}

void log_set_level(enum log_level level)
{
	current = level;
}

enum log_level log_get_level(void)
{
	return current;
}

const char *log_level_name(enum log_level level)
{
	return (unsigned)level < LOG_LEVEL_COUNT ? levels[level].name : "?";
}

int log_level_parse(const char *text, enum log_level *level)
{
	for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static bool put(const char *line, size_t len)
{
	struct iovec iov = {.iov_base = (char *)(uintptr_t)line, .iov_len = len};
	const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (out_is_socket)
		n = sendmsg(out, &msg, MSG_DONTWAIT | MSG_NOSIGNAL); /* @syscall sendmsg */
	else
		n = write(out, line, len); /* @syscall write */
	return n >= 0;
}

static void tell_lost(void)
{
	char line[80];
	int n = snprintf(line, sizeof(line), "%s: log: %u lines before this one are lost\n",
			 to_journal ? "<4>switchd" : "switchd warn", lost);

	if (put(line, (size_t)n))
		lost = 0;
}

void log_write(enum log_level level, const char *module, const char *fmt, ...)
{
	int saved = errno;
	char line[LINE_MAX_BYTES];
	size_t used;
	va_list ap;
	int n;

	if (to_journal)
		n = snprintf(line, sizeof(line), "<%d>%s: ", levels[level].syslog, module);
	else
		n = snprintf(line, sizeof(line), "switchd %s: %s: ", levels[level].name, module);
	used = (size_t)n;
	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof(line) - used, fmt, ap);
	va_end(ap);
	if (n > 0)
		used += (size_t)n;
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	for (size_t i = 0; i < used; i++) { /* one line an event, whatever a peer sent */
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[used++] = '\n';
	/* A log that cannot be written must not stop the switch. */
	if (lost)
		tell_lost();
	lost += !put(line, used);
	errno = saved;
}

bool log_limit_pass(struct log_limit *limit, enum log_level level, const char *module)
{
	uint64_t now = clock_ms();

	if (limit->window == 0 || now - limit->window >= LIMIT_WINDOW_MS) {
		if (limit->suppressed)
			log_write(level, module, "%u similar messages suppressed",
				  limit->suppressed);
		limit->window = now;
		limit->written = limit->suppressed = 0;
	}
	if (limit->written >= LIMIT_BURST) {
		limit->suppressed++;
		return false;
	}
	limit->written++;
	return true;
}
