/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/events.h"

#include "lib/clock.h"
#include "lib/ctl.h"
#include "lib/log.h"
#include "switchd/accelerate.h"
#include "switchd/policy/conn.h"
#include "switchd/relay.h"

LOG_MODULE("fdb");

static json_t *event_new(const char *what)
{
	return json_pack("{s:f, s:s}", "time", (double)clock_wall_ns() / 1e9, "event", what);
}

static bool listened(const struct switchd *sw)
{
	return ctl_event_wanted(sw->control);
}

void event_add_where(const struct switchd *sw, uint16_t number, const struct fdb_where *where,
		     json_t *object)
{
	const struct segment *segment = sw->segment_by_number[number];
	char text[ADDR_STRLEN];

	if (where->side == FDB_SIDE_LOCAL) {
		const struct port *port = sw->port_by_number[where->port];

		json_object_set_new(object, "port", json_string(port ? port->conf->name : "?"));
		return;
	}
	for (size_t i = 0; segment && i < segment->encap_count; i++) {
		if (segment->encaps[i]->encap.side == where->side)
			json_object_set_new(object, "encap",
					    json_string(segment->encaps[i]->encap.ops->type));
	}
	json_object_set_new(object, "dst",
			    ipaddr_is_set(&where->remote)
				? json_string(ipaddr_format(&where->remote, text))
				: json_null());
}

static const char *segment_name(const struct switchd *sw, uint16_t number)
{
	const struct segment *segment = sw->segment_by_number[number];

	return segment ? segment->conf.name : "?";
}

void event_fdb(void *arg, enum fdb_event event, const struct fdb_entry_info *entry,
	       const struct fdb_where *from)
{
	static const char *const words[] = {
	    [FDB_EVENT_LEARNED] = "learned", [FDB_EVENT_MOVED] = "moved",
	    [FDB_EVENT_EXPIRED] = "expired", [FDB_EVENT_EVICTED] = "evicted",
	    [FDB_EVENT_PINNED] = "pinned",
	};
	struct switchd *sw = arg;
	char mac[MAC_STRLEN];
	json_t *json;

	if (event == FDB_EVENT_PINNED)
		log_limited(LOG_LEVEL_WARN,
			    "segment %s: %s bounces between places: pinned for a minute",
			    segment_name(sw, entry->segment), mac_format(&entry->mac, mac));
	if (!listened(sw))
		return;
	json = event_new(words[event]);
	json_object_set_new(json, "mac", json_string(mac_format(&entry->mac, mac)));
	json_object_set_new(json, "segment", json_string(segment_name(sw, entry->segment)));
	event_add_where(sw, entry->segment, &entry->where, json);
	if (from) {
		json_t *was = json_object();

		event_add_where(sw, entry->segment, from, was);
		json_object_set_new(json, "from", was);
	}
	ctl_publish(sw->control, json);
}

void event_port(const struct port *port, const char *state)
{
	const char *untagged = port_conf_untagged(port->conf);
	struct switchd *sw = port->runtime->sw;
	json_t *json;

	if (!listened(sw))
		return;
	json = event_new("port");
	json_object_set_new(json, "port", json_string(port->conf->name));
	json_object_set_new(json, "segment", untagged ? json_string(untagged) : json_null());
	json_object_set_new(json, "state", json_string(state));
	if (port->why[0])
		json_object_set_new(json, "why", json_string(port->why));
	ctl_publish(sw->control, json);
}

void event_connections(struct switchd *sw, uint64_t evicted)
{
	json_t *json;

	if (!listened(sw))
		return;
	json = event_new("connections");
	json_object_set_new(json, "evicted", json_integer((json_int_t)evicted));
	json_object_set_new(json, "connections", json_integer((json_int_t)conns_count(sw->conns)));
	json_object_set_new(json, "connections_max",
			    json_integer((json_int_t)conns_limits(sw->conns).max));
	ctl_publish(sw->control, json);
}

void event_relay(const struct segment *segment)
{
	json_t *json, *relay;

	if (!listened(segment->sw))
		return;
	json = event_new("relay");
	relay = relay_show(segment);
	if (relay)
		(void)json_object_update(json, relay);
	json_decref(relay);
	ctl_publish(segment->sw->control, json);
}

void event_uplink(const struct uplink *uplink)
{
	json_t *json, *accelerator;

	if (!listened(uplink->sw))
		return;
	json = event_new("uplink");
	json_object_set_new(json, "uplink", json_string(uplink->conf.name));
	json_object_set_new(json, "state", json_string(uplink->view.up ? "up" : "down"));
	if (uplink->why[0])
		json_object_set_new(json, "why", json_string(uplink->why));
	accelerator = accelerate_show(uplink);
	if (accelerator)
		json_object_set_new(json, "accelerator", accelerator);
	ctl_publish(uplink->sw->control, json);
}

void event_policy(struct switchd *sw, size_t ended)
{
	json_t *json;

	if (!listened(sw))
		return;
	json = event_new("policy");
	json_object_set_new(json, "ended", json_integer((json_int_t)ended));
	ctl_publish(sw->control, json);
}

void event_reload(struct switchd *sw, const char *error)
{
	json_t *json;

	if (!listened(sw))
		return;
	json = event_new("reload");
	json_object_set_new(json, "ok", json_boolean(!error));
	if (error)
		json_object_set_new(json, "error", json_string(error));
	ctl_publish(sw->control, json);
}
