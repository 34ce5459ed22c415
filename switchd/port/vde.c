/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/vde.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/port/sockets.h"
#include "switchd/port/vde_impl.h"

/* A client gets the path of a data socket in it: room for "/1023.0". */
#define DIR_MAX (UNIX_PATH_MAX_LEN - 8)

static const char *wants_directory(const char *value)
{
	size_t len = strlen(value);

	return len < 2 || len > DIR_MAX || value[0] != '/' || value[len - 1] == '/'
		   ? "the path of a directory (2 to 99 characters that begin, and do not end, with "
		     "'/')"
		   : NULL;
}

/* clang-format off */
static const struct conf_key vde_keys[] = {
	PORT_COMMON_KEYS(struct vde_conf),
	{.name = "path", .type = CONF_STRING, .offset = offsetof(struct vde_conf, path), .required = true, .wants = wants_directory},
	{.name = "number", .type = CONF_INT, .offset = offsetof(struct vde_conf, number), .max = VDE_NUMBER_MAX, .initial = VDE_NUMBER_ANY},
	{.name = "mode", .type = CONF_STRING, .offset = offsetof(struct vde_conf, mode), .wants = socket_wants_mode},
	{.name = "group", .type = CONF_STRING, .offset = offsetof(struct vde_conf, group), .wants = socket_wants_group},
	{.name = "mgmt", .type = CONF_STRING, .offset = offsetof(struct vde_conf, mgmt), .wants = socket_wants_path},
	{.name = "mgmt_mode", .type = CONF_STRING, .offset = offsetof(struct vde_conf, mgmt_mode), .wants = socket_wants_mode},
	{.name = "mgmt_group", .type = CONF_STRING, .offset = offsetof(struct vde_conf, mgmt_group), .wants = socket_wants_group},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema vde_schema = {
    .kind = "vde",
    .size = sizeof(struct vde_conf),
    .keys = vde_keys,
};

static const struct vde_conf *conf_of(const struct port_conf *conf)
{
	return (const struct vde_conf *)conf;
}

static bool listens(const struct port_conf *conf)
{
	return conf_of(conf)->number == VDE_NUMBER_ANY;
}

static int vde_check(const struct port_conf *common, struct err *err)
{
	const struct vde_conf *conf = conf_of(common);
	const char *what = NULL;

	if (!listens(common) && (conf->mode || conf->group || conf->mgmt))
		what = "`mode`, `group` and `mgmt` belong to the port that listens, which has no "
		       "`number`";
	else if (!conf->mgmt && (conf->mgmt_mode || conf->mgmt_group))
		what = "`mgmt_mode` and `mgmt_group` are for the file at `mgmt`";
	if (!what)
		return 0;
	conf_fail(conf, err, "port \"%s\": %s", common->name, what);
	return -EINVAL;
}

static bool vde_conflict(const struct port_conf *a, const struct port_conf *b)
{
	const struct vde_conf *one = conf_of(a), *two = conf_of(b);

	return (strcmp(one->path, two->path) == 0 && one->number == two->number) ||
	       (one->mgmt && two->mgmt && strcmp(one->mgmt, two->mgmt) == 0);
}

static void clear(char **text)
{
	free(*text);
	*text = NULL;
}

/* What a client's port has of the one that listens. */
static void vde_set_guest(struct port_conf *common, const char *suffix)
{
	struct vde_conf *conf = (struct vde_conf *)common;

	conf->number = (int64_t)strtol(suffix, NULL, 10);
	clear(&conf->mode);
	clear(&conf->group);
	clear(&conf->mgmt);
	clear(&conf->mgmt_mode);
	clear(&conf->mgmt_group);
}

static int vde_open(struct port *port)
{
	return listens(port->conf) ? vde_listen_open(port) : vde_guest_open(port);
}

static void vde_close(struct port *port)
{
	if (listens(port->conf))
		vde_listen_close(port);
	else
		vde_guest_close(port);
}

/* ---- over a restart ---- */

/* Of a client's port, and of one for a number, all but the first two say nothing. */
static const char *const vde_identity[] = {"path", "number",	"mode",	      "group",
					   "mgmt", "mgmt_mode", "mgmt_group", NULL};

static int vde_adopt(struct port *port, struct port_heritage *heritage)
{
	return listens(port->conf) ? vde_listen_adopt(port, heritage)
				   : vde_guest_adopt(port, heritage);
}

static void vde_handover(const struct port *port, struct port_heritage *heritage)
{
	if (listens(port->conf))
		vde_listen_handover(port, heritage);
	else
		vde_guest_handover(port, heritage);
}

static int vde_reconf(struct port *port, const struct port_conf *now)
{
	return port_own_keys_equal(port, now) ? 0 : PORT_RESTART;
}

/* One that listens has no interface: it may still be named as a place to send to. */
static void vde_send(struct port *port, struct frame_batch *batch)
{
	if (!listens(port->conf)) {
		vde_guest_send(port, batch);
		return;
	}
	port->stats.tx_drops[REASON_LINK_DOWN] += batch->count;
	frame_batch_free(batch);
}

static void vde_show(const struct port *port, struct json_t *object)
{
	if (listens(port->conf))
		vde_listen_show(port, object);
	else
		vde_guest_show(port, object);
}

const struct port_ops vde_ops = {
    .type = "vde",
    .schema = &vde_schema,
    .check = vde_check,
    .conflict = vde_conflict,
    .serves_many = listens,
    .set_guest = vde_set_guest,
    .open = vde_open,
    .adopt = vde_adopt,
    .handover = vde_handover,
    .identity = vde_identity,
    .storable = true,
    .reconf = vde_reconf,
    .close = vde_close,
    .send = vde_send,
    .show = vde_show,
};
