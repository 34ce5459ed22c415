/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/vde_request.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define TYPE_PORT  0u
#define TYPE_PORT0 1u

static uint32_t word(const uint8_t *bytes, size_t i)
{
	uint32_t value;

	memcpy(&value, bytes + 4 * i, sizeof(value));
	return value;
}

static int take_type(uint32_t type, struct vde_request *request, struct err *err)
{
	uint32_t number = type >> 8;

	switch (type & 0xff) {
	case TYPE_PORT:
		if (number > VDE_NUMBER_MAX)
			return err_set(err, EPROTO, "it asks for port %u: the last is %d", number,
				       VDE_NUMBER_MAX);
		request->number = number ? (int)number : VDE_NUMBER_ANY;
		return 0;
	case TYPE_PORT0:
		request->number = 0;
		return 0;
	default:
		return err_set(err, EPROTO, "its request is of type %u, which there is not",
			       type & 0xff);
	}
}

/* A path goes to the log and to who asks for ports: no control characters. */
static int take_path(const uint8_t *bytes, struct vde_request *request, struct err *err)
{
	struct sockaddr_un addr;
	size_t len;

	memcpy(&addr, bytes, sizeof(addr));
	if (addr.sun_family != AF_UNIX)
		return err_set(err, EPROTO, "its data socket is not a UNIX socket");
	len = strnlen(addr.sun_path, sizeof(addr.sun_path));
	if (len == sizeof(addr.sun_path))
		return err_set(err, EPROTO, "the path of its data socket has no end");
	if (len == 0)
		return err_set(err, EPROTO, "its data socket has no path, or an abstract name");
	if (addr.sun_path[0] != '/')
		return err_set(err, EPROTO, "the path of its data socket is relative");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)addr.sun_path[i];

		if (c < ' ' || c > '~')
			return err_set(err, EPROTO,
				       "the path of its data socket has strange characters");
	}
	memcpy(request->path, addr.sun_path, len + 1);
	return 0;
}

static void take_description(const uint8_t *bytes, size_t len, struct vde_request *request)
{
	size_t n = 0;

	for (; n < len && n < VDE_DESCRIPTION && bytes[n]; n++)
		request->description[n] = (char)(bytes[n] < ' ' || bytes[n] > '~' ? '?' : bytes[n]);
	request->description[n] = '\0';
}

int vde_request_parse(const uint8_t *bytes, size_t len, struct vde_request *request,
		      struct err *err)
{
	memset(request, 0, sizeof(*request));
	if (len >= 4 && word(bytes, 0) != VDE_MAGIC)
		return err_set(err, EPROTO, "what it says is no request of VDE");
	if (len >= 8 && word(bytes, 1) != VDE_VERSION)
		return err_set(err, EPROTO, "its request is of version %u, not %u", word(bytes, 1),
			       VDE_VERSION);
	if (len >= 12 && take_type(word(bytes, 2), request, err) < 0)
		return -EPROTO;
	if (len < VDE_REQUEST_MIN)
		return 0;
	if (take_path(bytes + 12, request, err) < 0)
		return -EPROTO;
	take_description(bytes + VDE_REQUEST_MIN, len - VDE_REQUEST_MIN, request);
	return 1;
}
