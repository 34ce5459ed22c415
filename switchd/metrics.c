/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prometheus' text exposition format. Names and labels are ours to keep: what is
 * published here is read by other people's dashboards.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "switchd/accelerate.h"
#include "switchd/control.h"
#include "switchd/policy/conn.h"
#include "switchd/policy/gateway.h"
#include "switchd/policy/policy.h"
#include "switchd/port/bulk.h"
#include "switchd/ports.h"
#include "switchd/relay.h"

struct labels {
	char text[256];
};

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP tvdswitch_%s %s\n# TYPE tvdswitch_%s %s\n", name, help, name,
		      type);
}

static void sample(FILE *out, const char *name, const struct labels *labels, uint64_t value)
{
	(void)fprintf(out, "tvdswitch_%s{%s} %" PRIu64 "\n", name, labels->text, value);
}

static void plain(FILE *out, const char *name, uint64_t value)
{
	(void)fprintf(out, "tvdswitch_%s %" PRIu64 "\n", name, value);
}

/* Of a trunk port, the segment of its frames without a tag, if there is one. */
static void label_port(struct labels *labels, const struct port *port)
{
	const char *untagged = port_conf_untagged(port->conf);

	(void)snprintf(labels->text, sizeof(labels->text), "port=\"%s\",segment=\"%s\"",
		       port->conf->name, untagged ? untagged : "");
}

static void label_encap(struct labels *labels, const struct segment_encap *se)
{
	(void)snprintf(labels->text, sizeof(labels->text),
		       "encap=\"%s\",segment=\"%s\",uplink=\"%s\",side=\"%u\"", se->encap.ops->type,
		       se->segment->conf.name, se->uplink->conf.name, se->encap.side);
}

/* One family of counters for both directions of each place. */
static void each_place(const struct switchd *sw, FILE *out,
		       void (*fn)(FILE *, const struct labels *, const struct stats *, void *),
		       void *arg)
{
	struct labels labels;

	list_for_each (&((struct switchd *)sw)->ports, it) {
		const struct port *port = container_of(it, struct port_runtime, link)->port;

		label_port(&labels, port);
		fn(out, &labels, &port->stats, arg);
	}
	list_for_each (&((struct switchd *)sw)->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);

		for (size_t i = 0; i < segment->encap_count; i++) {
			const struct segment_encap *se = segment->encaps[i];

			label_encap(&labels, se);
			fn(out, &labels, &se->encap.stats, arg);
		}
	}
}

struct counter {
	const char *name, *help;
	size_t offset;
};

static void one_counter(FILE *out, const struct labels *labels, const struct stats *stats,
			void *arg)
{
	const struct counter *counter = arg;

	sample(out, counter->name, labels,
	       *(const uint64_t *)(const void *)((const char *)stats + counter->offset));
}

static void drops(FILE *out, const struct labels *labels, const struct stats *stats, void *arg)
{
	(void)arg;
	for (unsigned dir = 0; dir < 2; dir++) {
		const uint64_t *counts = dir ? stats->tx_drops : stats->rx_drops;

		for (unsigned i = 1; i < REASON_COUNT; i++) {
			struct labels with;

			if (!counts[i])
				continue;
			(void)snprintf(with.text, sizeof(with.text),
				       "%.180s,direction=\"%s\",reason=\"%s\"", labels->text,
				       dir ? "tx" : "rx", reason_name((enum reason)i));
			sample(out, "drops_total", &with, counts[i]);
		}
	}
}

/* The k-th of the counters of segments. */
static void segments(const struct switchd *sw, FILE *out, size_t k)
{
	static const char *const names[] = {"fdb_entries",	 "fdb_max",
					    "fdb_learned_total", "fdb_expired_total",
					    "fdb_evicted_total", "fdb_moved_total"};
	static const char *const helps[] = {"Stations that the segment knows.",
					    "Its limit of stations.",
					    "Stations learned.",
					    "Stations forgotten for their silence.",
					    "Stations that made way for another.",
					    "Stations that changed place."};

	head(out, names[k], k < 2 ? "gauge" : "counter", helps[k]);
	list_for_each (&((struct switchd *)sw)->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);
		struct fdb_counters c = fdb_segment_counters(sw->fdb, segment->number);
		uint64_t values[] = {fdb_segment_count(sw->fdb, segment->number),
				     (uint64_t)segment->conf.fdb_max,
				     c.learned,
				     c.expired,
				     c.evicted,
				     c.moved};
		struct labels labels;

		(void)snprintf(labels.text, sizeof(labels.text), "segment=\"%s\"",
			       segment->conf.name);
		sample(out, names[k], &labels, values[k]);
	}
}

static void relays(const struct switchd *sw, FILE *out, size_t k)
{
	static const char *const names[] = {"relay_active", "relay_heard", "relay_changes_total",
					    "relay_limited_total"};
	static const char *const helps[] = {
	    "1 while the segment's relay is active.", "Relays heard, on any side.",
	    "Changes of the relay's state.", "Frames not flooded across, for the storm limit."};

	head(out, names[k], k < 2 ? "gauge" : "counter", helps[k]);
	list_for_each (&((struct switchd *)sw)->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);
		struct relay_figures figures;
		struct labels labels;
		uint64_t values[4];

		if (!relay_figures(segment, &figures))
			continue;
		values[0] = figures.active;
		values[1] = figures.heard;
		values[2] = figures.changes;
		values[3] = figures.limited;
		(void)snprintf(labels.text, sizeof(labels.text), "segment=\"%s\"",
			       segment->conf.name);
		sample(out, names[k], &labels, values[k]);
	}
}

static void accelerators(const struct switchd *sw, FILE *out, size_t k)
{
	static const char *const names[] = {"uplink_accelerator",
					    "uplink_accelerator_fallbacks_total"};
	static const char *const helps[] = {"1 while the uplink has an accelerator.",
					    "How often it could not be had, or was lost."};

	head(out, names[k], k == 0 ? "gauge" : "counter", helps[k]);
	list_for_each (&((struct switchd *)sw)->uplinks, it) {
		const struct uplink *uplink = container_of(it, struct uplink, link);
		struct accelerate_figures figures;
		struct labels labels;

		if (!accelerate_figures(uplink, &figures))
			continue;
		(void)snprintf(labels.text, sizeof(labels.text), "uplink=\"%s\"",
			       uplink->conf.name);
		sample(out, names[k], &labels, k == 0 ? figures.on : figures.fallbacks);
	}
}

static void states(const struct switchd *sw, FILE *out, size_t k)
{
	struct labels labels;

	(void)k;
	head(out, "port_up", "gauge", "1 while the port is attached and raised.");
	list_for_each (&((struct switchd *)sw)->ports, it) {
		const struct port *port = container_of(it, struct port_runtime, link)->port;

		label_port(&labels, port);
		sample(out, "port_up", &labels, port->up);
	}
	head(out, "uplink_up", "gauge", "1 while the uplink can be sent through.");
	list_for_each (&((struct switchd *)sw)->uplinks, it) {
		const struct uplink *uplink = container_of(it, struct uplink, link);

		(void)snprintf(labels.text, sizeof(labels.text), "uplink=\"%s\"",
			       uplink->conf.name);
		sample(out, "uplink_up", &labels, uplink->view.up);
	}
}

static void process(const struct switchd *sw, FILE *out, size_t k)
{
	struct frame_pool_usage pool = frame_pool_usage(sw->pool);
	struct bulk_counters bulk = bulk_counters(sw->port_host.bulk);
	struct labels labels;

	(void)k;
	head(out, "info", "gauge", "Always 1; says who this is.");
	(void)snprintf(labels.text, sizeof(labels.text), "host=\"%s\",version=\"%s\"",
		       sw->desired.host, TVD_VERSION);
	sample(out, "info", &labels, 1);
	head(out, "uptime_seconds", "gauge", "Seconds since the start.");
	plain(out, "uptime_seconds", (sw->now - sw->started) / 1000);
	head(out, "wakeups_total", "counter", "Turns of the event loop.");
	plain(out, "wakeups_total", sw->wakeups);
	head(out, "working_wakeups_total", "counter", "Turns of the event loop with frames.");
	plain(out, "working_wakeups_total", sw->work.wakeups);
	head(out, "bulk_calls_total", "counter", "Calls that read or wrote many frames of a TAP.");
	plain(out, "bulk_calls_total", bulk.calls);
	head(out, "bulk_frames_total", "counter", "Frames that these calls read or wrote.");
	plain(out, "bulk_frames_total", bulk.frames);
	head(out, "frames_total", "counter", "Frames that these turns had.");
	plain(out, "frames_total", sw->work.frames);
	head(out, "segments_total", "counter", "The same, superframes by their segments.");
	plain(out, "segments_total", sw->work.segments);
	head(out, "reloads_total", "counter", "Configurations taken over, and refused.");
	(void)fprintf(out,
		      "tvdswitch_reloads_total{result=\"ok\"} %" PRIu64
		      "\ntvdswitch_reloads_total{result=\"refused\"} %" PRIu64 "\n",
		      sw->reloads, sw->reload_failures);
	head(out, "buffers_used", "gauge", "Frame buffers in use.");
	(void)fprintf(out,
		      "tvdswitch_buffers_used{size=\"small\"} %u\n"
		      "tvdswitch_buffers_used{size=\"large\"} %u\n",
		      pool.small_used, pool.large_used);
	head(out, "buffers_exhausted_total", "counter", "Requests for a buffer that failed.");
	plain(out, "buffers_exhausted_total", pool.exhausted);
	head(out, "buffers_copied_total", "counter",
	     "Frames copied, because somebody had to write what others read.");
	plain(out, "buffers_copied_total", pool.copied);
	head(out, "stray_drops_total", "counter",
	     "Packets from the wire that belong to no segment here.");
	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		const struct encap_ops *ops = encap_at((enum encap_kind)kind);
		const uint64_t *drops = sw->stray[kind].rx_drops;

		for (unsigned i = 1; ops && i < REASON_COUNT; i++) {
			if (!drops[i])
				continue;
			(void)snprintf(labels.text, sizeof(labels.text),
				       "encap=\"%s\",reason=\"%s\"", ops->type,
				       reason_name((enum reason)i));
			sample(out, "stray_drops_total", &labels, drops[i]);
		}
	}
}

/* The k-th of the figures of connections. */
static void connections(const struct switchd *sw, FILE *out, size_t k)
{
	static const char *const names[] = {"connections",
					    "connections_max",
					    "connections_opened_total",
					    "connections_expired_total",
					    "connections_evicted_total",
					    "connections_ended_total"};
	static const char *const helps[] = {"Connections of controlled flows.",
					    "Their limit.",
					    "Connections that rules let in.",
					    "Connections that ended for their silence.",
					    "Connections that made way for another.",
					    "Connections that ended with their rule, or by hand."};
	const struct conn_counters c = conns_counters(sw->conns);
	const uint64_t values[] = {conns_count(sw->conns),
				   conns_limits(sw->conns).max,
				   c.opened,
				   c.expired,
				   c.evicted,
				   c.ended};

	head(out, names[k], k < 2 ? "gauge" : "counter", helps[k]);
	plain(out, names[k], values[k]);
}

/* The k-th of the figures of flows between domains. */
static void flows(const struct switchd *sw, FILE *out, size_t k)
{
	static const char *const names[] = {"flow_frames_total", "flow_bytes_total",
					    "flow_refused_total"};
	static const char *const helps[] = {"Frames that have crossed between domains.",
					    "Bytes of these.", "Frames that were not let across."};
	const struct matrix *matrix = sw->policy ? sw->policy->plan.matrix : NULL;
	struct labels labels;

	head(out, names[k], "counter", helps[k]);
	for (size_t i = 0; matrix && i < matrix_flow_count(matrix); i++) {
		const struct matrix_flow *flow = matrix_flow_at(matrix, i);
		const struct flow_count *count = &sw->policy->flows[i].count;
		const uint64_t values[] = {count->frames, count->bytes, count->refused};

		(void)snprintf(labels.text, sizeof(labels.text), "from=\"%s\",to=\"%s\"",
			       matrix_domain(matrix, flow->from), matrix_domain(matrix, flow->to));
		sample(out, names[k], &labels, values[k]);
	}
}

/* ---- gateways, and bindings of MAC rewriting ---- */

struct named {
	const char *name, *help;
};

#define ROUTED 2u

/* The k-th of what was routed from segment to segment. */
static void routed(const struct switchd *sw, FILE *out, size_t k)
{
	static const struct named names[ROUTED] = {
	    {"gateway_routed_frames_total", "Frames that this host has routed."},
	    {"gateway_routed_bytes_total", "Bytes of these."},
	};

	head(out, names[k].name, "counter", names[k].help);
	list_for_each (&((struct switchd *)sw)->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);
		struct gateway_figures figures;
		struct labels labels;

		if (!gateway_figures(segment, &figures))
			continue;
		for (size_t i = 0; i < figures.routes; i++) {
			const struct gateway_traffic traffic = gateway_traffic(segment, i);

			(void)snprintf(labels.text, sizeof(labels.text),
				       "segment=\"%s\",to=\"%s\",ip=\"%u\"", segment->conf.name,
				       traffic.to->conf.name, traffic.ip);
			sample(out, names[k].name, &labels,
			       k == 0 ? traffic.frames : traffic.bytes);
		}
	}
}

#define GATEWAYS 11u

/* The k-th of the figures of gateways. */
static void gateways(const struct switchd *sw, FILE *out, size_t k)
{
	static const struct named names[GATEWAYS] = {
	    {"gateway_neighbours", "Neighbours that the gateway knows or asks for."},
	    {"gateway_neighbours_resolved_total", "Neighbours that have answered."},
	    {"gateway_neighbours_moved_total", "Neighbours that have another MAC address now."},
	    {"gateway_neighbours_failed_total", "Neighbours that did not answer."},
	    {"gateway_neighbours_evicted_total", "Neighbours that made way for another."},
	    {"gateway_delivered_total", "Frames that other hosts have routed here."},
	    {"gateway_answered_total", "Questions for the gateway's addresses answered."},
	    {"gateway_asked_total", "Questions for neighbours sent."},
	    {"gateway_echoed_total", "Echo requests answered."},
	    {"gateway_icmp_errors_total", "ICMP errors sent."},
	    {"gateway_icmp_limited_total", "ICMP errors not sent, because there were too many."},
	};

	head(out, names[k].name, k < 1 ? "gauge" : "counter", names[k].help);
	list_for_each (&((struct switchd *)sw)->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);
		struct gateway_figures f;
		struct labels labels;

		if (!gateway_figures(segment, &f))
			continue;
		const uint64_t values[GATEWAYS] = {
		    f.neighbours,      f.news.resolved,	     f.news.moved,	  f.news.failed,
		    f.news.evicted,    f.counters.delivered, f.counters.answered, f.counters.asked,
		    f.counters.echoed, f.counters.errors,    f.counters.muted};

		(void)snprintf(labels.text, sizeof(labels.text), "segment=\"%s\"",
			       segment->conf.name);
		sample(out, names[k].name, &labels, values[k]);
	}
}

#define BINDINGS 6u

/* The k-th of the figures of bindings. */
static void bindings(const struct switchd *sw, FILE *out, size_t k)
{
	static const struct named names[BINDINGS] = {
	    {"bindings", "IP addresses of the subnet that are known or asked for."},
	    {"bindings_resolved_total", "Bindings learned."},
	    {"bindings_moved_total", "Bindings that changed their place."},
	    {"bindings_failed_total", "Addresses that were asked for in vain."},
	    {"bindings_expired_total", "Bindings forgotten for their silence."},
	    {"bindings_evicted_total", "Bindings that made way for another."},
	};

	head(out, names[k].name, k < 1 ? "gauge" : "counter", names[k].help);
	list_for_each (&((struct switchd *)sw)->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);
		const struct segment_encap *se = segment->hearer;
		struct neighbour_counters c;
		struct labels labels;
		size_t count;

		if (!se || !se->open || !se->encap.ops->binding_count)
			continue;
		count = se->encap.ops->binding_count(&se->encap, &c);
		const uint64_t values[BINDINGS] = {count,    c.resolved, c.moved,
						   c.failed, c.expired,	 c.evicted};

		label_encap(&labels, se);
		sample(out, names[k].name, &labels, values[k]);
	}
}

static void pdus(void *arg, const char *uplink, const char *protocol, const char *result,
		 uint64_t count)
{
	struct labels labels;

	(void)snprintf(labels.text, sizeof(labels.text),
		       "uplink=\"%s\",protocol=\"%s\",result=\"%s\"", uplink, protocol, result);
	sample(arg, "control_pdus_total", &labels, count);
}

/* Of protocols that encaps speak with switches. */
static void control_pdus(const struct switchd *sw, FILE *out, size_t k)
{
	(void)k;
	head(out, "control_pdus_total", "counter", "PDUs of MVRP and GVRP.");
	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		const struct encap_ops *ops = encap_at((enum encap_kind)kind);

		if (ops && ops->pdus)
			ops->pdus(&sw->encap_host, pdus, out);
	}
}

/* ---- receive rings ---- */

/* One metric of all uplinks. */
struct ring_metric {
	const char *name, *count, *help;
	FILE *out;
};

static void ring_sample(void *arg, const char *uplink, unsigned version, const char *name,
			uint64_t count)
{
	const struct ring_metric *metric = arg;
	struct labels labels;

	if (strcmp(name, metric->count) != 0)
		return;
	(void)snprintf(labels.text, sizeof(labels.text), "uplink=\"%s\",ip=\"%u\"", uplink,
		       version);
	sample(metric->out, metric->name, &labels, count);
}

static const struct ring_metric ring_metrics[] = {
    {"ring_packets_total", "packets", "Packets received through a ring.", NULL},
    {"ring_wakeups_total", "wakeups", "How often a ring was looked at.", NULL},
    {"ring_overruns_total", "overruns", "Packets that found a ring full.", NULL},
    {"ring_fragments_total", "fragments", "Fragments seen in a ring.", NULL},
    {"ring_fallbacks_total", "fallbacks", "How often a ring gave way to the socket.", NULL},
};

#define RING_METRICS (sizeof(ring_metrics) / sizeof(ring_metrics[0]))

static void rings(const struct switchd *sw, FILE *out, size_t k)
{
	struct ring_metric metric = ring_metrics[k];

	metric.out = out;
	head(out, metric.name, "counter", metric.help);
	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		const struct encap_ops *ops = encap_at((enum encap_kind)kind);

		if (ops && ops->count)
			ops->count(&sw->encap_host, ring_sample, &metric);
	}
}

/* ---- all of them ---- */

static const struct counter counters[] = {
    {"rx_frames_total", "Frames into the switch.", offsetof(struct stats, rx_frames)},
    {"rx_bytes_total", "Bytes into the switch.", offsetof(struct stats, rx_bytes)},
    {"rx_segments_total", "Frames into the switch, superframes by their segments.",
     offsetof(struct stats, rx_segments)},
    {"rx_merged_total", "Segments that came one by one, and were merged into superframes.",
     offsetof(struct stats, rx_merged)},
    {"tx_frames_total", "Frames out of the switch.", offsetof(struct stats, tx_frames)},
    {"tx_bytes_total", "Bytes out of the switch.", offsetof(struct stats, tx_bytes)},
    {"tx_segments_total", "Frames out of the switch, superframes by their segments.",
     offsetof(struct stats, tx_segments)},
    {"tx_cut_total", "Superframes that the switch has cut itself.", offsetof(struct stats, tx_cut)},
    {"tx_summed_total", "Other frames whose checksum the switch has completed itself.",
     offsetof(struct stats, tx_summed)},
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

static void place_counter(const struct switchd *sw, FILE *out, size_t k)
{
	head(out, counters[k].name, "counter", counters[k].help);
	each_place(sw, out, one_counter, (void *)&counters[k]);
}

static void all_drops(const struct switchd *sw, FILE *out, size_t k)
{
	(void)k;
	head(out, "drops_total", "counter", "Frames dropped, by where and why.");
	each_place(sw, out, drops, NULL);
}

static void bypassed(const struct switchd *sw, FILE *out, size_t k)
{
	struct labels labels;

	(void)k;
	head(out, "tx_bypassed_total", "counter",
	     "Those of tx_segments_total that went past the kernel's network stack.");
	list_for_each (&((struct switchd *)sw)->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);

		for (size_t i = 0; i < segment->encap_count; i++) {
			label_encap(&labels, segment->encaps[i]);
			sample(out, "tx_bypassed_total", &labels,
			       segment->encaps[i]->encap.bypassed);
		}
	}
}

/* In this order, each `times` times with k counting up. */
static const struct {
	void (*write)(const struct switchd *sw, FILE *out, size_t k);
	size_t times;
} steps[] = {
    {process, 1},     {states, 1},	    {place_counter, COUNTERS}, {bypassed, 1},
    {all_drops, 1},   {segments, 6},	    {control_pdus, 1},	       {rings, RING_METRICS},
    {relays, 4},      {connections, 6},	    {accelerators, 2},	       {flows, 3},
    {routed, ROUTED}, {gateways, GATEWAYS}, {bindings, BINDINGS},
};

char *metrics_step(const struct switchd *sw, unsigned step)
{
	char *text = NULL;
	size_t size, k = step;
	FILE *out;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); k -= steps[i++].times) {
		if (k >= steps[i].times)
			continue;
		out = open_memstream(&text, &size);
		if (!out)
			return NULL;
		steps[i].write(sw, out, k);
		if (fclose(out) == 0)
			return text;
		free(text);
		return NULL;
	}
	return NULL;
}

unsigned metrics_steps(void)
{
	size_t count = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		count += steps[i].times;
	return (unsigned)count;
}
