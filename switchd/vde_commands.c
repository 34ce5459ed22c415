/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of a VDE management socket, in terms of segments and ports. A VLAN is a
 * segment: 0 that of the vde port itself, else the one that has the number as the VID
 * of a dot1q encap, or else as its id, or else is called vlanN. A port is the one of
 * its number in the vde port's directory.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encap/dot1q.h"
#include "switchd/commit.h"
#include "switchd/membership.h"
#include "switchd/port/sockets.h"
#include "switchd/port/vde.h"
#include "switchd/port/vde_request.h"
#include "switchd/vde_session.h"

#define VLANS	    4096
#define VLAN_NONE   4095 /* what vde_switch prints where there is none */
#define LISTED_ONCE 512
#define PORTS	    (VDE_NUMBER_MAX + 1)

/* ---- ports and VLANs ---- */

static bool is_of(const struct vde_session *session, const struct port *port)
{
	return port->ops == &vde_ops &&
	       strcmp(vde_conf_of(port)->path, vde_conf_of(session->port)->path) == 0 &&
	       vde_conf_of(port)->number != VDE_NUMBER_ANY;
}

/* Those of the directory by their numbers. */
static void list_ports(const struct vde_session *session, struct port *ports[PORTS])
{
	memset(ports, 0, PORTS * sizeof(struct port *));
	list_for_each (&session->sw->ports, it) {
		struct port *port = container_of(it, struct port_runtime, link)->port;

		if (is_of(session, port))
			ports[vde_conf_of(port)->number] = port;
	}
}

static int find_port(const struct vde_session *session, long number, struct port **found)
{
	*found = NULL;
	if (number > VDE_NUMBER_MAX)
		return -EINVAL;
	list_for_each (&session->sw->ports, it) {
		struct port *port = container_of(it, struct port_runtime, link)->port;

		if (is_of(session, port) && vde_conf_of(port)->number == number)
			*found = port;
	}
	return *found ? 0 : -ENXIO;
}

static long vid_of(const struct segment *segment)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		const struct segment_encap *se = segment->encaps[i];

		if (strcmp(se->encap.ops->type, "dot1q") == 0)
			return (long)((const struct dot1q_conf *)se->conf)->vid;
	}
	return -1;
}

static long named_vlan(const struct segment *segment)
{
	const char *name = segment->conf.name;
	char again[32];
	long vlan;

	if (strncmp(name, "vlan", 4) != 0 || strlen(name) > 8)
		return -1;
	vlan = strtol(name + 4, NULL, 10);
	(void)snprintf(again, sizeof(again), "vlan%ld", vlan);
	return strcmp(again, name) == 0 && vlan > 0 && vlan < VLAN_NONE ? vlan : -1;
}

/* Segments by their VLANs. */
struct vlans {
	const struct segment *segment[VLANS];
};

static void take_vlan(struct vlans *vlans, long vlan, const struct segment *segment)
{
	if (vlan > 0 && vlan < VLAN_NONE && !vlans->segment[vlan])
		vlans->segment[vlan] = segment;
}

static const struct segment *own_segment(const struct vde_session *session)
{
	return switchd_segment(session->sw, session->port->conf->segment);
}

static void list_vlans(const struct vde_session *session, struct vlans *vlans)
{
	const struct segment *own = own_segment(session);

	memset(vlans, 0, sizeof(*vlans));
	vlans->segment[0] = own;
	for (int rule = 0; rule < 3; rule++) {
		list_for_each (&session->sw->segments, it) {
			const struct segment *segment = container_of(it, struct segment, link);
			long vid = vid_of(segment);

			if (segment == own)
				continue;
			if (rule == 0)
				take_vlan(vlans, vid, segment);
			else if (rule == 1 && vid < 0)
				take_vlan(vlans, (long)segment->conf.id, segment);
			else if (rule == 2 && vid < 0 && segment->conf.id <= 0)
				take_vlan(vlans, named_vlan(segment), segment);
		}
	}
}

static unsigned vlan_of(const struct vlans *vlans, const struct segment *segment)
{
	unsigned vlan = 0;

	while (vlan < VLAN_NONE && vlans->segment[vlan] != segment)
		vlan++;
	return vlan;
}

/* ---- changes, by the way of all changes ---- */

static int finish(struct vde_session *session, struct desired *next, int ret, struct err *err)
{
	if (ret == 0)
		ret = commit(session->sw, next, err);
	if (ret < 0)
		desired_clear(next);
	return ret;
}

static int begin(const struct vde_session *session, struct desired *next, struct err *err)
{
	memset(next, 0, sizeof(*next));
	return desired_copy(next, &session->sw->desired, err);
}

static int add_object(struct vde_session *session, const char *kind, json_t *json, struct err *err)
{
	struct desired next;
	int ret = begin(session, &next, err);

	ret = ret ? ret : desired_add(&next, kind, json, OWNER_CLI, err);
	json_decref(json);
	return finish(session, &next, ret, err);
}

static int set_object(struct vde_session *session, const char *kind, const char *name, json_t *json,
		      struct err *err)
{
	struct desired next;
	int ret = begin(session, &next, err);

	ret = ret ? ret : desired_set(&next, kind, name, json, err);
	json_decref(json);
	return finish(session, &next, ret, err);
}

static int del_object(struct vde_session *session, const char *kind, const char *name,
		      struct err *err)
{
	struct desired next;
	int ret = begin(session, &next, err);

	return finish(session, &next, ret ? ret : desired_del(&next, kind, name, err), err);
}

/* A port of its own for a number, as the one that listens is but for `keys` (taken; may
 * be NULL); a client that has the number goes on there. */
static int make_port(struct vde_session *session, long number, json_t *keys, struct err *err)
{
	static const char *const not_its[] = {"mode", "group", "mgmt", "mgmt_mode", "mgmt_group"};
	const struct port *port = session->port;
	json_t *json = conf_to_json(port->ops->schema, port->conf);
	char name[NAME_MAX_LEN + 16];

	for (size_t i = 0; i < sizeof(not_its) / sizeof(not_its[0]); i++)
		json_object_del(json, not_its[i]);
	(void)snprintf(name, sizeof(name), "%s.%ld", port->conf->name, number);
	json_object_set_new(json, "name", json_string(name));
	json_object_set_new(json, "number", json_integer(number));
	if (keys)
		(void)json_object_update(json, keys);
	json_decref(keys);
	return add_object(session, "port", json, err);
}

/* Other keys (taken) for the port of a number; one that is there with its client only
 * becomes one of its own. */
static int change_port(struct vde_session *session, const struct port *port, json_t *keys,
		       struct err *err)
{
	if (port->runtime->of)
		return make_port(session, (long)vde_conf_of(port)->number, keys, err);
	return set_object(session, "port", port->conf->name, keys, err);
}

/* ---- port/ ---- */

static int port_create(struct vde_session *session, const struct vde_line *line, struct err *err)
{
	struct port *port;
	int ret = find_port(session, line->number[0], &port);

	if (ret == 0)
		return -EEXIST;
	return ret == -ENXIO ? make_port(session, line->number[0], NULL, err) : ret;
}

static int port_createauto(struct vde_session *session, const struct vde_line *line,
			   struct err *err)
{
	struct port *ports[PORTS];
	long number = 1;
	int ret;

	(void)line;
	list_ports(session, ports);
	while (number < PORTS && ports[number])
		number++;
	if (number == PORTS)
		return -ENOSPC;
	ret = make_port(session, number, NULL, err);
	if (ret == 0)
		vde_say(session, "Port %04ld", number);
	return ret;
}

static int port_remove(struct vde_session *session, const struct vde_line *line, struct err *err)
{
	struct port *port;
	int ret = find_port(session, line->number[0], &port);

	if (ret < 0)
		return ret;
	if (vde_client(port, NULL))
		return -EADDRINUSE;
	return del_object(session, "port", port->conf->name, err);
}

static int port_setvlan(struct vde_session *session, const struct vde_line *line, struct err *err)
{
	const struct segment *segment;
	struct vlans vlans;
	struct port *port;
	int ret = find_port(session, line->number[0], &port);

	if (ret < 0)
		return ret;
	if (line->number[1] >= VLAN_NONE)
		return -EINVAL;
	list_vlans(session, &vlans);
	segment = vlans.segment[line->number[1]];
	if (!segment)
		return -ENXIO;
	return change_port(session, port, json_pack("{s:s}", "segment", segment->conf.name), err);
}

static void print_port(struct vde_session *session, const struct vlans *vlans,
		       const struct port *port)
{
	const struct stats *stats = &port->stats;
	unsigned uid = 0, number = (unsigned)vde_conf_of(port)->number;
	const char *client = vde_client(port, &uid);
	char user[16];

	(void)snprintf(user, sizeof(user), "%u", uid);
	vde_say(session, "Port %04u untagged_vlan=%04u %sACTIVE - %sUnnamed Allocatable", number,
		vlan_of(vlans, port->untagged.segment), client ? "" : "IN",
		port->runtime->of ? "" : "NOT ");
	vde_say(session, " Current User: %s Access Control: (User: NONE - Group: NONE)",
		client ? user : "NONE");
	vde_say(session, " IN:  pkts %10llu          bytes %20llu",
		(unsigned long long)stats->rx_frames, (unsigned long long)stats->rx_bytes);
	vde_say(session, " OUT: pkts %10llu          bytes %20llu",
		(unsigned long long)stats->tx_frames, (unsigned long long)stats->tx_bytes);
	if (client)
		vde_say(session, "  -- endpoint ID %04u module %-12s: %s", number, "unix prog",
			client);
}

static int port_print(struct vde_session *session, const struct vde_line *line, bool all)
{
	struct port *ports[PORTS];
	struct vlans vlans;
	long first = 0, last = VDE_NUMBER_MAX;

	if (line->count) {
		struct port *port;
		int ret = find_port(session, line->number[0], &port);

		if (ret < 0)
			return ret;
		first = last = line->number[0];
	}
	list_ports(session, ports);
	list_vlans(session, &vlans);
	for (long number = first; number <= last; number++) {
		if (ports[number] && (all || vde_client(ports[number], NULL)))
			print_port(session, &vlans, ports[number]);
	}
	return 0;
}

/* ---- vlan/ ---- */

static int vlan_create(struct vde_session *session, const struct vde_line *line, struct err *err)
{
	struct vlans vlans;
	char name[32];

	if (line->number[0] == 0 || line->number[0] >= VLAN_NONE)
		return -EINVAL;
	list_vlans(session, &vlans);
	if (vlans.segment[line->number[0]])
		return -EEXIST;
	(void)snprintf(name, sizeof(name), "vlan%ld", line->number[0]);
	return add_object(
	    session, "segment",
	    json_pack("{s:s, s:s}", "name", name, "domain", own_segment(session)->conf.domain),
	    err);
}

static int vlan_remove(struct vde_session *session, const struct vde_line *line, struct err *err)
{
	struct vlans vlans;

	if (line->number[0] == 0)
		return -EADDRINUSE;
	if (line->number[0] >= VLAN_NONE)
		return -EINVAL;
	list_vlans(session, &vlans);
	if (!vlans.segment[line->number[0]])
		return -ENXIO;
	return del_object(session, "segment", vlans.segment[line->number[0]]->conf.name, err);
}

static void print_vlan(struct vde_session *session, struct port *const ports[PORTS],
		       const struct segment *segment, unsigned vlan, bool all)
{
	vde_say(session, "VLAN %04u", vlan);
	for (unsigned number = 0; number < PORTS; number++) {
		bool active = ports[number] && vde_client(ports[number], NULL);

		if (!ports[number] || !membership_of(ports[number], segment) || !(active || all))
			continue;
		vde_say(session, " -- Port %04u tagged=%d active=%d status=%s", number,
			ports[number]->untagged.segment != segment, active,
			ports[number]->conf->state == PORT_LOCKED ? "Discarding"
			: active				  ? "Forwarding"
								  : "Learning");
	}
}

static int vlan_print(struct vde_session *session, const struct vde_line *line, bool all)
{
	unsigned first = 0, last = VLAN_NONE - 1;
	struct port *ports[PORTS];
	struct vlans vlans;

	list_vlans(session, &vlans);
	if (line->count) {
		if (line->number[0] >= VLAN_NONE)
			return -EINVAL;
		if (!vlans.segment[line->number[0]])
			return -ENXIO;
		first = last = (unsigned)line->number[0];
	}
	list_ports(session, ports);
	for (unsigned vlan = first; vlan <= last; vlan++) {
		if (vlans.segment[vlan])
			print_vlan(session, ports, vlans.segment[vlan], vlan, all);
	}
	return 0;
}

/*
 * The VLANs that a port is in with tags, without one and perhaps with it again: a list
 * for its configuration, or NULL when it has become empty.
 */
static json_t *other_trunk(const struct port *port, long vlan, const struct segment *segment)
{
	json_t *conf = conf_to_json(port->ops->schema, port->conf);
	json_t *old = json_object_get(conf, "trunk"), *list = json_array(), *entry;
	size_t i;

	json_array_foreach(old, i, entry)
	{
		if (json_integer_value(json_object_get(entry, "vid")) != vlan)
			json_array_append(list, entry);
	}
	json_decref(conf);
	if (segment)
		json_array_append_new(list, json_pack("{s:I, s:s}", "vid", (json_int_t)vlan,
						      "segment", segment->conf.name));
	if (json_array_size(list))
		return list;
	json_decref(list);
	return json_null();
}

/* Adds a port to a VLAN with tags, or takes it out. */
static int vlan_port(struct vde_session *session, const struct vde_line *line, bool add,
		     struct err *err)
{
	long vlan = line->number[0];
	const struct segment *segment;
	struct membership *member;
	struct vlans vlans;
	struct port *port;
	int ret = find_port(session, line->number[1], &port);

	if (ret < 0)
		return ret;
	if (vlan == 0 || vlan >= VLAN_NONE)
		return -EINVAL; /* there is no tag for it */
	list_vlans(session, &vlans);
	segment = vlans.segment[vlan];
	if (!segment)
		return -ENXIO;
	member = port->trunk ? membership_of_vid(port, (uint16_t)vlan) : NULL;
	if (add && member && member->segment == segment)
		return 0;
	if (!add && !member)
		return port->untagged.segment == segment ? -EADDRINUSE : 0;
	return change_port(
	    session, port,
	    json_pack("{s:o}", "trunk", other_trunk(port, vlan, add ? segment : NULL)), err);
}

/* ---- hash/ ---- */

/* One of another port's or host's is at port 0. */
static void print_station(struct vde_session *session, const struct vlans *vlans,
			  const struct fdb_entry_info *entry)
{
	struct switchd *sw = session->sw;
	const struct segment *segment = sw->segment_by_number[entry->segment];
	const struct port *port = NULL;
	unsigned number = 0, vlan = vlan_of(vlans, segment);
	char mac[MAC_STRLEN];

	if (vlan == VLAN_NONE)
		return;
	if (entry->where.side == FDB_SIDE_LOCAL && entry->where.port < sw->port_numbers)
		port = sw->port_by_number[entry->where.port];
	if (port && is_of(session, port))
		number = (unsigned)vde_conf_of(port)->number;
	vde_say(session, "Hash: %04u Addr: %s VLAN %04u to port: %03u  age %u secs",
		session->listed++, mac_format(&entry->mac, mac), vlan, number,
		entry->age_ms / 1000);
}

void vde_command_more(struct vde_session *session)
{
	struct fdb_entry_info entries[LISTED_ONCE];
	struct vlans vlans;
	size_t n = fdb_list(session->sw->fdb, -1, session->sw->now, &session->cursor, entries,
			    LISTED_ONCE);

	if (n)
		list_vlans(session, &vlans);
	for (size_t i = 0; i < n; i++)
		print_station(session, &vlans, &entries[i]);
	session->listing = n > 0;
}

static int hash_find(struct vde_session *session, const struct vde_line *line)
{
	struct fdb_entry_info entry;
	struct vlans vlans;
	long vlan = line->count ? line->number[0] : 0;

	if (vlan >= VLAN_NONE)
		return -EINVAL;
	list_vlans(session, &vlans);
	if (!vlans.segment[vlan] || !fdb_info(session->sw->fdb, vlans.segment[vlan]->number,
					      &line->mac, session->sw->now, &entry))
		return -ENODEV;
	session->listed = 0;
	print_station(session, &vlans, &entry);
	return 0;
}

static int hash_showinfo(struct vde_session *session)
{
	const struct segment *own = own_segment(session);

	vde_say(session, "Hash size %lld", (long long)own->conf.fdb_max);
	vde_say(session, "GC interval 1 secs");
	vde_say(session, "GC expire %lld secs", (long long)own->conf.ageing);
	vde_say(session, "Min persistence 0 secs");
	return 0;
}

/* ---- the rest ---- */

static int help(struct vde_session *session, const char *what)
{
	const struct vde_command *command;

	vde_say(session, "%-18s %-15s %s", "COMMAND PATH", "SYNTAX", "HELP");
	vde_say(session, "%-18s %-15s %s", "------------", "--------------", "------------");
	for (size_t i = 0; (command = vde_command_at(i)); i++) {
		if (strncmp(command->path, what, strlen(what)) == 0)
			vde_say(session, "%-18s %-15s %s", command->path, command->syntax,
				command->help);
	}
	return 0;
}

/* @syscall getpid */
static int showinfo(struct vde_session *session)
{
	const struct vde_conf *conf = vde_conf_of(session->port);

	vde_say(session, "VDE switch V.2.3.2");
	vde_say(session, "(tvdswitch %s, port %s)", TVD_VERSION, conf->common.name);
	vde_say(session, "%s", "");
	vde_say(session, "pid %d MAC 00:00:00:00:00:00 uptime %llu", (int)getpid(),
		(unsigned long long)((session->sw->now - session->sw->started) / 1000));
	vde_say(session, "mgmt %s perm 0%03o", conf->mgmt, (unsigned)socket_mode(conf->mgmt_mode));
	return 0;
}

/* What a vde_switch is to whoever talks to it here is the port, and its numbers. */
static int shut_down(struct vde_session *session, struct err *err)
{
	struct port *ports[PORTS];
	struct desired next;
	int ret;

	list_ports(session, ports);
	ret = begin(session, &next, err);
	ret = ret ? ret : desired_del(&next, "port", session->port->conf->name, err);
	for (unsigned number = 0; ret == 0 && number < PORTS; number++) {
		if (ports[number] && !ports[number]->runtime->of)
			ret = desired_del(&next, "port", ports[number]->conf->name, err);
	}
	session->ending = true;
	ret = finish(session, &next, ret, err);
	session->ending = ret == 0;
	return ret;
}

static int show(struct vde_session *session, const struct vde_line *line)
{
	const struct vde_conf *conf = vde_conf_of(session->port);

	switch (line->command->word) {
	case VDE_HELP:
		return help(session, line->text);
	case VDE_SHOWINFO:
		return showinfo(session);
	case VDE_DS_SHOWINFO:
		vde_say(session, "ctl dir %s", conf->path);
		vde_say(session, "std mode 0%03o", (unsigned)socket_mode(conf->mode));
		return 0;
	case VDE_PORT_SHOWINFO:
		vde_say(session, "Numports=%d", VDE_NUMBER_MAX);
		vde_say(session, "HUB=false");
		vde_say(session, "counters=true");
		return 0;
	case VDE_PORT_PRINT:
	case VDE_PORT_ALLPRINT:
		return port_print(session, line, line->command->word == VDE_PORT_ALLPRINT);
	case VDE_VLAN_PRINT:
	case VDE_VLAN_ALLPRINT:
		return vlan_print(session, line, line->command->word == VDE_VLAN_ALLPRINT);
	case VDE_HASH_SHOWINFO:
		return hash_showinfo(session);
	case VDE_HASH_FIND:
		return hash_find(session, line);
	case VDE_HASH_PRINT:
		session->listing = true;
		session->cursor = 0;
		session->listed = 0;
		return 0;
	default:
		return -ENOSYS;
	}
}

int vde_command_run(struct vde_session *session, const struct vde_line *line, struct err *err)
{
	switch (line->command->word) {
	case VDE_LOGOUT:
		session->ending = true;
		return 0;
	case VDE_SHUTDOWN:
		return shut_down(session, err);
	case VDE_PORT_CREATE:
		return port_create(session, line, err);
	case VDE_PORT_CREATEAUTO:
		return port_createauto(session, line, err);
	case VDE_PORT_REMOVE:
		return port_remove(session, line, err);
	case VDE_PORT_SETVLAN:
		return port_setvlan(session, line, err);
	case VDE_VLAN_CREATE:
		return vlan_create(session, line, err);
	case VDE_VLAN_REMOVE:
		return vlan_remove(session, line, err);
	case VDE_VLAN_ADDPORT:
	case VDE_VLAN_DELPORT:
		return vlan_port(session, line, line->command->word == VDE_VLAN_ADDPORT, err);
	case VDE_HASH_SETEXPIRE:
		return set_object(session, "segment", own_segment(session)->conf.name,
				  json_pack("{s:I}", "ageing", (json_int_t)line->number[0]), err);
	default:
		return show(session, line);
	}
}
