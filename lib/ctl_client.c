/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client end of the control channel. It blocks, and never for ever unless
 * it listens to a stream.
 */
#include "lib/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/ctl_line.h"

#define READ_BYTES 65536u
#define LINE_MAX_  (256u * 1024u * 1024u) /* metrics are one line; the server is trusted */

struct ctl_client {
	int fd;
	struct ctl_buffer in;
	size_t taken; /* bytes of it that the last line had */
};

static void set_timeouts(int fd, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

int ctl_client_open(struct ctl_client **out, const char *path, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct ctl_client *client;
	size_t len = strlen(path);
	int code;

	if (len == 0 || len >= sizeof(addr.sun_path))
		return err_set(err, ENAMETOOLONG, "'%s': the path is empty or too long", path);
	memcpy(addr.sun_path, path, len + 1);
	client = calloc(1, sizeof(*client));
	if (!client)
		return err_set(err, ENOMEM, "out of memory");
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0) {
		code = errno;
		goto fail;
	}
	set_timeouts(client->fd, CTL_ANSWER_MS);
	if (connect(client->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		code = errno;
		goto fail_fd;
	}
	*out = client;
	return 0;
fail_fd:
	(void)close(client->fd);
fail:
	free(client);
	return err_set(err, code, "%s: %s", path, strerror(code));
}

void ctl_client_close(struct ctl_client *client)
{
	if (!client)
		return;
	(void)close(client->fd);
	ctl_buffer_clear(&client->in);
	free(client);
}

static int send_bytes(struct ctl_client *client, const struct ctl_buffer *line, int fd,
		      struct err *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = ctl_buffer_data(line), .iov_len = ctl_buffer_len(line)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(client->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0; /* ctl_client_read may still learn why */
		if (n < 0)
			return err_set(err, errno, "cannot send the request: %s",
				       errno == EAGAIN ? "it is not being read" : strerror(errno));
		/* The descriptor went with the first byte. */
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
	}
	return 0;
}

int ctl_client_send(struct ctl_client *client, const char *command, json_t *args, int fd,
		    struct err *err)
{
	struct ctl_buffer line = {0};
	json_t *request = args ? json_pack("{s:s, s:o}", "do", command, "args", args)
			       : json_pack("{s:s}", "do", command);
	int rc;

	if (!request)
		return err_set(err, EINVAL, "the request cannot be written as JSON");
	rc = ctl_buffer_json(&line, "", request, "\n");
	json_decref(request);
	if (rc < 0)
		rc = err_set(err, ENOMEM, "out of memory");
	else if (ctl_buffer_len(&line) > CTL_REQUEST_MAX + 1)
		rc = err_set(err, EMSGSIZE, "the request is longer than %u bytes", CTL_REQUEST_MAX);
	else
		rc = send_bytes(client, &line, fd, err);
	ctl_buffer_clear(&line);
	return rc;
}

/* Reads more bytes. 0; or negative errno with a message, which is empty at the end. */
static int fill(struct ctl_client *client, struct err *err)
{
	char *to = ctl_buffer_reserve(&client->in, READ_BYTES);
	ssize_t n;

	if (!to)
		return err_set(err, ENOMEM, "out of memory");
	do {
		n = recv(client->fd, to, READ_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		return err_set(err, errno, "cannot read the answer: %s",
			       errno == EAGAIN ? "it takes too long" : strerror(errno));
	if (n <= 0 && ctl_buffer_len(&client->in))
		return err_set(err, EPROTO, "the answer ends in the middle of a line");
	if (n <= 0)
		return err_set(err, ECONNRESET, "%s", "");
	ctl_buffer_put(&client->in, (size_t)n);
	return 0;
}

const char *ctl_client_line(struct ctl_client *client, size_t *length, struct err *err)
{
	ssize_t len;

	ctl_buffer_take(&client->in, client->taken);
	client->taken = 0;
	while ((len = ctl_buffer_line(&client->in, LINE_MAX_)) == -EAGAIN) {
		if (fill(client, err) < 0)
			return NULL;
	}
	if (len < 0) {
		(void)err_set(err, EMSGSIZE, "the answer is a line longer than %u bytes",
			      LINE_MAX_);
		return NULL;
	}
	client->taken = (size_t)len + 1;
	*length = (size_t)len;
	return ctl_buffer_data(&client->in);
}

json_t *ctl_client_parse(struct ctl_client *client, const char *line, size_t len, struct err *err)
{
	json_error_t error;
	json_t *json = json_loadb(line, len, 0, &error);

	if (!json)
		(void)err_set(err, EPROTO, "the answer is not JSON: %s", error.text);
	else if (json_is_true(json_object_get(json, "stream")))
		set_timeouts(client->fd, 0);
	return json;
}

json_t *ctl_client_read(struct ctl_client *client, struct err *err)
{
	size_t len;
	const char *line = ctl_client_line(client, &len, err);

	return line ? ctl_client_parse(client, line, len, err) : NULL;
}
