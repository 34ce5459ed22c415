/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prometheus' text exposition format. Names and labels are ours to keep: what is
 * published here is read by other people's dashboards.
 *
 * A metric has its samples one after the other, and there may be some for each of many
 * ports and segments: a few at a time are written, by their numbers, which stay with them
 * while frames are forwarded in between. One that comes meanwhile is in some metrics and
 * not in others.
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

#define PIECE	 128u	    /* ports, segments or flows at once */
#define SEGMENTS 0x80000000 /* a cursor that is past all ports: the number of a segment */

struct labels {
	char text[256];
};

struct piece;

typedef void stats_fn(const struct piece *piece, const struct labels *labels,
		      const struct stats *stats);

/* What is being written. */
struct piece {
	const struct switchd *sw;
	FILE *out;
	size_t k;	 /* which of several metrics of a kind */
	uint32_t cursor; /* where this goes on; 0: at the beginning, with its head */
	stats_fn *each;
};

/* Where a metric begins. */
static void head(const struct piece *out, const char *name, const char *type, const char *help)
{
	if (out->cursor)
		return;
	(void)fprintf(out->out, "# HELP tvdswitch_%s %s\n# TYPE tvdswitch_%s %s\n", name, help,
		      name, type);
}

static void sample(const struct piece *out, const char *name, const struct labels *labels,
		   uint64_t value)
{
	(void)fprintf(out->out, "tvdswitch_%s{%s} %" PRIu64 "\n", name, labels->text, value);
}

static void plain(const struct piece *out, const char *name, uint64_t value)
{
	(void)fprintf(out->out, "tvdswitch_%s %" PRIu64 "\n", name, value);
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

/* ---- walks ---- */

typedef void segment_fn(const struct piece *piece, const struct segment *segment);
typedef void port_fn(const struct piece *piece, const struct port *port);

/* The next few segments; false: there are no more. */
static bool each_segment(struct piece *piece, segment_fn *fn)
{
	uint32_t n = piece->cursor & ~SEGMENTS;
	uint32_t end = n + PIECE < FDB_SEGMENTS_MAX ? n + PIECE : FDB_SEGMENTS_MAX;

	if (end > piece->sw->segment_numbers)
		end = piece->sw->segment_numbers;
	for (; n < end; n++) {
		if (piece->sw->segment_by_number[n])
			fn(piece, piece->sw->segment_by_number[n]);
	}
	piece->cursor = SEGMENTS | n;
	return n < piece->sw->segment_numbers;
}

/* The next few ports, likewise. */
static bool each_port(struct piece *piece, port_fn *fn)
{
	uint32_t end = piece->cursor + PIECE;

	if (end > piece->sw->port_numbers)
		end = piece->sw->port_numbers;
	for (; piece->cursor < end; piece->cursor++) {
		if (piece->sw->port_by_number[piece->cursor])
			fn(piece, piece->sw->port_by_number[piece->cursor]);
	}
	return piece->cursor < piece->sw->port_numbers;
}

static void port_place(const struct piece *piece, const struct port *port)
{
	struct labels labels;

	label_port(&labels, port);
	piece->each(piece, &labels, &port->stats);
}

static void segment_places(const struct piece *piece, const struct segment *segment)
{
	struct labels labels;

	for (size_t i = 0; i < segment->encap_count; i++) {
		label_encap(&labels, segment->encaps[i]);
		piece->each(piece, &labels, &segment->encaps[i]->encap.stats);
	}
}

/* The next few ports, and then encaps. */
static bool each_place(struct piece *piece, stats_fn *fn)
{
	piece->each = fn;
	if (piece->cursor < SEGMENTS) {
		if (each_port(piece, port_place))
			return true;
		piece->cursor = SEGMENTS;
	}
	return each_segment(piece, segment_places);
}

/* ---- counters of places ---- */

struct counter {
	const char *name, *help;
	size_t offset;
};

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

static void one_counter(const struct piece *out, const struct labels *labels,
			const struct stats *stats)
{
	const struct counter *counter = &counters[out->k];

	sample(out, counter->name, labels,
	       *(const uint64_t *)(const void *)((const char *)stats + counter->offset));
}

static bool place_counter(struct piece *out)
{
	head(out, counters[out->k].name, "counter", counters[out->k].help);
	return each_place(out, one_counter);
}

static void drops_of(const struct piece *out, const struct labels *labels,
		     const struct stats *stats)
{
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

static bool drops(struct piece *out)
{
	head(out, "drops_total", "counter", "Frames dropped, by where and why.");
	return each_place(out, drops_of);
}

static void bypassed_of(const struct piece *out, const struct segment *segment)
{
	struct labels labels;

	for (size_t i = 0; i < segment->encap_count; i++) {
		label_encap(&labels, segment->encaps[i]);
		sample(out, "tx_bypassed_total", &labels, segment->encaps[i]->encap.bypassed);
	}
}

static bool bypassed(struct piece *out)
{
	head(out, "tx_bypassed_total", "counter",
	     "Those of tx_segments_total that went past the kernel's network stack.");
	return each_segment(out, bypassed_of);
}

/* ---- segments and relays ---- */

static const char *const segment_names[] = {"fdb_entries",	 "fdb_max",
					    "fdb_learned_total", "fdb_expired_total",
					    "fdb_evicted_total", "fdb_moved_total"};

static void label_segment(struct labels *labels, const struct segment *segment)
{
	(void)snprintf(labels->text, sizeof(labels->text), "segment=\"%s\"", segment->conf.name);
}

static void one_segment(const struct piece *out, const struct segment *segment)
{
	const struct fdb *fdb = out->sw->fdb;
	struct fdb_counters c = fdb_segment_counters(fdb, segment->number);
	const uint64_t values[] = {fdb_segment_count(fdb, segment->number),
				   (uint64_t)segment->conf.fdb_max,
				   c.learned,
				   c.expired,
				   c.evicted,
				   c.moved};
	struct labels labels;

	label_segment(&labels, segment);
	sample(out, segment_names[out->k], &labels, values[out->k]);
}

/* The k-th of the counters of segments. */
static bool segments(struct piece *out)
{
	static const char *const helps[] = {"Stations that the segment knows.",
					    "Its limit of stations.",
					    "Stations learned.",
					    "Stations forgotten for their silence.",
					    "Stations that made way for another.",
					    "Stations that changed place."};

	head(out, segment_names[out->k], out->k < 2 ? "gauge" : "counter", helps[out->k]);
	return each_segment(out, one_segment);
}

static const char *const relay_names[] = {"relay_active", "relay_heard", "relay_changes_total",
					  "relay_limited_total"};

static void one_relay(const struct piece *out, const struct segment *segment)
{
	struct relay_figures figures;
	struct labels labels;

	if (!relay_figures(segment, &figures))
		return;
	{
		const uint64_t values[] = {figures.active, figures.heard, figures.changes,
					   figures.limited};

		label_segment(&labels, segment);
		sample(out, relay_names[out->k], &labels, values[out->k]);
	}
}

static bool relays(struct piece *out)
{
	static const char *const helps[] = {
	    "1 while the segment's relay is active.", "Relays heard, on any side.",
	    "Changes of the relay's state.", "Frames not flooded across, for the storm limit."};

	head(out, relay_names[out->k], out->k < 2 ? "gauge" : "counter", helps[out->k]);
	return each_segment(out, one_relay);
}

/* ---- uplinks, ports, the process ---- */

static bool accelerators(struct piece *out)
{
	static const char *const names[] = {"uplink_accelerator",
					    "uplink_accelerator_fallbacks_total",
					    "uplink_accelerator_overruns_total"};
	static const char *const helps[] = {"1 while the uplink has an accelerator.",
					    "How often it could not be had, or was lost.",
					    "Packets that found its queue full."};

	head(out, names[out->k], out->k == 0 ? "gauge" : "counter", helps[out->k]);
	list_for_each (&((struct switchd *)out->sw)->uplinks, it) {
		const struct uplink *uplink = container_of(it, struct uplink, link);
		struct accelerate_figures figures;
		struct labels labels;

		if (!accelerate_figures(uplink, &figures))
			continue;
		const uint64_t values[] = {figures.on, figures.fallbacks, figures.overruns};

		(void)snprintf(labels.text, sizeof(labels.text), "uplink=\"%s\"",
			       uplink->conf.name);
		sample(out, names[out->k], &labels, values[out->k]);
	}
	return false;
}

static void one_state(const struct piece *out, const struct port *port)
{
	struct labels labels;

	label_port(&labels, port);
	sample(out, "port_up", &labels, port->up);
}

static bool port_states(struct piece *out)
{
	head(out, "port_up", "gauge", "1 while the port is attached and raised.");
	return each_port(out, one_state);
}

static bool uplink_states(struct piece *out)
{
	struct labels labels;

	head(out, "uplink_up", "gauge", "1 while the uplink can be sent through.");
	list_for_each (&((struct switchd *)out->sw)->uplinks, it) {
		const struct uplink *uplink = container_of(it, struct uplink, link);

		(void)snprintf(labels.text, sizeof(labels.text), "uplink=\"%s\"",
			       uplink->conf.name);
		sample(out, "uplink_up", &labels, uplink->view.up);
	}
	return false;
}

static bool process(struct piece *out)
{
	const struct switchd *sw = out->sw;
	struct frame_pool_usage pool = frame_pool_usage(sw->pool);
	struct bulk_counters bulk = bulk_counters(sw->port_host.bulk);
	struct labels labels;

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
	(void)fprintf(out->out,
		      "tvdswitch_reloads_total{result=\"ok\"} %" PRIu64
		      "\ntvdswitch_reloads_total{result=\"refused\"} %" PRIu64 "\n",
		      sw->reloads, sw->reload_failures);
	head(out, "buffers_used", "gauge", "Frame buffers in use.");
	(void)fprintf(out->out,
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
	return false;
}

/* The k-th of the figures of connections. */
static bool connections(struct piece *out)
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
	const struct conn_counters c = conns_counters(out->sw->conns);
	const uint64_t values[] = {conns_count(out->sw->conns),
				   conns_limits(out->sw->conns).max,
				   c.opened,
				   c.expired,
				   c.evicted,
				   c.ended};

	head(out, names[out->k], out->k < 2 ? "gauge" : "counter", helps[out->k]);
	plain(out, names[out->k], values[out->k]);
	return false;
}

/* The k-th of the figures of flows between domains. */
static bool flows(struct piece *out)
{
	static const char *const names[] = {"flow_frames_total", "flow_bytes_total",
					    "flow_refused_total"};
	static const char *const helps[] = {"Frames that have crossed between domains.",
					    "Bytes of these.", "Frames that were not let across."};
	const struct policy *policy = out->sw->policy;
	const struct matrix *matrix = policy ? policy->plan.matrix : NULL;
	const size_t count = matrix ? matrix_flow_count(matrix) : 0;
	const size_t end = out->cursor + PIECE < count ? out->cursor + PIECE : count;
	struct labels labels;

	head(out, names[out->k], "counter", helps[out->k]);
	for (; out->cursor < end; out->cursor++) {
		const struct matrix_flow *flow = matrix_flow_at(matrix, out->cursor);
		const struct flow_count *counted = &policy->flows[out->cursor].count;
		const uint64_t values[] = {counted->frames, counted->bytes, counted->refused};

		(void)snprintf(labels.text, sizeof(labels.text), "from=\"%s\",to=\"%s\"",
			       matrix_domain(matrix, flow->from), matrix_domain(matrix, flow->to));
		sample(out, names[out->k], &labels, values[out->k]);
	}
	return out->cursor < count;
}

/* ---- gateways, and bindings of MAC rewriting ---- */

struct named {
	const char *name, *help;
};

#define ROUTED 2u

static const struct named routed_names[ROUTED] = {
    {"gateway_routed_frames_total", "Frames that this host has routed."},
    {"gateway_routed_bytes_total", "Bytes of these."},
};

static void routed_from(const struct piece *out, const struct segment *segment)
{
	struct gateway_figures figures;
	struct labels labels;

	if (!gateway_figures(segment, &figures))
		return;
	for (size_t i = 0; i < figures.routes; i++) {
		const struct gateway_traffic traffic = gateway_traffic(segment, i);

		(void)snprintf(labels.text, sizeof(labels.text),
			       "segment=\"%s\",to=\"%s\",ip=\"%u\"", segment->conf.name,
			       traffic.to->conf.name, traffic.ip);
		sample(out, routed_names[out->k].name, &labels,
		       out->k == 0 ? traffic.frames : traffic.bytes);
	}
}

/* The k-th of what was routed from segment to segment. */
static bool routed(struct piece *out)
{
	head(out, routed_names[out->k].name, "counter", routed_names[out->k].help);
	return each_segment(out, routed_from);
}

#define GATEWAYS 11u

static const struct named gateway_names[GATEWAYS] = {
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

static void one_gateway(const struct piece *out, const struct segment *segment)
{
	struct gateway_figures f;
	struct labels labels;

	if (!gateway_figures(segment, &f))
		return;
	const uint64_t values[GATEWAYS] = {
	    f.neighbours,      f.news.resolved,	     f.news.moved,	  f.news.failed,
	    f.news.evicted,    f.counters.delivered, f.counters.answered, f.counters.asked,
	    f.counters.echoed, f.counters.errors,    f.counters.muted};

	label_segment(&labels, segment);
	sample(out, gateway_names[out->k].name, &labels, values[out->k]);
}

/* The k-th of the figures of gateways. */
static bool gateways(struct piece *out)
{
	head(out, gateway_names[out->k].name, out->k < 1 ? "gauge" : "counter",
	     gateway_names[out->k].help);
	return each_segment(out, one_gateway);
}

#define BINDINGS 6u

static const struct named binding_names[BINDINGS] = {
    {"bindings", "IP addresses of the subnet that are known or asked for."},
    {"bindings_resolved_total", "Bindings learned."},
    {"bindings_moved_total", "Bindings that changed their place."},
    {"bindings_failed_total", "Addresses that were asked for in vain."},
    {"bindings_expired_total", "Bindings forgotten for their silence."},
    {"bindings_evicted_total", "Bindings that made way for another."},
};

static void bindings_of(const struct piece *out, const struct segment *segment)
{
	const struct segment_encap *se = segment->hearer;
	struct neighbour_counters c;
	struct labels labels;
	size_t count;

	if (!se || !se->open || !se->encap.ops->binding_count)
		return;
	count = se->encap.ops->binding_count(&se->encap, &c);
	const uint64_t values[BINDINGS] = {count,    c.resolved, c.moved,
					   c.failed, c.expired,	 c.evicted};

	label_encap(&labels, se);
	sample(out, binding_names[out->k].name, &labels, values[out->k]);
}

/* The k-th of the figures of bindings. */
static bool bindings(struct piece *out)
{
	head(out, binding_names[out->k].name, out->k < 1 ? "gauge" : "counter",
	     binding_names[out->k].help);
	return each_segment(out, bindings_of);
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
static bool control_pdus(struct piece *out)
{
	head(out, "control_pdus_total", "counter", "PDUs of MVRP and GVRP.");
	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		const struct encap_ops *ops = encap_at((enum encap_kind)kind);

		if (ops && ops->pdus)
			ops->pdus(&out->sw->encap_host, pdus, out);
	}
	return false;
}

/* ---- receive rings ---- */

/* One metric of all uplinks. */
struct ring_metric {
	const char *name, *count, *help;
	const struct piece *out;
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

static bool rings(struct piece *out)
{
	struct ring_metric metric = ring_metrics[out->k];

	metric.out = out;
	head(out, metric.name, "counter", metric.help);
	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		const struct encap_ops *ops = encap_at((enum encap_kind)kind);

		if (ops && ops->count)
			ops->count(&out->sw->encap_host, ring_sample, &metric);
	}
	return false;
}

/* ---- all of them ---- */

/* In this order, each `times` times with k counting up. Each returns whether there is more,
 * to be written when it is called again. */
static const struct {
	bool (*write)(struct piece *out);
	size_t times;
} steps[] = {
    {process, 1},
    {port_states, 1},
    {uplink_states, 1},
    {place_counter, COUNTERS},
    {bypassed, 1},
    {drops, 1},
    {segments, 6},
    {control_pdus, 1},
    {rings, RING_METRICS},
    {relays, 4},
    {connections, 6},
    {accelerators, 3},
    {flows, 3},
    {routed, ROUTED},
    {gateways, GATEWAYS},
    {bindings, BINDINGS},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

char *metrics_next(const struct switchd *sw, struct metrics_walk *walk)
{
	struct piece piece = {.sw = sw, .k = walk->k, .cursor = walk->cursor};
	char *text = NULL;
	size_t size;
	bool more;

	piece.out = open_memstream(&text, &size);
	if (!piece.out)
		return NULL;
	more = steps[walk->step].write(&piece);
	if (fclose(piece.out) != 0) {
		free(text);
		return NULL;
	}
	walk->cursor = more ? piece.cursor : 0;
	if (!more && ++walk->k == steps[walk->step].times) {
		walk->k = 0;
		walk->end = ++walk->step == STEPS;
	}
	return text;
}
