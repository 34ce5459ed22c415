/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the model of decide_model.h is made of, and the packets and policies that
 * it draws.
 */
#ifndef TVD_TEST_DECIDE_PACKETS_H
#define TVD_TEST_DECIDE_PACKETS_H

#include <pcap/pcap.h>

#include "test/unit/policy_case.h"

#define MODEL_CONNS  24u
#define MODEL_GUEST  10u
#define MODEL_GUESTS 4u
#define MODEL_RULES  3u

#define MODEL_CHECK(cond)                                                                          \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			(void)fprintf(stderr, "%s:%d: model: %s\n", __FILE__, __LINE__, #cond);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static const char *const model_filters[] = {
    "tcp",
    "tcp dst port 443",
    "udp",
    "udp dst port 53",
    "icmp or icmp6",
    "arp",
    "ip and not udp src port 53",
    "ip6 and not tcp port 443",
    "src host 10.0.0.1 or src host 2001:db8::2",
    "ip proto 47",
};

#define MODEL_FILTERS (sizeof(model_filters) / sizeof(model_filters[0]))

enum model_half_name { A_OUT, A_IN, B_OUT, B_IN, MODEL_HALVES };

struct model_half {
	int kind;
	bool audit;
	unsigned count;
	struct {
		unsigned filter;
		bool stateful, pickup;
		uint64_t frames;
	} rule[MODEL_RULES];
	uint64_t refused;
	struct half *real;
};

/* A packet, as it was made. */
struct model_packet {
	struct say say;
	bool to_b;
	unsigned kind;	  /* enum flow_kind */
	unsigned arp, nd; /* operation or type, 0: none */
	unsigned nd_dst;  /* where an advertisement goes, 0: to everybody */
	struct say inside;
	unsigned guest;
};

struct model_conn {
	bool used, from_b;
	unsigned kind, protocol, family;
	unsigned a, b, aport, bport; /* of who began it, and the other */
	enum conn_state state;
	uint64_t stamp;
	unsigned guest;
	enum conn_word word[2];
	int rule[2]; /* of the halves of who began it: filter with flags, see rule_name() */
	struct tcp tcp;
};

struct model {
	struct conns *conns;
	struct model_half half[MODEL_HALVES];
	struct model_conn conn[MODEL_CONNS];
	struct bpf_program slow[MODEL_FILTERS];
	uint64_t now;
	const uint8_t *data; /* NULL: random */
	size_t size;
	uint64_t seed, steps, passed, by_connection;
};

static inline unsigned model_byte(struct model *m)
{
	if (m->data) {
		if (m->size == 0)
			return 0;
		m->size--;
		return *m->data++;
	}
	m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(m->seed >> 40) & 0xffu;
}

static inline unsigned model_draw(struct model *m, unsigned below)
{
	return model_byte(m) % below;
}

/* ---- policy ---- */

static inline int model_rule_name(const struct model_half *h, unsigned i)
{
	return (int)(h->rule[i].filter << 2 | (unsigned)h->rule[i].stateful << 1 |
		     h->rule[i].pickup);
}

/* A rule that is there twice is two rules; the model has each once. */
static inline void model_draw_half(struct model *m, struct model_half *h)
{
	struct rule_spec specs[MODEL_RULES] = {{.filter = NULL}};
	struct model_half was = *h;
	struct half *real = calloc(1, sizeof(*real));

	MODEL_CHECK(real);
	memset(h, 0, sizeof(*h));
	h->kind = (int)model_draw(m, 9);
	if (h->kind > HALF_OPEN)
		h->kind = HALF_CONTROLLED;
	h->audit = h->kind == HALF_CONTROLLED && model_draw(m, 6) == 0;
	for (unsigned n = h->kind == HALF_CONTROLLED ? 1 + model_draw(m, MODEL_RULES) : 0; n; n--) {
		unsigned k = h->count;
		bool twice = false;

		h->rule[k].filter = model_draw(m, MODEL_FILTERS);
		h->rule[k].stateful = model_draw(m, 4) != 0;
		h->rule[k].pickup = h->rule[k].stateful && model_draw(m, 4) == 0;
		for (unsigned i = 0; i < k; i++)
			twice = twice || model_rule_name(h, i) == model_rule_name(h, k);
		if (twice)
			continue;
		specs[k].filter = model_filters[h->rule[k].filter];
		specs[k].stateful = h->rule[k].stateful;
		specs[k].pickup = h->rule[k].pickup;
		for (unsigned i = 0; i < was.count; i++) {
			if (model_rule_name(&was, i) == model_rule_name(h, k))
				h->rule[k].frames = was.rule[i].frames;
		}
		h->count++;
	}
	real->name = "model";
	real->kind = h->kind;
	real->audit = h->audit;
	if (h->kind == HALF_CONTROLLED) {
		real->rules = rules_create(specs, h->count, NULL);
		MODEL_CHECK(real->rules);
		if (was.real)
			rules_adopt(real->rules, was.real->rules);
	}
	h->real = real;
	half_free(was.real);
}

static inline const struct half *model_real(const struct model *m, enum model_half_name name)
{
	return m->half[name].real;
}

static inline struct crossing model_crossing(const struct model *m, bool to_b)
{
	struct half *h[MODEL_HALVES];

	for (unsigned i = 0; i < MODEL_HALVES; i++)
		h[i] = m->half[i].real;
	return to_b ? (struct crossing){h[A_OUT], h[B_IN], h[B_OUT], h[A_IN]}
		    : (struct crossing){h[B_OUT], h[A_IN], h[A_OUT], h[B_IN]};
}

/* The halves of one direction: what its sender lets out, what its receiver lets in. */
static inline struct model_half *model_half_of(struct model *m, bool to_b, unsigned which)
{
	if (which == 0)
		return &m->half[to_b ? A_OUT : B_OUT];
	return &m->half[to_b ? B_IN : A_IN];
}

static inline bool model_has_rule(const struct model_half *h, int name)
{
	for (unsigned i = 0; i < h->count; i++) {
		if (model_rule_name(h, i) == name)
			return true;
	}
	return false;
}

static inline bool model_keeps(struct model *m, const struct model_conn *c)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct model_half *h = model_half_of(m, !c->from_b, i);

		if (h->kind == HALF_CLOSED || (c->word[i] == CONN_WORD_AUDIT && !h->audit))
			return false;
		if (c->word[i] == CONN_WORD_RULE &&
		    (h->kind != HALF_CONTROLLED || !model_has_rule(h, c->rule[i])))
			return false;
	}
	return true;
}

static inline bool model_keep(void *arg, const struct conn_info *info)
{
	struct model *m = arg;
	struct crossing crossing = model_crossing(m, info->from == SEG_A);

	return crossing_keeps(&crossing, info);
}

/* ---- packets ---- */

static inline void model_draw_tcp(struct model *m, struct model_packet *p)
{
	static const unsigned flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK,
					 TCP_ACK, TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN,
					 TCP_RST, TCP_RST | TCP_ACK, TCP_SYN | TCP_FIN,
					 0};

	p->say.flags = flags[model_draw(m, 10)];
	p->say.seq = model_draw(m, 4) * 100;
	p->say.ack = 1 + model_draw(m, 4) * 100;
	p->say.window = model_draw(m, 3) * 1000;
	p->say.scale = (int)model_draw(m, 3) - 1;
	p->say.payload = model_draw(m, 3) * 99;
}

/* Makes it often a part of a connection of its kind that there is. */
static inline void model_go_on(struct model *m, struct model_packet *p)
{
	const unsigned start = model_draw(m, MODEL_CONNS);

	if (model_draw(m, 2))
		return;
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		const struct model_conn *c = &m->conn[(start + i) % MODEL_CONNS];
		const bool back = c->from_b == p->to_b;
		const struct tcp_peer *s = &c->tcp.peer[back], *r = &c->tcp.peer[!back];

		if (!c->used || c->kind != p->kind || (c->family == 4) != (p->say.family == 4))
			continue;
		p->say.src = back ? c->b : c->a;
		p->say.dst = back ? c->a : c->b;
		p->say.sport = back ? c->bport : c->aport;
		p->say.dport = back ? c->aport : c->bport;
		if (c->kind == FLOW_KIND_ECHO)
			p->say.type = p->say.family == 6 ? 128 + back : back ? 0 : 8;
		if (c->kind == FLOW_KIND_TCP) {
			p->say.seq = s->known ? s->end : 77;
			p->say.ack = r->end;
		}
		break;
	}
}

static inline void model_draw_error(struct model *m, struct model_packet *p)
{
	const bool v6 = p->say.family == 6;

	p->inside = p->say;
	p->inside.src = p->say.dst;
	p->inside.dst = 1 + model_draw(m, 3);
	p->inside.protocol = model_draw(m, 2) ? IPPROTO_TCP : IPPROTO_UDP;
	p->inside.sport = p->say.dport;
	p->inside.dport = p->say.sport;
	p->inside.flags = TCP_ACK;
	p->inside.scale = -1;
	p->inside.seq = model_draw(m, 4) * 100;
	p->inside.payload = 0;
	p->inside.extension = p->inside.fragment = 0;
	if (model_draw(m, 3) == 0) {
		p->inside.protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		p->inside.type = (v6 ? 128 : 0) + model_draw(m, 2) * (v6 ? 1 : 8);
		p->inside.sport = p->inside.dport;
	}
	p->say.protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	p->say.type = v6 ? 1 + model_draw(m, 4) : 3;
	p->say.payload = 0;
	p->kind = FLOW_KIND_ERROR;
	if (model_draw(m, 8) == 0) {
		p->inside.src = 9; /* to somebody else */
		p->kind = FLOW_KIND_OTHER;
	}
}

static inline void model_draw_packet(struct model *m, struct model_packet *p)
{
	static const unsigned ports[] = {53, 443, 4000, 4001};
	struct say *s = &p->say;

	memset(p, 0, sizeof(*p));
	p->to_b = model_draw(m, 2);
	p->guest = model_draw(m, MODEL_GUESTS);
	s->family = model_draw(m, 3) ? 4 : 6;
	s->src = 1 + model_draw(m, 3);
	s->dst = 1 + model_draw(m, 3);
	s->sport = ports[model_draw(m, 4)];
	s->dport = ports[model_draw(m, 4)];
	s->scale = -1;
	s->multicast = model_draw(m, 16) == 0;
	if (s->family == 6 && model_draw(m, 4) == 0)
		s->extension = 8 * (1 + model_draw(m, 3));
	switch (model_draw(m, 8)) {
	case 0:
	case 1:
	case 2:
		s->protocol = IPPROTO_TCP;
		p->kind = FLOW_KIND_TCP;
		model_draw_tcp(m, p);
		break;
	case 3:
		s->protocol = IPPROTO_UDP;
		p->kind = FLOW_KIND_UDP;
		break;
	case 4:
		s->protocol = s->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		s->type =
		    model_draw(m, 2) ? (s->family == 6 ? 128 : 8) : (s->family == 6 ? 129 : 0);
		s->dport = s->sport;
		p->kind = FLOW_KIND_ECHO;
		break;
	case 5:
		p->arp = s->family == 4 ? 1 + model_draw(m, 2) : 0;
		p->nd = s->family == 6 ? 135 + model_draw(m, 2) : 0;
		p->nd_dst = model_draw(m, 4) ? s->dst : 0;
		p->kind = p->arp ? FLOW_KIND_ARP : FLOW_KIND_ND;
		if (p->arp && s->src == s->dst)
			p->kind = FLOW_KIND_OTHER;
		if (p->nd)
			s->extension = 0;
		s->sport = s->dport = 0;
		break;
	case 6:
		model_draw_error(m, p);
		break;
	default:
		s->protocol = 47;
		p->kind = FLOW_KIND_IP;
		s->payload = model_draw(m, 64);
		s->sport = s->dport = 0;
		break;
	}
	if (p->kind == FLOW_KIND_TCP || p->kind == FLOW_KIND_UDP || p->kind == FLOW_KIND_ECHO ||
	    p->kind == FLOW_KIND_IP)
		model_go_on(m, p);
	if (p->kind != FLOW_KIND_ARP && p->kind != FLOW_KIND_ND && p->kind != FLOW_KIND_OTHER &&
	    model_draw(m, 16) == 0) {
		s->fragment = s->family == 4 ? 0x2000 : 1;
		p->kind = FLOW_KIND_FRAGMENT;
	}
}

static inline struct frame *model_frame(struct model_packet *p, struct packet *packet)
{
	p->say.inside = p->inside.family ? &p->inside : NULL;
	if (p->arp)
		return say_arp(p->arp, p->say.src, p->say.dst, packet);
	if (p->nd == 136)
		return say_nd(136, p->say.src, p->nd_dst, p->say.src, packet);
	if (p->nd)
		return say_nd(135, p->say.src, p->say.dst, p->say.dst, packet);
	return say_frame(&p->say, packet);
}

/* Errors about a request go where its reply would. */
static inline bool model_answers(const struct model_packet *p)
{
	if (p->kind == FLOW_KIND_ERROR)
		return p->inside.type == 8 || p->inside.type == 128;
	if (p->kind == FLOW_KIND_ECHO)
		return p->say.type == 0 || p->say.type == 129;
	return p->arp == 2 ? p->kind == FLOW_KIND_ARP : p->nd == 136;
}

static inline bool model_asks(const struct model_packet *p)
{
	return (p->kind == FLOW_KIND_ECHO || p->kind == FLOW_KIND_ARP || p->kind == FLOW_KIND_ND);
}

static inline struct flow_info model_segment(const struct say *s)
{
	return (struct flow_info){
	    .kind = FLOW_KIND_TCP,
	    .tcp_flags = (uint8_t)s->flags,
	    .seq = s->seq,
	    .ack = s->ack,
	    .window = (uint16_t)s->window,
	    .scale = s->flags & TCP_SYN && s->scale >= 0 ? (uint8_t)s->scale : FLOW_NO_SCALE,
	    .payload = s->payload,
	};
}

#endif
