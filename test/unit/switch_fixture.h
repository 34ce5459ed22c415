/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch for tests, in memory: real tables, segments and pipeline; ports and
 * encaps are fakes that keep copies of what they are given. Time is fx.sw.now.
 * Whatever the harness itself needs and does not get ends the program.
 */
#ifndef TVD_TEST_SWITCH_FIXTURE_H
#define TVD_TEST_SWITCH_FIXTURE_H

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encap/gso.h"
#include "lib/log.h"
#include "lib/names.h"
#include "switchd/egress.h"
#include "switchd/forward.h"
#include "switchd/membership.h"
#include "switchd/ports.h"
#include "switchd/segment.h"
#include "switchd/switchd.h"

#define FX_PORTS  16u
#define FX_ENCAPS 8u
#define FX_HEADER 4u /* bytes that a fake encap puts in front */

#define FX_CHECK(what)                                                                             \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);           \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A frame as a receiver got it. */
struct fx_sent {
	uint8_t *bytes;
	const uint8_t *at; /* where the bytes lay: to see who shared them */
	uint32_t len;
	struct frame_offload offload;
	struct frame_tag tag;
	struct ipaddr peer;
};

struct fx_log {
	struct fx_sent *sent;
	unsigned count, max, batches;
};

struct fx_port {
	struct port *port;
	struct fx_log log;
};

struct fx_encap {
	struct segment_encap *se;
	struct encap *encap; /* in *se */
	struct encap_ops ops;
	struct fx_log log;
	bool ready;
	size_t room;
};

struct fx {
	struct switchd sw;
	struct uplink uplink;
	struct fx_port ports[FX_PORTS];
	struct fx_encap encaps[FX_ENCAPS];
	unsigned port_count, encap_count;
};

static const uint8_t fx_header[FX_HEADER] = {0xe7, 'F', 'X', 0xe7};

/* ---- what was sent ---- */

static inline void fx_log_add(struct fx_log *log, const struct frame *frame, size_t skip)
{
	struct fx_sent *sent;

	if (log->count == log->max) {
		log->max = log->max ? log->max * 2 : 64;
		log->sent = realloc(log->sent, log->max * sizeof(*sent));
		FX_CHECK(log->sent);
	}
	FX_CHECK(frame->len >= skip);
	sent = &log->sent[log->count++];
	sent->at = frame->data + skip;
	sent->len = frame->len - (uint32_t)skip;
	sent->bytes = malloc(sent->len ? sent->len : 1); /* exact: ASan sees the ends */
	FX_CHECK(sent->bytes);
	memcpy(sent->bytes, sent->at, sent->len);
	sent->offload = frame->offload;
	sent->tag = frame->tag;
	sent->peer = frame->peer;
}

static inline void fx_log_clear(struct fx_log *log)
{
	for (unsigned i = 0; i < log->count; i++)
		free(log->sent[i].bytes);
	log->count = log->batches = 0;
}

static inline void fx_log_free(struct fx_log *log)
{
	fx_log_clear(log);
	free(log->sent);
	memset(log, 0, sizeof(*log));
}

/* Forgets what all have got. */
static inline void fx_forget(struct fx *fx)
{
	for (unsigned i = 0; i < fx->port_count; i++)
		fx_log_clear(&fx->ports[i].log);
	for (unsigned i = 0; i < fx->encap_count; i++)
		fx_log_clear(&fx->encaps[i].log);
}

/* How many frames all receivers together have got. */
static inline unsigned fx_total(const struct fx *fx)
{
	unsigned total = 0;

	for (unsigned i = 0; i < fx->port_count; i++)
		total += fx->ports[i].log.count;
	for (unsigned i = 0; i < fx->encap_count; i++)
		total += fx->encaps[i].log.count;
	return total;
}

/* ---- fake ports ---- */

struct fx_port_conf {
	struct port_conf common;
};

static const struct conf_key fx_port_keys[] = {
    PORT_COMMON_KEYS(struct fx_port_conf),
    {.name = NULL},
};

static const struct conf_schema fx_port_schema = {
    .kind = "fake",
    .size = sizeof(struct fx_port_conf),
    .keys = fx_port_keys,
};

static inline int fx_port_open(struct port *port)
{
	(void)port; /* a port that was closed stays closed */
	return -1;
}

static inline int fx_port_reconf(struct port *port, const struct port_conf *conf)
{
	(void)port;
	(void)conf;
	return 0;
}

static inline void fx_port_close(struct port *port)
{
	port->state = NULL;
}

static inline void fx_port_send(struct port *port, struct frame_batch *batch)
{
	struct fx_port *fp = port->state;

	FX_CHECK(fp && batch->count > 0 && batch->count <= FRAME_BATCH_MAX);
	for (unsigned i = 0; i < batch->count; i++) {
		FX_CHECK(!(offload_needs(batch->frame[i]) & ~port->offloads));
		fx_log_add(&fp->log, batch->frame[i], 0);
	}
	fp->log.batches++;
	frame_batch_free(batch);
}

static const struct port_ops fx_port_ops = {
    .type = "fake",
    .schema = &fx_port_schema,
    .open = fx_port_open,
    .reconf = fx_port_reconf,
    .close = fx_port_close,
    .send = fx_port_send,
};

/* ---- fake encaps ---- */

struct fx_encap_conf {
	struct encap_conf common;
};

static const struct conf_key fx_encap_keys[] = {
    ENCAP_COMMON_KEYS(struct fx_encap_conf),
    {.name = NULL},
};

static const struct conf_schema fx_encap_schema = {
    .kind = "fake",
    .size = sizeof(struct fx_encap_conf),
    .keys = fx_encap_keys,
};

static inline enum reason fx_encap_push(const struct encap *encap, struct frame *frame)
{
	uint8_t *header = frame_push(frame, FX_HEADER);

	(void)encap;
	if (!header && frame_writable(frame))
		header = frame_push(frame, FX_HEADER);
	if (!header)
		return REASON_NO_BUFFER;
	memcpy(header, fx_header, FX_HEADER);
	return REASON_NONE;
}

static inline void fx_encap_send(struct encap *encap, struct frame_batch *batch)
{
	struct fx_encap *fe = encap->state;

	FX_CHECK(batch->count > 0 && batch->count <= FRAME_BATCH_MAX);
	for (unsigned i = 0; i < batch->count; i++) {
		FX_CHECK(!(offload_needs(batch->frame[i]) & ~encap->ops->offloads));
		FX_CHECK(memcmp(batch->frame[i]->data, fx_header, FX_HEADER) == 0);
		fx_log_add(&fe->log, batch->frame[i], FX_HEADER);
	}
	fe->log.batches++;
	frame_batch_free(batch);
}

static inline size_t fx_encap_room(const struct encap *encap, const struct ipaddr *peer)
{
	(void)peer;
	return ((const struct fx_encap *)encap->state)->room;
}

static inline bool fx_encap_ready(const struct encap *encap)
{
	return ((const struct fx_encap *)encap->state)->ready;
}

static inline bool fx_encap_reaches(const struct encap *encap, const struct ipaddr *host)
{
	(void)encap;
	(void)host;
	return true;
}

static inline void fx_encap_close(struct encap *encap)
{
	(void)encap;
}

static const struct encap_ops fx_encap_ops = {
    .type = "fake",
    .schema = &fx_encap_schema,
    .has_hosts = true,
    .close = fx_encap_close,
    .room = fx_encap_room,
    .push = fx_encap_push,
    .send = fx_encap_send,
    .ready = fx_encap_ready,
    .reaches = fx_encap_reaches,
};

/* ---- making it ---- */

static inline void fx_open(struct fx *fx)
{
	memset(fx, 0, sizeof(*fx));
	log_set_level(LOG_LEVEL_ERROR);
	FX_CHECK(switchd_init(&fx->sw, "nowhere") == 0);
	fx->sw.now = 1000000;
	fx->uplink.sw = &fx->sw;
	fx->uplink.conf.name = (char *)(uintptr_t) "lan";
	list_init(&fx->uplink.encaps);
	fx->sw.port_numbers = FX_PORTS;
	fx->sw.port_by_number = calloc(FX_PORTS, sizeof(struct port *));
	FX_CHECK(fx->sw.port_by_number);
}

/* Aborts if a frame has leaked. */
static inline void fx_close(struct fx *fx)
{
	egress_flush(&fx->sw);
	switchd_fini(&fx->sw);
	for (unsigned i = 0; i < FX_PORTS; i++)
		fx_log_free(&fx->ports[i].log);
	for (unsigned i = 0; i < FX_ENCAPS; i++)
		fx_log_free(&fx->encaps[i].log);
}

/* An object of the configuration from JSON text ("" for nothing) and a few words. */
static inline void fx_conf(const struct conf_schema *schema, const char *text, void *conf,
			   const char *name, const char *segment)
{
	json_t *json = json_loads(*text ? text : "{}", 0, NULL);
	struct err err;

	FX_CHECK(json);
	json_object_set_new(json, "name", json_string(name));
	if (schema != &segment_schema)
		json_object_set_new(json, "type", json_string("fake"));
	if (segment)
		json_object_set_new(json, "segment", json_string(segment));
	if (!conf_parse_json(schema, json, conf, &err)) {
		(void)fprintf(stderr, "%s: %s\n", text, err.text);
		abort();
	}
	json_decref(json);
}

/* A segment, with JSON text for what is not by default. Storms are not limited. */
static inline struct segment *fx_segment(struct fx *fx, const char *name, const char *text)
{
	struct segment_conf conf;
	struct segment *segment;

	memset(&conf, 0, sizeof(conf));
	fx_conf(&segment_schema, text, &conf, name, NULL);
	conf.owner = OWNER_FILE;
	if (!conf_given(&segment_schema, &conf, "storm"))
		conf.storm = 0;
	segment = segment_create(&fx->sw, &conf);
	FX_CHECK(segment);
	conf_clear(&segment_schema, &conf);
	return segment;
}

/* Like port_create(), but with fake operations. Takes no offloads to begin with. The
 * segment is NULL for a trunk port without native one; its list is in the text. */
static inline struct fx_port *fx_port(struct fx *fx, struct segment *segment, const char *name,
				      const char *text)
{
	struct fx_port *fp = &fx->ports[fx->port_count];
	struct port *port = calloc(1, sizeof(*port));
	struct port_runtime *rt = calloc(1, sizeof(*rt));
	struct port_conf *conf = calloc(1, sizeof(*conf));

	FX_CHECK(port && rt && conf && fx->port_count < FX_PORTS);
	fx_conf(&fx_port_schema, text, conf, name, segment ? segment->conf.name : NULL);
	conf->owner = OWNER_FILE;
	FX_CHECK(names_add(fx->sw.port_names, name, port) == 0);
	port->ops = &fx_port_ops;
	port->host = &fx->sw.port_host;
	port->conf = conf;
	port->number = fx->port_count;
	port->state = fp;
	port->up = true;
	port->runtime = rt;
	list_init(&port->captures);
	rt->sw = &fx->sw;
	rt->port = port;
	rt->conf = conf;
	rt->counted_up = true;
	list_init(&rt->dirty);
	list_add_tail(&fx->sw.ports, &rt->link);
	fx->sw.port_by_number[port->number] = port;
	membership_update(port);
	fx->port_count++;
	fp->port = port;
	return fp;
}

/* An open encap of a segment, freed with it. Room without limit to begin with. */
static inline struct fx_encap *fx_encap(struct fx *fx, struct segment *segment)
{
	struct fx_encap *fe = &fx->encaps[fx->encap_count];
	struct segment_encap *se = calloc(1, sizeof(*se));
	struct segment_encap **encaps =
	    realloc(segment->encaps, (segment->encap_count + 1) * sizeof(struct segment_encap *));

	FX_CHECK(se && encaps && fx->encap_count < FX_ENCAPS);
	se->conf = calloc(1, sizeof(struct encap_conf));
	FX_CHECK(se->conf);
	fe->ops = fx_encap_ops;
	fe->ready = true;
	fe->se = se;
	fe->encap = &se->encap;
	se->segment = segment;
	se->uplink = &fx->uplink;
	se->open = true;
	list_init(&se->dirty);
	list_add_tail(&fx->uplink.encaps, &se->by_uplink);
	se->encap.ops = &fe->ops;
	se->encap.host = &fx->sw.encap_host;
	se->encap.uplink = &fx->uplink.view;
	se->encap.conf = se->conf;
	se->encap.segment = segment;
	se->encap.segment_name = segment->conf.name;
	se->encap.state = fe;
	se->encap.side = ++segment->last_side;
	encaps[segment->encap_count++] = se;
	segment->encaps = encaps;
	fx->encap_count++;
	return fe;
}

/* ---- sending ---- */

static inline struct mac fx_mac(unsigned n)
{
	return (struct mac){{0x02, 0, 0, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static inline struct ipaddr fx_host(unsigned n)
{
	return ipaddr_v4((struct in_addr){htonl(0xc0000200u + n)});
}

static inline struct frame *fx_frame(struct fx *fx, const void *bytes, size_t len)
{
	struct frame *frame = frame_alloc(fx->sw.pool, len);

	FX_CHECK(frame);
	memcpy(frame->data, bytes, len);
	frame->len = (uint32_t)len;
	return frame;
}

/* A frame of `len` bytes, at least 14, whose payload differs at each place. */
static inline struct frame *fx_ether(struct fx *fx, struct mac dst, struct mac src, size_t len)
{
	struct frame *frame = frame_alloc(fx->sw.pool, len);

	FX_CHECK(frame && len >= ETH_HEADER_LEN);
	memcpy(frame->data, &dst, MAC_LEN);
	memcpy(frame->data + MAC_LEN, &src, MAC_LEN);
	frame->data[12] = 0x88; /* IEEE 802 local experimental */
	frame->data[13] = 0xb5;
	for (size_t i = ETH_HEADER_LEN; i < len; i++)
		frame->data[i] = (uint8_t)(i * 7 + (i >> 8));
	frame->len = (uint32_t)len;
	return frame;
}

/* What a guest sends; without the flush at the end of the loop's turn. */
static inline void fx_queue(struct fx_port *from, struct frame *frame)
{
	struct frame_batch batch = {.count = 1, .frame = {frame}};

	forward_from_port(from->port, &batch);
	FX_CHECK(batch.count == 0);
}

static inline void fx_send(struct fx_port *from, struct frame *frame)
{
	struct switchd *sw = from->port->runtime->sw;

	fx_queue(from, frame);
	egress_flush(sw);
}

/* What a wire brings from a host. */
static inline void fx_receive(struct fx_encap *from, unsigned host, struct frame *frame)
{
	struct frame_batch batch = {.count = 1, .frame = {frame}};

	frame->peer = fx_host(host);
	forward_from_encap(from->encap, &batch);
	FX_CHECK(batch.count == 0);
	egress_flush(from->se->segment->sw);
}

static inline bool fx_pool_empty(const struct fx *fx)
{
	struct frame_pool_usage usage = frame_pool_usage(fx->sw.pool);

	return usage.small_used == 0 && usage.large_used == 0 && usage.frames_used == 0;
}

/* All drops of some counters together, to see that there were no others. */
static inline uint64_t fx_drops(const uint64_t drops[REASON_COUNT])
{
	uint64_t sum = 0;

	for (int i = 0; i < REASON_COUNT; i++)
		sum += drops[i];
	return sum;
}

#endif
