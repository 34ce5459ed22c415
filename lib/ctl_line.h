/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both ends of the control channel share: bytes that wait, the lines in
 * them, and what a request line says. No I/O.
 */
#ifndef TVD_CTL_LINE_H
#define TVD_CTL_LINE_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

/* A queue of bytes in one piece; all zero is an empty one. */
struct ctl_buffer {
	char *data;
	size_t start, end, cap; /* [start, end) waits */
	size_t seen;		/* so many of the bytes that wait hold no newline */
};

static inline size_t ctl_buffer_len(const struct ctl_buffer *buffer)
{
	return buffer->end - buffer->start;
}

static inline char *ctl_buffer_data(const struct ctl_buffer *buffer)
{
	return buffer->data + buffer->start;
}

/* Makes room for n more bytes: where to put them, or NULL when out of memory. */
char *ctl_buffer_reserve(struct ctl_buffer *buffer, size_t n);

/* n bytes were put where ctl_buffer_reserve said. */
void ctl_buffer_put(struct ctl_buffer *buffer, size_t n);

/* 0 or -ENOMEM. */
int ctl_buffer_append(struct ctl_buffer *buffer, const void *data, size_t n);

/* Takes n bytes off the front; an empty buffer gives back what it grew. */
void ctl_buffer_take(struct ctl_buffer *buffer, size_t n);
void ctl_buffer_clear(struct ctl_buffer *buffer);

/*
 * The length of the first line, without its newline; -EAGAIN: there is no whole
 * one yet; -EMSGSIZE: there is, or will be, one longer than `max`.
 */
ssize_t ctl_buffer_line(struct ctl_buffer *buffer, size_t max);

/* Appends compact JSON between a prefix and a suffix. 0 or -ENOMEM: nothing appended. */
int ctl_buffer_json(struct ctl_buffer *buffer, const char *prefix, const json_t *json,
		    const char *suffix);

struct ctl_request {
	json_t *root, *args; /* args: an object, part of root */
	const char *command; /* part of root */
};

/* Reads a request line. 0 and a request to be cleared; or -EINVAL with a message. */
int ctl_request_parse(struct ctl_request *request, const char *text, size_t len, struct err *err);
void ctl_request_clear(struct ctl_request *request);

#endif
