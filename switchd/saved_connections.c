/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections among what is saved: an object each,
 *
 *	{"connection": "established", "kind": N, "protocol": N, "timeout": ms, "from": SEGMENT,
 *	 "to": SEGMENT, "src": ADDRESS, "sport": N, "dst": ADDRESS, "dport": N,
 *	 "count": [frames, answers, bytes, bytes of answers], "tcp": [numbers],
 *	 "words": [word of the sender's domain, of the receiver's], ...}
 *
 * with the place of who began it. A word is null, "audit", or the rule that let it in as
 * [filter, pickup, port]: it comes back only where that is in force again.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "switchd/policy/policy.h"
#include "switchd/saved_impl.h"

#define TCP_NUMBERS 17u
#define COUNTS	    4u

struct word {
	enum conn_word word;
	const char *filter, *port;
	bool pickup;
};

struct connection {
	struct conn_info info;
	const char *from, *to;
	struct saved_place place;
	struct word word[CONN_HALVES];
};

struct saved_connections {
	size_t count, room;
	struct connection *list;
};

void saved_connections_destroy(struct saved_connections *connections)
{
	if (!connections)
		return;
	free(connections->list);
	free(connections);
}

/* ---- to save ---- */

static json_t *end_json(const struct conn_info *info, const struct flow_end *end)
{
	struct ipaddr addr = {.family = info->family};
	char text[ADDR_STRLEN];

	memcpy(addr.bytes, end->addr, sizeof(addr.bytes));
	return json_string(ipaddr_format(&addr, text));
}

static json_t *word_json(const struct conn_info *info, unsigned half)
{
	const struct rule *rule = info->rule[half];

	switch (info->word[half]) {
	case CONN_WORD_RULE:
		return json_pack("[s, b, s?]", rule->filter, rule->pickup, rule->port);
	case CONN_WORD_AUDIT:
		return json_string("audit");
	default:
		return json_null();
	}
}

static json_t *tcp_json(const struct tcp *tcp)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_peer *peer = &tcp->peer[i];
		const uint32_t numbers[] = {peer->end,	 peer->limit, peer->acked, peer->window,
					    peer->scale, peer->known, peer->fin,   peer->fin_acked};

		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
			json_array_append_new(json, json_integer(numbers[k]));
	}
	json_array_append_new(json, json_integer(tcp->loose));
	return json;
}

json_t *saved_connection_json(const struct switchd *sw, const struct conn_info *info)
{
	const struct segment *from = sw->segment_by_number[info->from];
	const struct segment *to = sw->segment_by_number[info->to];
	json_t *json;

	if (!from || !to)
		return NULL;
	json = json_pack("{s:s, s:i, s:i, s:I, s:s, s:s, s:o, s:i, s:o, s:i, s:[I, I, I, I], s:o,"
			 " s:[o, o]}",
			 "connection", conn_state_name((enum conn_state)info->state), "kind",
			 info->kind, "protocol", info->protocol, "timeout",
			 (json_int_t)info->timeout_ms, "from", from->conf.name, "to", to->conf.name,
			 "src", end_json(info, &info->src), "sport", info->src.port, "dst",
			 end_json(info, &info->dst), "dport", info->dst.port, "count",
			 (json_int_t)info->frames[0], (json_int_t)info->frames[1],
			 (json_int_t)info->bytes[0], (json_int_t)info->bytes[1], "tcp",
			 tcp_json(&info->tcp), "words", word_json(info, 0), word_json(info, 1));
	if (json && saved_place_put(sw, from, &info->where, json))
		return json;
	json_decref(json);
	return NULL;
}

/* ---- to read it again ---- */

/* Numbers of an array that has so many, each from 0 to max. */
static bool take_numbers(const json_t *json, size_t count, uint64_t max, uint64_t *numbers)
{
	if (json_array_size(json) != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const json_t *number = json_array_get(json, i);

		if (!json_is_integer(number) || json_integer_value(number) < 0 ||
		    (uint64_t)json_integer_value(number) > max)
			return false;
		numbers[i] = (uint64_t)json_integer_value(number);
	}
	return true;
}

static bool take_number(const json_t *json, const char *key, uint64_t max, uint64_t *number)
{
	const json_t *value = json_object_get(json, key);

	*number = (uint64_t)json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0 && *number <= max;
}

static bool take_tcp(const json_t *json, struct tcp *tcp)
{
	uint64_t n[TCP_NUMBERS];

	if (!take_numbers(json, TCP_NUMBERS, UINT32_MAX, n))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t *of = &n[8 * i];

		if (of[4] > 14 && of[4] != FLOW_NO_SCALE)
			return false;
		tcp->peer[i] = (struct tcp_peer){
		    .end = (uint32_t)of[0],
		    .limit = (uint32_t)of[1],
		    .acked = (uint32_t)of[2],
		    .window = (uint32_t)of[3],
		    .scale = (uint8_t)of[4],
		    .known = of[5] != 0,
		    .fin = of[6] != 0,
		    .fin_acked = of[7] != 0,
		};
	}
	tcp->loose = n[16] != 0;
	tcp_lose(tcp);
	return true;
}

static bool take_end(const json_t *json, const char *addr_key, const char *port_key,
		     struct conn_info *info, struct flow_end *end)
{
	const char *text = json_string_value(json_object_get(json, addr_key));
	struct ipaddr addr;
	uint64_t port;

	if (!text || ipaddr_parse(text, &addr) < 0 ||
	    !take_number(json, port_key, UINT16_MAX, &port) ||
	    (info->family && info->family != addr.family))
		return false;
	info->family = (uint8_t)addr.family;
	memcpy(end->addr, addr.bytes, sizeof(end->addr));
	end->port = (uint16_t)port;
	return true;
}

static bool take_word(struct saved *saved, const json_t *json, struct word *word)
{
	const json_t *filter = json_array_get(json, 0), *port = json_array_get(json, 2);

	if (json_is_null(json))
		return true;
	if (json_is_string(json)) {
		word->word = CONN_WORD_AUDIT;
		return strcmp(json_string_value(json), "audit") == 0;
	}
	if (!json_is_string(filter) || (!json_is_null(port) && !json_is_string(port)))
		return false;
	word->word = CONN_WORD_RULE;
	word->filter = saved_text(saved, json_string_value(filter));
	word->pickup = json_is_true(json_array_get(json, 1));
	word->port = json_is_string(port) ? saved_text(saved, json_string_value(port)) : NULL;
	return word->filter && (word->port || json_is_null(port));
}

static bool take_state(const json_t *json, struct conn_info *info)
{
	const char *name = json_string_value(json_object_get(json, "connection"));
	unsigned state = 0;

	while (state < CONN_STATES &&
	       (!name || strcmp(conn_state_name((enum conn_state)state), name) != 0))
		state++;
	info->state = (uint8_t)state;
	info->tcp.state = state < TCP_STATES ? (uint8_t)state : 0;
	return state < CONN_STATES;
}

static const char *take(struct saved *saved, const json_t *json, struct connection *c)
{
	const json_t *words = json_object_get(json, "words");
	struct conn_info *info = &c->info;
	uint64_t kind, protocol, timeout, count[COUNTS];

	if (!take_state(json, info) || !take_number(json, "kind", FLOW_KINDS - 1, &kind) ||
	    !take_number(json, "protocol", UINT8_MAX, &protocol) ||
	    !take_number(json, "timeout", UINT32_MAX, &timeout))
		return "a connection without state, kind, protocol or timeout";
	info->kind = (uint8_t)kind;
	info->protocol = (uint8_t)protocol;
	info->timeout_ms = (uint32_t)timeout;
	if (!take_end(json, "src", "sport", info, &info->src) ||
	    !take_end(json, "dst", "dport", info, &info->dst))
		return "a connection without an end";
	if (!take_numbers(json_object_get(json, "count"), COUNTS, INT64_MAX, count) ||
	    !take_tcp(json_object_get(json, "tcp"), &info->tcp))
		return "a connection without its numbers";
	for (unsigned i = 0; i < 2; i++) {
		info->frames[i] = count[i];
		info->bytes[i] = count[2 + i];
	}
	c->from = saved_name(saved, json, "from");
	c->to = saved_name(saved, json, "to");
	if (!c->from || !c->to)
		return "a connection without segments";
	for (unsigned i = 0; i < CONN_HALVES; i++) {
		if (!take_word(saved, json_array_get(words, i), &c->word[i]))
			return "a connection without a word of each domain";
	}
	return saved_place_take(saved, json, &c->place);
}

const char *saved_connection_take(struct saved *saved, struct saved_connections **connections,
				  const json_t *json)
{
	struct connection c = {.from = NULL};
	const char *wrong = take(saved, json, &c);
	struct saved_connections *all = *connections;
	struct connection *grown;

	if (wrong)
		return wrong;
	if (!all)
		*connections = all = calloc(1, sizeof(*all));
	if (!all)
		return "";
	grown = array_grow(all->list, all->count, &all->room, sizeof(*grown));
	if (!grown)
		return "";
	all->list = grown;
	all->list[all->count++] = c;
	return NULL;
}

/* ---- to put it back ---- */

static struct rule *find_rule(const struct half *half, const struct word *word)
{
	for (size_t i = 0; half && half->kind == HALF_CONTROLLED && i < half->rules->count; i++) {
		struct rule *rule = half->rules->rule[i];

		if (rule->stateful && rule->pickup == word->pickup &&
		    strcmp(rule->filter, word->filter) == 0 && !rule->port == !word->port &&
		    (!rule->port || strcmp(rule->port, word->port) == 0))
			return rule;
	}
	return NULL;
}

/* The grant by the rules that are in force; false: they do not let it in. */
static bool grant_again(const struct connection *c, const struct crossing *crossing,
			struct conn_grant *grant, struct conn_info *info)
{
	const struct half *half[CONN_HALVES] = {crossing->out, crossing->in};

	for (unsigned i = 0; i < CONN_HALVES; i++) {
		grant->word[i] = c->word[i].word;
		grant->rule[i] = NULL;
		if (grant->word[i] == CONN_WORD_RULE)
			grant->rule[i] = find_rule(half[i], &c->word[i]);
		info->word[i] = (uint8_t)grant->word[i];
		info->rule[i] = grant->rule[i];
	}
	return crossing_keeps(crossing, info);
}

static int oldest_first(const void *a, const void *b)
{
	const struct conn_info *one = &((const struct connection *)a)->info;
	const struct conn_info *two = &((const struct connection *)b)->info;
	const uint32_t left = conn_state_timeout((enum conn_state)one->state) - one->timeout_ms;
	const uint32_t right = conn_state_timeout((enum conn_state)two->state) - two->timeout_ms;

	return (left < right) - (left > right);
}

size_t saved_connections_restore(struct saved_connections *connections, struct switchd *sw,
				 uint64_t then, bool anew)
{
	const uint64_t since = sw->now - then;
	size_t count = 0;

	/* Saved before the machine was started anew: nothing to go by. */
	if (!connections || sw->now < then || !sw->policy)
		return 0;
	qsort(connections->list, connections->count, sizeof(connections->list[0]), oldest_first);
	for (size_t i = 0; i < connections->count; i++) {
		const struct connection *c = &connections->list[i];
		const struct segment *from = switchd_segment(sw, c->from);
		const struct segment *to = switchd_segment(sw, c->to);
		struct conn_info info = c->info;
		struct crossing crossing;
		struct conn_grant grant;

		if (!from || !to || info.timeout_ms <= since ||
		    !saved_place_find(sw, from, &c->place, &info.where) ||
		    !policy_crossing(sw->policy, from, to, &crossing) ||
		    !grant_again(c, &crossing, &grant, &info))
			continue;
		info.from = from->number;
		info.to = to->number;
		info.timeout_ms -= (uint32_t)since;
		count += conns_restore(sw->conns, &info, &grant, anew, sw->now);
	}
	return count;
}
