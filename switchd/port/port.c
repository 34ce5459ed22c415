/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/port.h"

#include <jansson.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "switchd/port/dgram.h"
#include "switchd/port/netdev.h"
#include "switchd/port/stream.h"
#include "switchd/port/tap.h"
#include "switchd/port/vde.h"

static const struct port_ops *const types[] = {&tap_ops,   &netdev_ops, &stream_ops,
					       &dgram_ops, &udp_ops,	&vde_ops};

const struct port_ops *port_ops_find(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i]->type, type) == 0)
			return types[i];
	}
	return NULL;
}

const struct port_ops *port_ops_at(size_t i)
{
	return i < sizeof(types) / sizeof(types[0]) ? types[i] : NULL;
}

bool port_own_keys_equal(const struct port *port, const struct port_conf *other)
{
	const struct conf_schema *schema = port->ops->schema;

	/* Their members are those behind the common ones. */
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		if (key->offset >= sizeof(struct port_conf) &&
		    !conf_key_equal(schema, port->conf, other, key->name))
			return false;
	}
	return true;
}

/* ---- heritage ---- */

json_t *port_bytes_to_json(const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * len + 1);
	json_t *json;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	json = json_stringn(text, 2 * len);
	free(text);
	return json;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t port_bytes_from_json(const json_t *json, uint8_t *bytes, size_t size)
{
	size_t len = json_string_length(json);
	const char *text = json_string_value(json);

	if (!text || len % 2 || len / 2 > size)
		return -1;
	for (size_t i = 0; i < len / 2; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return (ssize_t)(len / 2);
}

void port_heritage_clear(struct port_heritage *heritage)
{
	for (unsigned i = 0; i < heritage->count; i++) {
		if (heritage->fd[i] >= 0)
			close(heritage->fd[i]);
	}
	json_decref(heritage->state);
	heritage->state = NULL;
	heritage->count = 0;
}

int port_heritage_take(struct port_heritage *heritage, unsigned i)
{
	int fd = heritage->fd[i];

	heritage->fd[i] = -1;
	return fd;
}

/* @syscall getsockopt */
bool port_is_socket(int fd, int domain, int type)
{
	int is_domain = -1, is_type = -1;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &is_domain, &len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &is_type, &len) == 0 && is_domain == domain &&
	       is_type == type;
}

void port_close_fd(const struct port_host *host, int fd)
{
	if (host->epoll >= 0)
		(void)epoll_ctl(host->epoll, EPOLL_CTL_DEL, fd, NULL); /* @syscall epoll_ctl */
	close(fd);						       /* @syscall close */
}

/* ---- names ---- */

/* dev_valid_name() in the kernel, and no '%', which asks it to make up a number. */
bool port_ifname_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (const char *p = name; *p; p++) {
		if (*p <= ' ' || *p == '/' || *p == ':' || *p == '%' || *p == 0x7f)
			return false;
	}
	return true;
}
