/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line an event on stderr, with a syslog priority "<N>" in front
 * when stderr is the journal. A file names itself once with LOG_MODULE("name").
 * A message says what happened, to which object, and what follows. errno
 * survives every call.
 */
#ifndef TVD_LOG_H
#define TVD_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

#define LOG_MODULE(name) static const char log_module[] = name

/* Detects the journal; call once. The level starts at info. */
void log_init(void);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "error", "warn", "info", "debug". parse: 0 or -EINVAL. */
const char *log_level_name(enum log_level level);
int log_level_parse(const char *text, enum log_level *level);

void log_write(enum log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* One call site that a packet can trigger: at most `burst` lines in ten seconds. */
struct log_limit {
	uint64_t window; /* of clock_ms(), start of this ten seconds */
	unsigned written, suppressed;
};

/* Whether a line may be written now; says how many were not, when it may again. */
bool log_limit_pass(struct log_limit *limit, enum log_level level, const char *module);

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		if ((level) <= log_get_level())                                                    \
			log_write((level), log_module, __VA_ARGS__);                               \
	} while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* The same for what traffic or a peer can trigger. */
#define log_limited(level, ...)                                                                    \
	do {                                                                                       \
		static struct log_limit limit_;                                                    \
                                                                                                   \
		if ((level) <= log_get_level() && log_limit_pass(&limit_, (level), log_module))    \
			log_write((level), log_module, __VA_ARGS__);                               \
	} while (0)

#endif
