/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_memory.h"
#include "lib/log.h"
#include "switchd/capture.h"
#include "switchd/commit.h"
#include "switchd/egress.h"
#include "switchd/forward.h"
#include "switchd/membership.h"
#include "switchd/reload.h"
#include "switchd/takeover.h"

#define TRACE_FRAMES_MAX 1024u
#define FILTER_MAX	 4096u /* instructions; the kernel's limit too */

/* A string argument, or NULL. */
static const char *arg_string(const json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

/* A string argument that must be there; answers the request if it is not. */
static const char *need_string(struct ctl_conn *conn, const json_t *args, const char *key)
{
	const char *value = arg_string(args, key);

	if (!value)
		ctl_fail(conn, "\"%s\" is %s", key,
			 json_object_get(args, key) ? "not a string" : "missing");
	return value;
}

static struct segment *need_segment(struct switchd *sw, struct ctl_conn *conn, const json_t *args)
{
	const char *name = need_string(conn, args, "segment");
	struct segment *segment = name ? switchd_segment(sw, name) : NULL;

	if (name && !segment)
		ctl_fail(conn, "there is no segment \"%s\"", name);
	return segment;
}

static struct port *need_port(struct switchd *sw, struct ctl_conn *conn, const json_t *args,
			      const char *key)
{
	const char *name = need_string(conn, args, key);
	struct port *port = name ? switchd_port(sw, name) : NULL;

	if (name && !port)
		ctl_fail(conn, "there is no port \"%s\"", name);
	return port;
}

/* ---- changes of the desired state ---- */

static void answer(struct ctl_conn *conn, int ret, const struct err *err)
{
	if (ret < 0) {
		ctl_fail(conn, "%s", err->text);
	} else {
		/* It is done, whatever else there was no memory for. */
		(void)json_memory_short();
		ctl_ok(conn, NULL);
	}
}

static void finish(struct switchd *sw, struct ctl_conn *conn, struct desired *next, int ret,
		   struct err *err)
{
	if (ret == 0)
		ret = commit(sw, next, err);
	if (ret < 0)
		desired_clear(next);
	answer(conn, ret, err);
}

/* Who says that it is who asks, OWNER_CLI if nobody does; takes that out of the
 * arguments. NULL, and the request is answered, if there is no such owner. */
static const char *take_owner(struct ctl_conn *conn, json_t *args)
{
	const char *name = arg_string(args, "owner");
	const char *owner = name ? config_owner(name) : OWNER_CLI;

	if (!owner)
		ctl_fail(conn, "an owner is cli or hook, not \"%.40s\"", name);
	else
		(void)json_object_del(args, "owner");
	return owner;
}

/* The same where the object is there: whoever names an owner means only his own. False,
 * and the request is answered, if it is another's. */
static bool owner_may(struct ctl_conn *conn, json_t *args, const struct desired_object *object)
{
	bool said = json_object_get(args, "owner") != NULL;
	const char *owner = take_owner(conn, args);

	if (owner && said && object && strcmp(object->owner, owner) != 0)
		ctl_fail(conn, "\"%s\" was made by %s, not by %s", object->name, object->owner,
			 owner);
	else if (owner)
		return true;
	return false;
}

/* Whether a port that has just been added may be. One that would take from the host what
 * that uses is none that waits for better times. */
static int let_port_be(struct switchd *sw, const char *name, struct err *err)
{
	const struct port *port = name ? switchd_port(sw, name) : NULL;
	struct err ignored;
	struct desired next;
	int ret;

	if (!port || !port->refused)
		return 0;
	ret = err_set(err, EPERM, "port \"%s\": %s", name, port->why);
	memset(&next, 0, sizeof(next));
	if (desired_copy(&next, &sw->desired, &ignored) < 0 ||
	    desired_del(&next, "port", name, &ignored) < 0 || commit(sw, &next, &ignored) < 0)
		desired_clear(&next);
	return ret;
}

static void add_object(struct switchd *sw, struct ctl_conn *conn, const char *kind, json_t *args)
{
	const char *owner = take_owner(conn, args);
	struct desired next;
	struct err err;
	int ret;

	if (!owner)
		return;
	memset(&next, 0, sizeof(next));
	ret = desired_copy(&next, &sw->desired, &err);
	ret = ret ? ret : desired_add(&next, kind, args, owner, &err);
	ret = ret ? ret : commit(sw, &next, &err);
	if (ret < 0)
		desired_clear(&next);
	else
		ret = let_port_be(sw, strcmp(kind, "port") == 0 ? arg_string(args, "name") : NULL,
				  &err);
	answer(conn, ret, &err);
}

static void del_object(struct switchd *sw, struct ctl_conn *conn, const char *kind, json_t *args)
{
	const char *name = need_string(conn, args, "name");
	struct desired next;
	struct err err;
	int ret;

	if (!name)
		return;
	memset(&next, 0, sizeof(next));
	ret = desired_copy(&next, &sw->desired, &err);
	ret = ret ? ret : desired_del(&next, kind, name, &err);
	finish(sw, conn, &next, ret, &err);
}

static void do_port_add(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	(void)fd;
	add_object(sw, conn, "port", args);
}

static void do_port_del(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	const char *name = arg_string(args, "name");

	(void)fd;
	if (owner_may(conn, args, name ? (const void *)desired_port(&sw->desired, name) : NULL))
		del_object(sw, conn, "port", args);
}

/* `segment` and `native` mean the same on a trunk port: one that is given replaces either. */
static void replace_untagged(json_t *port, const json_t *args)
{
	if (json_object_get(args, "segment") && !json_object_get(args, "native"))
		json_object_del(port, "native");
	if (json_object_get(args, "native") && !json_object_get(args, "segment"))
		json_object_del(port, "segment");
}

/* The port as it is desired now, with the given keys instead of its own. */
static void do_port_set(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct port *port = need_port(sw, conn, args, "name");
	struct desired next;
	const char *owner;
	struct err err;
	json_t *merged;
	int ret;

	(void)fd;
	if (!port || !owner_may(conn, args, (const void *)port->conf))
		return;
	owner = port->conf->owner;
	merged = conf_to_json(port->ops->schema, port->conf);
	if (!merged || json_object_update_recursive(merged, args) < 0) {
		json_decref(merged);
		ctl_fail(conn, "out of memory");
		return;
	}
	replace_untagged(merged, args);
	memset(&next, 0, sizeof(next));
	ret = desired_copy(&next, &sw->desired, &err);
	ret = ret ? ret : desired_del(&next, "port", port->conf->name, &err);
	if (ret == 0)
		ret = desired_add(&next, "port", merged, owner, &err);
	json_decref(merged);
	finish(sw, conn, &next, ret, &err);
}

static void do_segment_add(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	(void)fd;
	add_object(sw, conn, "segment", args);
}

static void do_segment_del(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	(void)fd;
	del_object(sw, conn, "segment", args);
}

struct reload_wait {
	struct switchd *sw;
	uint64_t number;
};

static bool reload_next(void *state, struct ctl_conn *conn)
{
	const struct reload_wait *wait = state;
	struct err err = {""};
	int ret = reload_result(wait->sw, wait->number, &err);

	if (ret != -EINPROGRESS)
		answer(conn, ret, &err);
	return ret == -EINPROGRESS;
}

static void do_reload(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct reload_wait *wait = calloc(1, sizeof(*wait));

	(void)args;
	(void)fd;
	if (!wait) {
		ctl_fail(conn, "out of memory");
		return;
	}
	wait->sw = sw;
	wait->number = reload_ask(sw);
	ctl_generate(conn, reload_next, free, wait);
}

/* ---- the FDB ---- */

static bool need_mac(struct ctl_conn *conn, const json_t *args, struct mac *mac)
{
	const char *text = need_string(conn, args, "mac");

	if (!text)
		return false;
	if (mac_parse(text, mac) < 0) {
		ctl_fail(conn, "\"%s\" is not a MAC address", text);
		return false;
	}
	if (mac_is_group(mac) || mac_is_zero(mac)) {
		ctl_fail(conn, "%s is not the address of one station", text);
		return false;
	}
	return true;
}

static void do_fdb_add(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	const char *state = arg_string(args, "state");
	bool sticky = state && strcmp(state, "sticky") == 0;
	struct fdb_where where = {.side = FDB_SIDE_LOCAL};
	struct segment *segment;
	struct port *port;
	struct mac mac;
	int ret;

	(void)fd;
	if (!need_mac(conn, args, &mac))
		return;
	segment = need_segment(sw, conn, args);
	port = segment ? need_port(sw, conn, args, "port") : NULL;
	if (!port)
		return;
	if (state && !sticky && strcmp(state, "static") != 0) {
		ctl_fail(conn, "\"%s\" is neither static nor sticky", state);
		return;
	}
	if (!membership_of(port, segment)) {
		ctl_fail(conn, "port \"%s\" is not in segment \"%s\"", port->conf->name,
			 segment->conf.name);
		return;
	}
	where.port = port->number;
	ret = fdb_add(sw->fdb, segment->number, &mac, &where, sticky ? FDB_STICKY : FDB_STATIC,
		      sw->now);
	if (ret == 0)
		ctl_ok(conn, NULL);
	else if (ret == -EEXIST)
		ctl_fail(conn, "there is a static entry for it: delete that first");
	else if (ret == -ENOSPC)
		ctl_fail(conn, "segment \"%s\" has no room for a static entry (fdb_max)",
			 segment->conf.name);
	else
		ctl_fail(conn, "%s", strerror(-ret));
}

/* Where a station is, if that is a local port; else NULL. */
static const struct port *port_of_station(const struct switchd *sw, const struct segment *segment,
					  const struct mac *mac)
{
	const struct fdb_where *where = fdb_lookup(sw->fdb, segment->number, mac, sw->now);

	return where && where->side == FDB_SIDE_LOCAL ? sw->port_by_number[where->port] : NULL;
}

/* The one segment that knows a station, for those who do not say; else the request is
 * answered. */
static struct segment *segment_of_station(struct switchd *sw, struct ctl_conn *conn,
					  const struct mac *mac, const char *text)
{
	struct segment *found = NULL;

	list_for_each (&sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);

		if (!fdb_lookup(sw->fdb, segment->number, mac, sw->now))
			continue;
		if (found) {
			ctl_fail(conn, "%s is in several segments: say which", text);
			return NULL;
		}
		found = segment;
	}
	if (!found)
		ctl_fail(conn, "no segment knows %s", text);
	return found;
}

static void do_fdb_del(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	const char *text = arg_string(args, "mac");
	const struct port *port = NULL;
	struct segment *segment;
	struct mac mac;

	(void)fd;
	if (!need_mac(conn, args, &mac))
		return;
	if (json_object_get(args, "segment"))
		segment = need_segment(sw, conn, args);
	else
		segment = segment_of_station(sw, conn, &mac, text);
	if (segment && json_object_get(args, "port")) {
		port = need_port(sw, conn, args, "port");
		if (!port)
			return;
	}
	if (!segment)
		return;
	if (port && port_of_station(sw, segment, &mac) != port)
		ctl_fail(conn, "in segment \"%s\" %s is not at port \"%s\"", segment->conf.name,
			 text, port->conf->name);
	else if (fdb_del(sw->fdb, segment->number, &mac) < 0)
		ctl_fail(conn, "segment \"%s\" does not know %s", segment->conf.name, text);
	else
		ctl_ok(conn, NULL);
}

static void do_fdb_flush(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct segment *only = NULL;
	struct port *port = NULL;
	size_t count = 0;

	(void)fd;
	if (arg_string(args, "segment")) {
		only = need_segment(sw, conn, args);
		if (!only)
			return;
	}
	if (arg_string(args, "port")) {
		port = need_port(sw, conn, args, "port");
		if (!port)
			return;
		if (only && !membership_of(port, only)) {
			ctl_fail(conn, "port \"%s\" is not in segment \"%s\"", port->conf->name,
				 only->conf.name);
			return;
		}
	}
	list_for_each (&sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);
		struct fdb_where where = {.side = FDB_SIDE_LOCAL};

		if ((only && segment != only) || (port && !membership_of(port, segment)))
			continue;
		if (port)
			where.port = port->number;
		count += fdb_flush(sw->fdb, segment->number, port ? &where : NULL, false);
	}
	ctl_ok(conn, json_pack("{s:I}", "flushed", (json_int_t)count));
}

/* ---- captures ---- */

/* Of what: fills port or segment of the spec, or answers why not. */
static bool capture_target(struct switchd *sw, struct ctl_conn *conn, json_t *args,
			   struct capture_spec *spec)
{
	if (arg_string(args, "port")) {
		spec->port = need_port(sw, conn, args, "port");
		return spec->port != NULL;
	}
	spec->segment = need_segment(sw, conn, args);
	return spec->segment != NULL;
}

static void do_mirror_add(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct capture_spec spec = {.fd = -1, .format = CAPTURE_PCAPNG};
	struct capture *capture;
	struct err err;

	spec.name = need_string(conn, args, "name");
	if (!spec.name || !capture_target(sw, conn, args, &spec))
		return;
	if (spec.name[0] == '\0' || strlen(spec.name) > NAME_MAX_LEN) {
		ctl_fail(conn, "the name of a mirror has 1 to %d characters", NAME_MAX_LEN);
		return;
	}
	if (arg_string(args, "to_port")) {
		spec.to_port = need_port(sw, conn, args, "to_port");
		if (!spec.to_port)
			return;
		if (spec.to_port == spec.port) {
			ctl_fail(conn, "a port cannot be mirrored to itself");
			return;
		}
	} else if (*fd < 0) {
		ctl_fail(conn, "a mirror needs a file (with its descriptor) or a port to go to");
		return;
	} else {
		spec.file = arg_string(args, "file");
		spec.fd = *fd;
		*fd = -1;
	}
	answer(conn, capture_start(sw, &spec, &capture, &err), &err);
}

static void do_mirror_del(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	const char *name = need_string(conn, args, "name");

	(void)fd;
	if (!name)
		return;
	if (capture_stop_name(sw, name) < 0)
		ctl_fail(conn, "there is no mirror \"%s\"", name);
	else
		ctl_ok(conn, NULL);
}

/* [[code, jt, jf, k], ...] as switchctl has compiled it; capture_start() validates it. */
static bool read_filter(const json_t *list, struct bpf_program *program)
{
	size_t count = json_array_size(list);

	if (count == 0)
		return true;
	if (count > FILTER_MAX)
		return false;
	program->bf_insns = calloc(count, sizeof(*program->bf_insns));
	if (!program->bf_insns)
		return false;
	for (size_t i = 0; i < count; i++) {
		json_int_t v[4];

		if (json_array_size(json_array_get(list, i)) != 4)
			goto bad;
		for (size_t k = 0; k < 4; k++) {
			v[k] = json_integer_value(json_array_get(json_array_get(list, i), k));
			if (v[k] < 0 || v[k] > (k == 0 ? UINT16_MAX : k == 3 ? UINT32_MAX : 255))
				goto bad;
		}
		program->bf_insns[i] =
		    (struct bpf_insn){(u_short)v[0], (u_char)v[1], (u_char)v[2], (bpf_u_int32)v[3]};
	}
	program->bf_len = (u_int)count;
	return true;
bad:
	free(program->bf_insns);
	program->bf_insns = NULL;
	return false;
}

/* A live capture lasts as long as its client, and the other way round. */
struct live_capture {
	struct capture *capture;
	struct ctl_conn *conn;
};

static void live_hangup(void *arg)
{
	struct live_capture *live = arg;

	capture_stop(live->capture);
	free(live);
}

static void live_ended(void *arg)
{
	struct live_capture *live = arg;

	ctl_on_hangup(live->conn, NULL, NULL);
	free(live);
}

static void do_pcap(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct capture_spec spec = {.fd = -1, .format = CAPTURE_PCAP};
	struct live_capture *live;
	struct err err;

	if (!capture_target(sw, conn, args, &spec))
		return;
	if (*fd < 0) {
		ctl_fail(conn, "a capture needs a descriptor to write to");
		return;
	}
	if (!read_filter(json_object_get(args, "filter"), &spec.filter)) {
		ctl_fail(conn, "the filter is not a list of BPF instructions");
		return;
	}
	live = calloc(1, sizeof(*live));
	if (!live) {
		free(spec.filter.bf_insns);
		ctl_fail(conn, "out of memory");
		return;
	}
	live->conn = conn;
	spec.ended = live_ended;
	spec.arg = live;
	spec.fd = *fd;
	*fd = -1;
	if (capture_start(sw, &spec, &live->capture, &err) < 0) {
		free(live);
		ctl_fail(conn, "%s", err.text);
		return;
	}
	ctl_on_hangup(conn, live_hangup, live);
	ctl_ok(conn, NULL);
}

/* ---- trace ---- */

static struct frame *frame_from_hex(struct switchd *sw, const char *hex)
{
	struct frame *frame = frame_alloc(sw->pool, FRAME_LARGE);
	unsigned half = 0;
	uint8_t byte = 0;

	for (; frame && *hex; hex++) {
		uint8_t digit;

		if (*hex == ' ' || *hex == ':' || *hex == '-' || *hex == '\n')
			continue;
		if (*hex >= '0' && *hex <= '9')
			digit = (uint8_t)(*hex - '0');
		else if ((*hex | 0x20) >= 'a' && (*hex | 0x20) <= 'f')
			digit = (uint8_t)((*hex | 0x20) - 'a' + 10);
		else
			break;
		byte = (uint8_t)(byte << 4 | digit);
		if (++half % 2)
			continue;
		if (frame->len == FRAME_LARGE)
			break;
		frame->data[frame->len++] = byte;
	}
	if (frame && (*hex || half % 2)) {
		frame_free(frame);
		return NULL;
	}
	return frame;
}

static void do_trace(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct port *port = need_port(sw, conn, args, "port");
	json_t *frames = json_object_get(args, "frames");
	json_t *results;
	json_t *value;
	size_t i;

	(void)fd;
	if (!port)
		return;
	if (!membership_next(port, NULL)) {
		ctl_fail(conn,
			 "port \"%s\" is in no segment: it stands for others, one for each "
			 "interface",
			 port->conf->name);
		return;
	}
	if (json_array_size(frames) == 0 || json_array_size(frames) > TRACE_FRAMES_MAX) {
		ctl_fail(conn, "trace takes 1 to %u frames", TRACE_FRAMES_MAX);
		return;
	}
	results = json_array();
	json_array_foreach(frames, i, value)
	{
		const char *hex = json_string_value(value);
		struct frame *frame = hex ? frame_from_hex(sw, hex) : NULL;

		if (!frame) {
			json_decref(results);
			ctl_fail(conn, "frame %zu is not a frame in hexadecimal", i + 1);
			return;
		}
		json_array_append_new(results, forward_trace(port, frame));
	}
	json_array_foreach(results, i, value) ctl_item(conn, json_incref(value));
	json_decref(results);
	ctl_ok(conn, NULL);
}

/* ---- the rest ---- */

static void do_log_set(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	const char *text = need_string(conn, args, "level");
	enum log_level level;

	(void)sw;
	(void)fd;
	if (!text)
		return;
	if (log_level_parse(text, &level) < 0) {
		ctl_fail(conn, "\"%s\" is not error, warn, info or debug", text);
		return;
	}
	log_set_level(level);
	ctl_ok(conn, NULL);
}

static void do_log_show(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	(void)sw;
	(void)args;
	(void)fd;
	ctl_item(conn, json_pack("{s:s}", "level", log_level_name(log_get_level())));
	ctl_ok(conn, NULL);
}

static void do_monitor(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	(void)sw;
	(void)args;
	(void)fd;
	ctl_subscribe(conn);
}

struct metrics {
	struct switchd *sw;
	struct metrics_walk walk;
};

static bool more_metrics(void *state, struct ctl_conn *conn)
{
	struct metrics *metrics = state;
	char *text = metrics_next(metrics->sw, &metrics->walk);

	if (text)
		ctl_item(conn, json_string(text));
	else
		ctl_fail(conn, "out of memory");
	free(text);
	return text && !metrics->walk.end;
}

static void do_metrics(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	(void)args;
	(void)fd;
	if (!metrics) {
		ctl_fail(conn, "out of memory");
		return;
	}
	metrics->sw = sw;
	ctl_generate(conn, more_metrics, free, metrics);
}

static void do_version(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	(void)sw;
	(void)args;
	(void)fd;
	ctl_ok(conn, json_pack("{s:s}", "version", TVD_VERSION));
}

static void do_takeover(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	takeover_serve(sw, conn, args, fd);
}

typedef void change_fn(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd);
typedef void show_fn(struct switchd *sw, struct ctl_conn *conn, json_t *args);

static const struct {
	const char *command;
	change_fn *change; /* one of the two */
	show_fn *show;
} handlers[] = {
    {"connection.flush", control_flush_connections, NULL},
    {"binding.show", NULL, control_show_bindings},
    {"connection.show", NULL, control_show_connections},
    {"encap.show", NULL, control_show_encaps},
    {"fdb.add", do_fdb_add, NULL},
    {"fdb.del", do_fdb_del, NULL},
    {"fdb.flush", do_fdb_flush, NULL},
    {"fdb.show", NULL, control_show_fdb},
    {"junction.show", NULL, control_show_junctions},
    {"neighbour.flush", control_flush_neighbours, NULL},
    {"neighbour.show", NULL, control_show_neighbours},
    {"log.set", do_log_set, NULL},
    {"log.show", do_log_show, NULL},
    {"metrics", do_metrics, NULL},
    {"mirror.add", do_mirror_add, NULL},
    {"mirror.del", do_mirror_del, NULL},
    {"mirror.show", NULL, control_show_mirrors},
    {"monitor", do_monitor, NULL},
    {"multicast.show", NULL, control_show_multicast},
    {"pcap", do_pcap, NULL},
    {"peer.show", NULL, control_show_peers},
    {"policy.check", NULL, control_policy_check},
    {"policy.matrix", NULL, control_policy_matrix},
    {"policy.show", NULL, control_show_policy},
    {"policy.verify", NULL, control_policy_verify},
    {"port.add", do_port_add, NULL},
    {"port.del", do_port_del, NULL},
    {"port.set", do_port_set, NULL},
    {"port.show", NULL, control_show_ports},
    {"relay.show", NULL, control_show_relays},
    {"reload", do_reload, NULL},
    {"segment.add", do_segment_add, NULL},
    {"segment.del", do_segment_del, NULL},
    {"segment.show", NULL, control_show_segments},
    {"status", NULL, control_show_status},
    {"takeover", do_takeover, NULL},
    {"trace", do_trace, NULL},
    {"uplink.show", NULL, control_show_uplinks},
    {"version", do_version, NULL},
};

/* Names are strings wherever they stand: what is not would be taken for missing. */
static bool names_are_strings(struct ctl_conn *conn, const json_t *args)
{
	static const char *const keys[] = {"name",    "segment", "native", "port",
					   "to_port", "file",	 "owner"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *value = json_object_get(args, keys[i]);

		if (value && !json_is_string(value)) {
			ctl_fail(conn, "\"%s\" is not a string", keys[i]);
			return false;
		}
	}
	return true;
}

void control_request(void *arg, struct ctl_conn *conn, const char *command, json_t *args, int *fd)
{
	struct switchd *sw = arg;

	if (!names_are_strings(conn, args))
		return;

	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (strcmp(handlers[i].command, command) != 0)
			continue;
		if (handlers[i].show)
			handlers[i].show(sw, conn, args);
		else
			handlers[i].change(sw, conn, args, fd);
		return;
	}
	ctl_fail(conn, "unknown request \"%.40s\"", command);
}
