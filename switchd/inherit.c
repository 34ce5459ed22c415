/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/hash.h"
#include "lib/names.h"
#include "switchd/notify.h"

struct kept {
	char *name;
	int fd; /* -1: taken */
	bool stored;
};

struct inherit {
	struct names *names; /* of struct kept */
	struct kept **kept;
	size_t count, left;
};

struct inherit *inherit_create(void)
{
	struct inherit *inherit = calloc(1, sizeof(*inherit));

	if (inherit)
		inherit->names = names_create();
	if (inherit && inherit->names)
		return inherit;
	free(inherit);
	return NULL;
}

void inherit_destroy(struct inherit *inherit)
{
	if (!inherit)
		return;
	for (size_t i = 0; i < inherit->count; i++) {
		struct kept *kept = inherit->kept[i];

		if (kept->fd >= 0) {
			if (kept->stored)
				notify_unstore(kept->name);
			close(kept->fd);
		}
		free(kept->name);
		free(kept);
	}
	free(inherit->kept);
	names_destroy(inherit->names);
	free(inherit);
}

/* As systemd has it: printable ASCII without ':', which separates names. */
static bool name_ok(const char *name)
{
	size_t len = 0;

	for (; name[len]; len++) {
		if (name[len] <= ' ' || name[len] > '~' || name[len] == ':')
			return false;
	}
	return len > 0 && len <= INHERIT_NAME_MAX;
}

int inherit_add(struct inherit *inherit, const char *name, int fd, bool stored)
{
	struct kept *kept = NULL;
	struct kept **grown;
	int ret = -EINVAL;

	if (!name_ok(name))
		goto fail;
	ret = -ENOSPC;
	if (inherit->count == INHERIT_MOST)
		goto fail;
	ret = -ENOMEM;
	grown = realloc(inherit->kept, (inherit->count + 1) * sizeof(struct kept *));
	if (!grown)
		goto fail;
	inherit->kept = grown;
	kept = calloc(1, sizeof(*kept));
	if (kept)
		kept->name = strdup(name);
	if (!kept || !kept->name)
		goto fail;
	ret = names_add(inherit->names, name, kept);
	if (ret < 0)
		goto fail;
	kept->fd = fd;
	kept->stored = stored;
	inherit->kept[inherit->count++] = kept;
	inherit->left++;
	return 0;

fail:
	if (kept)
		free(kept->name);
	free(kept);
	close(fd);
	return ret;
}

/* A decimal number up to `max`; false if it is none. */
static bool number(const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return errno == 0 && *end == '\0' && *value <= max;
}

int inherit_listen(struct inherit *inherit, const char *pid, const char *count, const char *names,
		   int first, struct err *err)
{
	unsigned long value, fds, colons = 0;

	if (!count || !pid)
		return 0;
	if (!number(pid, INT32_MAX, &value))
		return err_set(err, EINVAL, "LISTEN_PID is no process");
	if (value != (unsigned long)getpid())
		return 0;
	if (!number(count, INHERIT_MOST, &fds))
		return err_set(err, EINVAL, "LISTEN_FDS is not 0 to %u", INHERIT_MOST);
	for (const char *p = names ? names : ""; *p; p++)
		colons += *p == ':';
	if (!names || (fds > 0 && colons != fds - 1))
		return err_set(err, EINVAL, "LISTEN_FDNAMES does not name %lu descriptors", fds);
	for (unsigned long i = 0; i < fds; i++) {
		if (fcntl(first + (int)i, F_GETFD) < 0)
			return err_set(err, EINVAL, "descriptor %lu of LISTEN_FDS is not open",
				       (unsigned long)first + i);
	}
	for (unsigned long i = 0; i < fds; i++) {
		char name[INHERIT_NAME_MAX + 2];
		size_t len = strcspn(names, ":");
		int fd = first + (int)i;

		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		(void)snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : 0),
			       names);
		/* A name twice, or one that is none: nothing of ours, and closed. */
		(void)inherit_add(inherit, name, fd, true);
		names += len + (names[len] == ':');
	}
	return 0;
}

int inherit_take(struct inherit *inherit, const char *name, bool *stored)
{
	struct kept *kept = inherit ? names_find(inherit->names, name) : NULL;
	int fd = kept ? kept->fd : -1;

	if (fd < 0)
		return -1;
	kept->fd = -1;
	inherit->left--;
	if (stored)
		*stored = kept->stored;
	return fd;
}

size_t inherit_left(const struct inherit *inherit)
{
	return inherit->left;
}

bool inherit_port_name(const struct port_conf *conf, char name[INHERIT_PORT_NAME])
{
	/* Not secret: who names descriptors could as well give us any. */
	static const struct hash_key key = {{0x74766473, 0x77697463}};
	const struct port_ops *ops = port_ops_find(conf->type);
	uint64_t hash = 0;
	json_t *json;

	if (!ops->adopt || !ops->handover || !ops->identity)
		return false;
	json = conf_to_json(ops->schema, conf);
	if (!json)
		return false;
	for (const char *const *k = ops->identity; *k; k++) {
		const json_t *given = json_object_get(json, *k);
		char *text = json_dumps(given, JSON_ENCODE_ANY | JSON_COMPACT);
		const char *value = text ? text : ""; /* not given */

		if (given && !text) {
			json_decref(json);
			return false;
		}
		hash = hash_u64(&key, hash ^ hash_bytes(&key, value, strlen(value)));
		free(text);
	}
	json_decref(json);
	(void)snprintf(name, INHERIT_PORT_NAME, "port.%s.%016" PRIx64, conf->name, hash);
	return true;
}
