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
	struct port_heritage heritage;
	bool taken, stored;
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

		if (!kept->taken && kept->stored)
			notify_unstore(kept->name);
		port_heritage_clear(&kept->heritage);
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

/* Makes room for a name. NULL when out of memory. */
static struct kept *add_name(struct inherit *inherit, const char *name)
{
	struct kept **grown = realloc(inherit->kept, (inherit->count + 1) * sizeof(struct kept *));
	struct kept *kept = NULL;

	if (!grown)
		return NULL;
	inherit->kept = grown;
	kept = calloc(1, sizeof(*kept));
	if (kept)
		kept->name = strdup(name);
	if (!kept || !kept->name || names_add(inherit->names, name, kept) < 0) {
		if (kept)
			free(kept->name);
		free(kept);
		return NULL;
	}
	inherit->kept[inherit->count++] = kept;
	inherit->left++;
	return kept;
}

int inherit_add(struct inherit *inherit, const char *name, int fd, bool stored)
{
	struct kept *kept;
	int ret = -EINVAL;

	if (!name_ok(name))
		goto fail;
	ret = -ENOSPC;
	kept = names_find(inherit->names, name);
	if (kept ? kept->taken || kept->heritage.count == PORT_HERITAGE_FDS
		 : inherit->count == INHERIT_MOST)
		goto fail;
	ret = -ENOMEM;
	if (!kept)
		kept = add_name(inherit, name);
	if (!kept)
		goto fail;
	kept->heritage.fd[kept->heritage.count++] = fd;
	kept->stored |= stored;
	return 0;

fail:
	close(fd);
	return ret;
}

void inherit_set_state(struct inherit *inherit, const char *name, json_t *state)
{
	struct kept *kept = names_find(inherit->names, name);

	if (!kept || kept->taken)
		return;
	json_decref(kept->heritage.state);
	kept->heritage.state = json_incref(state);
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
		/* A name that is none, or too often there: nothing of ours, and closed. */
		(void)inherit_add(inherit, name, fd, true);
		names += len + (names[len] == ':');
	}
	return 0;
}

int inherit_take(struct inherit *inherit, const char *name, struct port_heritage *heritage,
		 bool *stored)
{
	struct kept *kept = inherit ? names_find(inherit->names, name) : NULL;

	if (!kept || kept->taken)
		return -ENOENT;
	*heritage = kept->heritage;
	memset(&kept->heritage, 0, sizeof(kept->heritage));
	kept->taken = true;
	inherit->left--;
	if (stored)
		*stored = kept->stored;
	return 0;
}

bool inherit_has(const struct inherit *inherit, const char *name)
{
	const struct kept *kept = inherit ? names_find(inherit->names, name) : NULL;

	return kept && !kept->taken;
}

size_t inherit_left(const struct inherit *inherit)
{
	return inherit->left;
}

void inherit_each_left(const struct inherit *inherit, void (*fn)(void *arg, const char *name),
		       void *arg)
{
	for (size_t i = 0; i < inherit->count; i++) {
		if (!inherit->kept[i]->taken)
			fn(arg, inherit->kept[i]->name);
	}
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
