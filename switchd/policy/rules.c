/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "lib/hash.h"

/* Words of a filter that libpcap may shorten: that takes ten times as long as the rest, more with
 * each word, and saves some hundred nanoseconds for the first packet of a connection. */
#define OPTIMIZED_MAX 72

/* ---- one rule ---- */

struct rule *rule_ref(struct rule *rule)
{
	if (rule)
		rule->refs++;
	return rule;
}

void rule_unref(struct rule *rule)
{
	if (!rule || --rule->refs > 0)
		return;
	pcap_freecode(&rule->program);
	free(rule->filter);
	free(rule->port);
	free(rule);
}

/*
 * What libpcap makes of a filter ends after as many steps as it is long, because it
 * jumps forwards only.
 */
static bool program_ok(const struct bpf_program *program)
{
	if (!bpf_validate(program->bf_insns, (int)program->bf_len))
		return false;
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];

		if (BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) == BPF_JA &&
		    insn->k >= program->bf_len)
			return false;
	}
	return true;
}

static int rule_compile(struct rule *rule, pcap_t *pcap, struct err *err)
{
	int words = filter_check(rule->filter, err);

	if (words < 0)
		return words;
	if (pcap_compile(pcap, &rule->program, rule->filter, words <= OPTIMIZED_MAX,
			 PCAP_NETMASK_UNKNOWN) < 0) {
		memset(&rule->program, 0, sizeof(rule->program));
		return err_set(err, EINVAL, "%s", pcap_geterr(pcap));
	}
	if (!program_ok(&rule->program))
		return err_set(err, EINVAL, "libpcap makes no valid program of it");
	return 0;
}

int filter_try(const char *text, struct err *err)
{
	const struct rule_spec spec = {.filter = text};
	struct rules *rules = rules_create(&spec, 1, err);

	rules_destroy(rules);
	return rules ? 0 : -EINVAL;
}

static struct rule *rule_create(const struct rule_spec *spec, pcap_t *pcap, struct err *err)
{
	static const struct hash_key key; /* nobody else writes filters */
	struct rule *rule = calloc(1, sizeof(*rule));

	if (!rule)
		goto no_memory;
	rule->refs = 1;
	rule->stateful = spec->stateful;
	rule->pickup = spec->pickup;
	rule->log = spec->log;
	rule->filter = strdup(spec->filter);
	if (!rule->filter)
		goto no_memory;
	if (spec->port && !(rule->port = strdup(spec->port)))
		goto no_memory;
	rule->hash = hash_bytes(&key, rule->filter, strlen(rule->filter));
	if (rule_compile(rule, pcap, err) == 0)
		return rule;
	rule_unref(rule);
	return NULL;
no_memory:
	(void)err_set(err, ENOMEM, "out of memory");
	rule_unref(rule);
	return NULL;
}

static bool same(const struct rule *a, const struct rule *b)
{
	return strcmp(a->filter, b->filter) == 0 && a->stateful == b->stateful &&
	       a->pickup == b->pickup && !a->port == !b->port &&
	       (!a->port || strcmp(a->port, b->port) == 0);
}

bool rule_holds_at(const struct rule *rule, const char *from_port, const char *to_port)
{
	return !rule->port || (from_port && strcmp(rule->port, from_port) == 0) ||
	       (to_port && strcmp(rule->port, to_port) == 0);
}

/* ---- a list ---- */

/* Where a rule is in the table, or would be: behind those that say the same. */
static size_t find_place(const struct rules *rules, const struct rule *rule)
{
	size_t at = rule->hash & rules->mask;

	while (rules->known[at] && rules->known[at] != rule)
		at = (at + 1) & rules->mask;
	return at;
}

struct rules *rules_create(const struct rule_spec *specs, size_t count, struct err *err)
{
	struct rules *rules = calloc(1, sizeof(*rules) + count * sizeof(struct rule *));
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, (int)FRAME_LARGE);

	if (rules) {
		rules->mask = 7;
		while (rules->mask < 2 * count)
			rules->mask = 2 * rules->mask + 1;
		rules->known = calloc(rules->mask + 1, sizeof(struct rule *));
	}
	if (!rules || !rules->known || !pcap) {
		(void)err_set(err, ENOMEM, "out of memory");
		goto fail;
	}
	while (rules->count < count) {
		struct rule *rule = rule_create(&specs[rules->count], pcap, err);

		if (!rule)
			goto fail;
		rule->lists = 1;
		rules->rule[rules->count++] = rule;
		rules->known[find_place(rules, rule)] = rule;
		rules->has_ports = rules->has_ports || rule->port;
	}
	pcap_close(pcap);
	return rules;
fail:
	if (pcap)
		pcap_close(pcap);
	rules_destroy(rules);
	return NULL;
}

void rules_destroy(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++) {
		rules->rule[i]->lists--;
		rule_unref(rules->rule[i]);
	}
	free(rules->known);
	free(rules);
}

/* One that says the same, and that the other list does not have yet; or NULL. */
static struct rule *find_same(const struct rules *former, const struct rule *rule,
			      const struct rules *rules)
{
	for (size_t at = rule->hash & former->mask; former->known[at];
	     at = (at + 1) & former->mask) {
		if (same(rule, former->known[at]) && !rules_have(rules, former->known[at]))
			return former->known[at];
	}
	return NULL;
}

void rules_adopt(struct rules *rules, struct rules *former)
{
	for (size_t i = 0; former && i < rules->count; i++) {
		struct rule *rule = rules->rule[i];
		struct rule *old = find_same(former, rule, rules);

		if (!old || old == rule)
			continue;
		old->log = rule->log;
		old->lists++;
		rules->known[find_place(rules, rule)] = old;
		rules->rule[i] = rule_ref(old);
		rule->lists--;
		rule_unref(rule);
	}
}

bool rules_have(const struct rules *rules, const struct rule *rule)
{
	return rules && rule && rules->known[find_place(rules, rule)] == rule;
}

struct rule *rules_match(const struct rules *rules, const uint8_t *bytes, uint32_t len,
			 uint32_t wire_len, const char *from_port, const char *to_port)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct rule *rule = rules->rule[i];

		if (rule_holds_at(rule, from_port, to_port) &&
		    bpf_filter(rule->program.bf_insns, bytes, wire_len, len) != 0)
			return rule;
	}
	return NULL;
}
