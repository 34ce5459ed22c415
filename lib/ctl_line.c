/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/ctl_line.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GROW_MIN 4096u
#define KEEP_MAX (32u * 1024u) /* an empty buffer larger than this is given back */

char *ctl_buffer_reserve(struct ctl_buffer *buffer, size_t n)
{
	size_t len = ctl_buffer_len(buffer);
	size_t cap = buffer->cap ? buffer->cap : GROW_MIN;
	char *data;

	if (buffer->cap - buffer->end >= n && buffer->data)
		return buffer->data + buffer->end;
	if (buffer->start && buffer->data) {
		memmove(buffer->data, buffer->data + buffer->start, len);
		buffer->start = 0;
		buffer->end = len;
	}
	if (n > SIZE_MAX / 4 || len > SIZE_MAX / 4)
		return NULL;
	while (cap - len < n)
		cap *= 2;
	if (cap != buffer->cap || !buffer->data) {
		data = realloc(buffer->data, cap); /* @syscall brk mmap mremap munmap */
		if (!data)
			return NULL;
		buffer->data = data;
		buffer->cap = cap;
	}
	return buffer->data + buffer->end;
}

void ctl_buffer_put(struct ctl_buffer *buffer, size_t n)
{
	assert(n <= buffer->cap - buffer->end);
	buffer->end += n;
}

int ctl_buffer_append(struct ctl_buffer *buffer, const void *data, size_t n)
{
	char *to = ctl_buffer_reserve(buffer, n);

	if (!to)
		return -ENOMEM;
	memcpy(to, data, n);
	ctl_buffer_put(buffer, n);
	return 0;
}

void ctl_buffer_take(struct ctl_buffer *buffer, size_t n)
{
	assert(n <= ctl_buffer_len(buffer));
	buffer->start += n;
	buffer->seen = n < buffer->seen ? buffer->seen - n : 0;
	if (buffer->start < buffer->end)
		return;
	if (buffer->cap > KEEP_MAX)
		ctl_buffer_clear(buffer);
	buffer->start = buffer->end = 0;
}

void ctl_buffer_clear(struct ctl_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct ctl_buffer){0};
}

ssize_t ctl_buffer_line(struct ctl_buffer *buffer, size_t max)
{
	size_t len = ctl_buffer_len(buffer);
	const char *start, *newline;

	if (len == 0)
		return -EAGAIN;
	start = ctl_buffer_data(buffer);
	newline = memchr(start + buffer->seen, '\n', len - buffer->seen);
	if (!newline) {
		buffer->seen = len;
		return len > max ? -EMSGSIZE : -EAGAIN;
	}
	len = (size_t)(newline - start);
	buffer->seen = len; /* asked again, it is found at once */
	return len > max ? -EMSGSIZE : (ssize_t)len;
}

static int append_dump(const char *text, size_t n, void *buffer)
{
	return ctl_buffer_append(buffer, text, n);
}

int ctl_buffer_json(struct ctl_buffer *buffer, const char *prefix, const json_t *json,
		    const char *suffix)
{
	size_t before = ctl_buffer_len(buffer);

	if (json && ctl_buffer_append(buffer, prefix, strlen(prefix)) == 0 &&
	    json_dump_callback(json, append_dump, buffer, JSON_COMPACT | JSON_ENCODE_ANY) == 0 &&
	    ctl_buffer_append(buffer, suffix, strlen(suffix)) == 0)
		return 0;
	buffer->end = buffer->start + before;
	return -ENOMEM;
}

int ctl_request_parse(struct ctl_request *request, const char *text, size_t len, struct err *err)
{
	json_error_t error;
	const char *key;
	json_t *value;
	int rc;

	*request = (struct ctl_request){0};
	request->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!request->root && json_error_code(&error) == json_error_out_of_memory)
		return err_set(err, ENOMEM, "out of memory");
	if (!request->root)
		return err_set(err, EINVAL, "the request is not JSON: column %d: %s", error.column,
			       error.text);
	if (!json_is_object(request->root)) {
		rc = err_set(err, EINVAL, "the request is not a JSON object");
		goto fail;
	}
	json_object_foreach(request->root, key, value)
	{
		if (strcmp(key, "do") == 0) {
			request->command = json_string_value(value);
		} else if (strcmp(key, "args") == 0 && json_is_object(value)) {
			request->args = value;
		} else {
			rc = err_set(err, EINVAL,
				     strcmp(key, "args") == 0
					 ? "\"args\" of the request is not an object"
					 : "the request has a key other than \"do\" and \"args\"");
			goto fail;
		}
	}
	if (!request->command) {
		rc = err_set(err, EINVAL, "the request has no \"do\" with a command's name");
		goto fail;
	}
	if (!request->args) {
		request->args = json_object();
		if (json_object_set_new(request->root, "args", request->args) < 0) {
			rc = err_set(err, EINVAL, "out of memory");
			goto fail;
		}
	}
	return 0;
fail:
	ctl_request_clear(request);
	return rc;
}

void ctl_request_clear(struct ctl_request *request)
{
	json_decref(request->root);
	*request = (struct ctl_request){0};
}
