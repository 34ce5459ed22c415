/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* systemd.exec(5): JOURNAL_STREAM holds device and inode of the journal's socket. */
void log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char *end;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
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
	if (write(STDERR_FILENO, line, used) < 0) /* @syscall write */
		errno = saved;
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
