/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A naive model of controlled flows: connections in an array that is looked through, rules
 * that are asked for each packet by another copy of the filter, and what a packet is taken
 * from how it was made instead of from its bytes. model_run() makes packets and changes of
 * policy out of bytes, asks the switch and the model, and aborts at the first difference.
 * The unit test feeds it random bytes, the fuzzer its own.
 *
 * What the model has in common with what it tests is policy/tcp.c, which has a test of its
 * own. Where the rules leave a choice (which of several holders makes way), the model takes
 * what the table chose and checks that it was allowed.
 */
#ifndef TVD_TEST_DECIDE_MODEL_H
#define TVD_TEST_DECIDE_MODEL_H

#include "test/unit/decide_packets.h"

/* ---- connections ---- */

static inline bool model_is_old(const struct model *m, const struct model_conn *c)
{
	return m->now - c->stamp >= conn_state_timeout(c->state);
}

/* Whether a packet belongs to it, and in which direction. */
static inline bool model_is_part(const struct model_packet *p, const struct model_conn *c,
				 bool *back)
{
	const bool error = p->kind == FLOW_KIND_ERROR;
	const struct say *s = error ? &p->inside : &p->say;
	unsigned kind = p->kind, src = s->src, dst = s->dst, sport = s->sport, dport = s->dport;
	unsigned protocol = s->protocol;

	if (error) { /* travels against what is inside */
		kind = p->inside.protocol == IPPROTO_TCP   ? FLOW_KIND_TCP
		       : p->inside.protocol == IPPROTO_UDP ? FLOW_KIND_UDP
							   : FLOW_KIND_ECHO;
		src = s->dst;
		dst = s->src;
		sport = s->dport;
		dport = s->sport;
	}
	if (p->arp)
		protocol = 0;
	if (p->nd == 135)
		protocol = IPPROTO_ICMPV6;
	if (p->nd == 136) {
		protocol = IPPROTO_ICMPV6;
		dst = p->nd_dst;
	}
	*back = c->from_b == p->to_b;
	if (!c->used || c->kind != kind || c->family != s->family || c->protocol != protocol)
		return false;
	if ((model_asks(p) || kind == FLOW_KIND_ECHO) && model_answers(p) != *back)
		return false;
	return *back ? c->a == dst && c->b == src && c->aport == dport && c->bport == sport
		     : c->a == src && c->b == dst && c->aport == sport && c->bport == dport;
}

static inline struct model_conn *model_find(struct model *m, const struct model_packet *p,
					    bool *back)
{
	if (p->kind < FLOW_KIND_TCP)
		return NULL;
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		if (model_is_part(p, &m->conn[i], back) && !model_is_old(m, &m->conn[i]))
			return &m->conn[i];
	}
	return NULL;
}

/* What the table has of a connection of the model. */
static inline struct conn *model_in_table(const struct model *m, const struct model_conn *c,
					  bool *back)
{
	struct flow_info flow = {
	    .kind = (uint8_t)c->kind,
	    .family = c->family == 4 ? AF_INET : AF_INET6,
	    .protocol = (uint8_t)c->protocol,
	    .src.port = (uint16_t)c->aport,
	    .dst.port = (uint16_t)c->bport,
	};

	if (c->family == 4) {
		if (c->a || c->kind != FLOW_KIND_ARP)
			memcpy(flow.src.addr, (uint8_t[]){10, 0, 0, (uint8_t)c->a}, 4);
		memcpy(flow.dst.addr, (uint8_t[]){10, 0, 0, (uint8_t)c->b}, 4);
	} else {
		if (c->a) {
			memcpy(flow.src.addr, craft_ip6_src, 16);
			flow.src.addr[15] = (uint8_t)c->a;
		}
		memcpy(flow.dst.addr, craft_ip6_dst, 16);
		flow.dst.addr[15] = (uint8_t)c->b;
	}
	return conns_find(m->conns, &flow, c->from_b ? SEG_B : SEG_A, c->from_b ? SEG_A : SEG_B,
			  c->stamp, back);
}

static inline unsigned model_count(const struct model *m, const struct model_conn *of, bool loose)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		const struct model_conn *c = &m->conn[i];

		n += c->used && c->guest == of->guest && c->from_b == of->from_b &&
		     !(loose && conn_state_is_established(c->state));
	}
	return n;
}

static inline unsigned model_total(const struct model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MODEL_CONNS; i++)
		n += m->conn[i].used;
	return n;
}

/* The one that made way for `new` was one that may. */
static inline void model_check_victim(const struct model *m, const struct model_conn *victim,
				      const struct model_conn *new, bool own)
{
	const bool firm = conn_state_is_established(victim->state);
	unsigned loose_max = 0, all_max = 0;

	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		const struct model_conn *c = &m->conn[i];

		if (!c->used)
			continue;
		if (model_count(m, c, true) > loose_max)
			loose_max = model_count(m, c, true);
		if (model_count(m, c, false) > all_max)
			all_max = model_count(m, c, false);
		/* Of its own kind it was the oldest, to the second. */
		if (c->guest == victim->guest && c->from_b == victim->from_b) {
			MODEL_CHECK(!firm || conn_state_is_established(c->state));
			MODEL_CHECK(conn_state_is_established(c->state) != firm ||
				    victim->stamp / 1000 <= c->stamp / 1000);
		}
	}
	if (own)
		MODEL_CHECK(victim->guest == new->guest && victim->from_b == new->from_b);
	else if (loose_max)
		MODEL_CHECK(model_count(m, victim, true) == loose_max);
	else
		MODEL_CHECK(model_count(m, victim, false) == all_max);
}

/* After the table has opened `new`, which was not there before. */
static inline void model_make_room(struct model *m, const struct model_conn *new)
{
	const bool own = model_count(m, new, false) >= MODEL_GUEST;
	struct model_conn *victim = NULL;
	bool back;

	if (!own && model_total(m) < MODEL_CONNS)
		return;
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		if (m->conn[i].used && !model_in_table(m, &m->conn[i], &back)) {
			MODEL_CHECK(!victim);
			victim = &m->conn[i];
		}
	}
	MODEL_CHECK(victim);
	model_check_victim(m, victim, new, own);
	victim->used = false;
}

static inline void model_open(struct model *m, const struct model_packet *p,
			      const enum conn_word *word, const int *rule)
{
	const struct flow_info segment = model_segment(&p->say);
	struct model_conn new = {
	    .used = true,
	    .from_b = !p->to_b,
	    .kind = p->kind,
	    .family = p->say.family,
	    .protocol = p->say.protocol,
	    .a = p->say.src,
	    .b = p->say.dst,
	    .aport = p->say.sport,
	    .bport = p->say.dport,
	    .stamp = m->now,
	    .guest = p->guest,
	    .word = {word[0], word[1]},
	    .rule = {rule[0], rule[1]},
	};
	bool back;

	if (p->nd)
		new.protocol = IPPROTO_ICMPV6;
	switch (p->kind) {
	case FLOW_KIND_TCP:
		tcp_open(&new.tcp, &segment);
		new.state = (enum conn_state) new.tcp.state;
		break;
	case FLOW_KIND_ECHO:
		new.state = CONN_ECHO;
		break;
	case FLOW_KIND_ARP:
	case FLOW_KIND_ND:
		new.state = CONN_ASKED;
		break;
	default:
		new.state = CONN_NEW;
		break;
	}
	/* What has the same ends makes way, however old. */
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		if (m->conn[i].used && model_is_part(p, &m->conn[i], &back))
			m->conn[i].used = false;
	}
	model_make_room(m, &new);
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		if (!m->conn[i].used) {
			m->conn[i] = new;
			return;
		}
	}
	abort();
}

/* ---- what the model says ---- */

struct model_answer {
	enum reason reason, audited;
	int rule[2];	       /* -1: none; where the frame's own halves are */
	unsigned rule_half[2]; /* whose rule it is: index of model.half */
};

static inline bool model_matches(const struct model *m, unsigned filter, struct model_packet *p)
{
	/* Rules see what is behind extension headers, so that the model makes the packet without.
	 */
	struct model_packet plain = *p;
	struct pcap_pkthdr header;
	struct packet packet;
	struct frame *frame;

	plain.say.extension = 0;
	frame = model_frame(&plain, &packet);
	header = (struct pcap_pkthdr){.caplen = frame->len, .len = frame->len};
	return pcap_offline_filter(&m->slow[filter], &header, frame->data) != 0;
}

static inline bool model_controlled(const struct model_half *h)
{
	return h->kind == HALF_CONTROLLED;
}

static inline enum reason model_ask(struct model *m, struct model_packet *p, unsigned which,
				    int *rule)
{
	const struct model_half *h = model_half_of(m, p->to_b, which);
	const bool goes_on = model_answers(p) || p->kind == FLOW_KIND_ERROR ||
			     (p->kind == FLOW_KIND_TCP &&
			      (p->say.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN);
	const enum reason no = which ? REASON_POLICY_IN : REASON_POLICY_OUT;

	*rule = -1;
	if (h->kind == HALF_CLOSED) {
		if (goes_on && (model_controlled(model_half_of(m, !p->to_b, 0)) ||
				model_controlled(model_half_of(m, !p->to_b, 1))))
			return REASON_STATE;
		return model_half_of(m, p->to_b, !which)->kind == HALF_CLOSED ? REASON_POLICY_CLOSED
									      : no;
	}
	if (h->kind == HALF_OPEN)
		return REASON_NONE;
	if (p->kind == FLOW_KIND_FRAGMENT)
		return REASON_FRAGMENT;
	for (unsigned i = 0; i < h->count; i++) {
		if (model_matches(m, h->rule[i].filter, p)) {
			*rule = (int)i;
			return REASON_NONE;
		}
	}
	return no;
}

static inline void model_refused(struct model_half *h)
{
	h->refused++;
}

/* By rules. `open_it`: what is let in is remembered. `dry`: only asked. */
static inline struct model_answer model_by_rules(struct model *m, struct model_packet *p,
						 bool refused, bool dry)
{
	const unsigned flags = p->say.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	const bool begins = flags == TCP_SYN;
	const bool goes_on = (flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK;
	struct model_answer answer = {.rule = {-1, -1}};
	enum conn_word word[2] = {CONN_WORD_NONE, CONN_WORD_NONE};
	bool waived[2] = {false, false};
	int name[2] = {-1, -1}, rule[2] = {-1, -1};

	for (unsigned which = 0; which < 2; which++) {
		struct model_half *h = model_half_of(m, p->to_b, which);
		enum reason reason = model_ask(m, p, which, &rule[which]);

		if (rule[which] >= 0 && h->rule[rule[which]].stateful) {
			if (p->kind == FLOW_KIND_TCP && !begins &&
			    (refused || !goes_on || !h->rule[rule[which]].pickup))
				reason = REASON_STATE;
			word[which] = CONN_WORD_RULE;
			name[which] = model_rule_name(h, (unsigned)rule[which]);
		}
		if (reason == REASON_NONE)
			continue;
		rule[which] = -1;
		if (!h->audit) {
			if (!dry)
				model_refused(h);
			answer.reason = reason;
			answer.audited = REASON_NONE;
			return answer;
		}
		word[which] = CONN_WORD_AUDIT;
		waived[which] = true;
		if (answer.audited == REASON_NONE)
			answer.audited = reason;
	}
	if (dry)
		return answer;
	if ((word[0] || word[1]) && !refused && p->kind >= FLOW_KIND_TCP &&
	    p->kind != FLOW_KIND_ERROR && !model_answers(p) &&
	    (p->kind == FLOW_KIND_ARP || p->kind == FLOW_KIND_ND || !p->say.multicast) &&
	    (p->kind != FLOW_KIND_TCP || begins || goes_on))
		model_open(m, p, word, name);
	for (unsigned which = 0; which < 2; which++) {
		struct model_half *h = model_half_of(m, p->to_b, which);

		if (rule[which] >= 0)
			h->rule[rule[which]].frames++;
		if (waived[which])
			model_refused(h);
	}
	return answer;
}

static inline void model_count_rule(struct model_half *h, int name)
{
	for (unsigned i = 0; i < h->count; i++) {
		if (model_rule_name(h, i) == name)
			h->rule[i].frames++;
	}
}

static inline struct model_answer model_by_connection(struct model *m, struct model_packet *p,
						      struct model_conn *c, bool back,
						      enum tcp_verdict verdict, struct tcp *next)
{
	const bool open = model_half_of(m, p->to_b, 0)->kind == HALF_OPEN &&
			  model_half_of(m, p->to_b, 1)->kind == HALF_OPEN;
	struct model_answer answer = {.reason = REASON_NONE};
	struct model_half *count_in[2] = {NULL, NULL}, *refuse_in[2] = {NULL, NULL};
	int count[2] = {0, 0};

	for (unsigned i = 0; i < 2 && !open; i++) {
		const unsigned own = back ? !i : i;
		struct model_half *let_in = model_half_of(m, !c->from_b, i);
		struct model_half *here = model_half_of(m, p->to_b, own);
		const enum reason no = own ? REASON_POLICY_IN : REASON_POLICY_OUT;
		enum reason reason;
		int rule;

		switch (c->word[i]) {
		case CONN_WORD_RULE:
			count_in[i] = let_in;
			count[i] = c->rule[i];
			break;
		case CONN_WORD_AUDIT:
			refuse_in[i] = let_in;
			if (answer.audited == REASON_NONE)
				answer.audited = no;
			break;
		default:
			reason = model_ask(m, p, own, &rule);
			if (here->kind == HALF_CLOSED)
				reason = no;
			if (reason != REASON_NONE && !here->audit) {
				model_refused(here);
				answer.reason = reason;
				answer.audited = REASON_NONE;
				return answer;
			}
			if (reason != REASON_NONE) {
				refuse_in[i] = here;
				if (answer.audited == REASON_NONE)
					answer.audited = reason;
			} else if (rule >= 0) {
				count_in[i] = here;
				count[i] = model_rule_name(here, (unsigned)rule);
			}
			break;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		if (count_in[i])
			model_count_rule(count_in[i], count[i]);
		if (refuse_in[i])
			model_refused(refuse_in[i]);
	}
	m->by_connection++;
	if (verdict != TCP_PASS)
		return answer;
	c->stamp = m->now;
	if (c->kind == FLOW_KIND_TCP) {
		c->tcp = *next;
		c->state = (enum conn_state)next->state;
	} else if (c->state == CONN_NEW && back) {
		c->state = CONN_REPLIED;
	}
	return answer;
}

static inline struct model_answer model_by_state(struct model *m, struct model_packet *p,
						 struct model_conn *c)
{
	struct model_answer answer = {.reason = REASON_NONE};
	bool enforced = false;
	int first = -1;

	if (p->kind == FLOW_KIND_ERROR || model_by_rules(m, p, true, true).reason == REASON_NONE)
		return model_by_rules(m, p, true, false);
	for (unsigned i = 0; i < 2; i++) {
		const struct model_half *h = model_half_of(m, !c->from_b, i);

		if (c->word[i] != CONN_WORD_NONE && !h->audit)
			enforced = true;
		if (first < 0 && c->word[i] == CONN_WORD_RULE)
			first = (int)i;
	}
	if (!enforced) {
		answer.audited = REASON_STATE;
		for (unsigned i = 0; i < 2; i++) {
			if (c->word[i] != CONN_WORD_NONE)
				model_refused(model_half_of(m, !c->from_b, i));
		}
		return answer;
	}
	answer.reason = REASON_STATE;
	model_refused(model_half_of(m, !c->from_b, first < 0 ? 1 : (unsigned)first));
	return answer;
}

static inline struct model_answer model_decide(struct model *m, struct model_packet *p)
{
	const struct flow_info segment = model_segment(&p->say);
	struct model_answer pass = {.reason = REASON_NONE};
	enum tcp_verdict verdict = TCP_PASS;
	struct model_conn *c;
	struct tcp next;
	bool back;

	if (model_half_of(m, p->to_b, 0)->kind == HALF_OPEN &&
	    model_half_of(m, p->to_b, 1)->kind == HALF_OPEN &&
	    !model_controlled(model_half_of(m, !p->to_b, 0)) &&
	    !model_controlled(model_half_of(m, !p->to_b, 1)))
		return pass;
	c = model_find(m, p, &back);
	if (!c)
		return model_by_rules(m, p, false, false);
	if (p->kind == FLOW_KIND_ERROR) {
		verdict = c->kind == FLOW_KIND_TCP && !tcp_sent(&c->tcp, !back, p->inside.seq)
			      ? TCP_REFUSE
			      : TCP_NEUTRAL;
	} else if (c->kind == FLOW_KIND_TCP) {
		next = c->tcp;
		verdict = tcp_track(&next, &segment, back);
	} else if ((c->kind == FLOW_KIND_ARP || c->kind == FLOW_KIND_ND) && back) {
		verdict = TCP_NEUTRAL;
	}
	if (verdict == TCP_ANEW)
		return model_by_rules(m, p, false, false);
	if (verdict == TCP_REFUSE)
		return model_by_state(m, p, c);
	return model_by_connection(m, p, c, back, verdict, &next);
}

/* ---- steps ---- */

static inline void model_change_policy(struct model *m)
{
	size_t gone = 0, ended = 0;

	for (unsigned i = 0; i < MODEL_HALVES; i++) {
		if (model_draw(m, 2))
			model_draw_half(m, &m->half[i]);
	}
	/* Those that are not let in any more are not found, from now on, whether or not
	 * the walk over all has come to them. */
	conns_recheck(m->conns, model_keep, m);
	(void)conns_sweep(m->conns, model_draw(m, MODEL_CONNS), &ended);
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		struct model_conn *c = &m->conn[i];
		const bool keeps = c->used && model_keeps(m, c);
		bool back;

		if (!c->used)
			continue;
		MODEL_CHECK((model_in_table(m, c, &back) != NULL) == keeps);
		gone += !keeps;
		c->used = keeps;
	}
	while (!conns_sweep(m->conns, 3, &ended))
		;
	MODEL_CHECK(ended == gone);
}

static inline void model_compare(struct model *m)
{
	bool back;

	MODEL_CHECK(conns_count(m->conns) == model_total(m));
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		const struct model_conn *c = &m->conn[i];
		const struct conn *conn;

		if (!c->used)
			continue;
		conn = model_in_table(m, c, &back);
		MODEL_CHECK(conn && !back && conn->state == c->state && conn->stamp == c->stamp);
		MODEL_CHECK(c->kind != FLOW_KIND_TCP ||
			    memcmp(&conn->tcp, &c->tcp, sizeof(c->tcp)) == 0);
		for (unsigned k = 0; k < 2; k++)
			MODEL_CHECK(conn->word[k] == c->word[k]);
	}
	for (unsigned i = 0; i < MODEL_HALVES; i++) {
		const struct model_half *h = &m->half[i];

		MODEL_CHECK(h->real->refused_frames == h->refused);
		for (unsigned k = 0; k < h->count; k++)
			MODEL_CHECK(h->real->rules->rule[k]->frames == h->rule[k].frames);
	}
}

static inline void model_packet_step(struct model *m)
{
	struct fdb_where where = {.side = FDB_SIDE_LOCAL};
	struct model_packet p;
	struct crossing crossing;
	struct crossing_frame cf;
	struct packet packet;
	struct decision decision, probe;
	struct model_answer answer;

	model_draw_packet(m, &p);
	where.port = p.guest;
	crossing = model_crossing(m, p.to_b);
	cf = (struct crossing_frame){
	    .frame = model_frame(&p, &packet),
	    .packet = &packet,
	    .from = p.to_b ? SEG_A : SEG_B,
	    .to = p.to_b ? SEG_B : SEG_A,
	    .sender = &where,
	    .now = m->now,
	    .probe = true,
	};
	probe = decide(m->conns, &crossing, &cf);
	cf.probe = false;
	decision = decide(m->conns, &crossing, &cf);
	MODEL_CHECK(probe.reason == decision.reason && probe.audited == decision.audited);
	answer = model_decide(m, &p);
	MODEL_CHECK(decision.reason == answer.reason);
	MODEL_CHECK(decision.audited == answer.audited);
	m->passed += decision.reason == REASON_NONE;
}

static inline void model_age(struct model *m)
{
	size_t n = 0;

	m->now += 1 + model_byte(m) * 300u;
	if (model_draw(m, 16) == 0)
		m->now += 7000000;
	if (model_draw(m, 2))
		return;
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		struct model_conn *c = &m->conn[i];
		bool back;

		/* Those that are behind a younger one of the same second wait for it. */
		if (c->used && model_is_old(m, c) &&
		    m->now - c->stamp >= 1000 + conn_state_timeout(c->state))
			n++;
		(void)back;
	}
	MODEL_CHECK(conns_age(m->conns, m->now, 1000) >= n);
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		struct model_conn *c = &m->conn[i];
		bool back;

		if (c->used && model_is_old(m, c) && !model_in_table(m, c, &back))
			c->used = false;
	}
}

static inline void model_flush(struct model *m)
{
	MODEL_CHECK(conns_flush(m->conns, SEG_A + 100) == 0);
	MODEL_CHECK(conns_flush(m->conns, model_draw(m, 2) ? (int)SEG_A : -1) == model_total(m));
	for (unsigned i = 0; i < MODEL_CONNS; i++)
		m->conn[i].used = false;
}

/* Copies of all connections, put back into an empty table, are what they were. */
static inline void model_restore(struct model *m)
{
	const struct conn_limits limits = conns_limits(m->conns);

	m->conns = conns_resize(m->conns, &limits, m->now);
	MODEL_CHECK(m->conns);
	for (unsigned i = 0; i < MODEL_CONNS; i++) {
		if (m->conn[i].used && model_is_old(m, &m->conn[i]))
			m->conn[i].used = false;
	}
}

/*
 * Takes steps until the bytes end, or `steps` of them when data is NULL. Returns how many
 * packets passed by a connection.
 */
static inline uint64_t model_run(const uint8_t *data, size_t size, uint64_t steps, uint64_t seed)
{
	const struct conn_limits limits = {.max = MODEL_CONNS, .guest_max = MODEL_GUEST};
	const struct hash_key key = {{seed, 7}};
	static struct model m;
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);

	log_set_level(LOG_LEVEL_ERROR);
	memset(&m, 0, sizeof(m));
	m.data = data;
	m.size = size;
	m.seed = seed;
	m.now = 1000000;
	m.conns = conns_create(&key, &limits);
	MODEL_CHECK(pcap && m.conns);
	for (unsigned i = 0; i < MODEL_FILTERS; i++)
		MODEL_CHECK(
		    pcap_compile(pcap, &m.slow[i], model_filters[i], 0, PCAP_NETMASK_UNKNOWN) == 0);
	for (unsigned i = 0; i < MODEL_HALVES; i++)
		model_draw_half(&m, &m.half[i]);
	for (m.steps = 0; data ? m.size > 0 : m.steps < steps; m.steps++) {
		const unsigned what = model_byte(&m);

		if (what < 4)
			model_age(&m);
		else if (what == 4 && model_draw(&m, 4) == 0)
			model_change_policy(&m);
		else if (what == 5 && model_draw(&m, 16) == 0)
			model_flush(&m);
		else if (what == 6 && model_draw(&m, 16) == 0)
			model_restore(&m);
		else
			model_packet_step(&m);
		if (data || m.steps % 64 == 0)
			model_compare(&m);
	}
	model_compare(&m);
	for (unsigned i = 0; i < MODEL_HALVES; i++)
		half_free(m.half[i].real);
	for (unsigned i = 0; i < MODEL_FILTERS; i++)
		pcap_freecode(&m.slow[i]);
	pcap_close(pcap);
	conns_destroy(m.conns);
	return m.by_connection;
}

#endif
