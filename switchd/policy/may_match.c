/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program is run once over what is known of a frame: a few of its bytes. Its jumps go
 * forward only, so in one pass over its instructions each has heard of all ways that lead to it;
 * where those differ in a register, that is not known. An instruction that is reached and
 * returns anything else than 0 is a match that could be.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/policy/may_match.h"
#include "switchd/policy/rules.h"

#define FACTS_MAX 3u

/* Bytes of a frame that are known, as a program loads them. */
struct fact {
	uint32_t offset, size, value;
};

static const struct fact arp_request[FACTS_MAX] = {{12, 2, 0x0806}, {20, 2, 1}};
static const struct fact solicitation[FACTS_MAX] = {
    {12, 2, 0x86dd}, {20, 1, IPPROTO_ICMPV6}, {54, 1, 135}};

struct known {
	bool is;
	uint32_t value;
};

struct state {
	bool reached;
	struct known a, x;
};

static void meet(struct known *one, const struct known *other)
{
	one->is = one->is && other->is && one->value == other->value;
}

static void go(struct state *to, const struct state *from)
{
	if (!to->reached) {
		*to = *from;
		return;
	}
	meet(&to->a, &from->a);
	meet(&to->x, &from->x);
}

static struct known load(const struct bpf_insn *insn, const struct fact *facts)
{
	const uint32_t size = BPF_SIZE(insn->code) == BPF_B   ? 1
			      : BPF_SIZE(insn->code) == BPF_H ? 2
							      : 4;
	struct known known = {false, 0};

	if (BPF_MODE(insn->code) == BPF_IMM)
		return (struct known){true, insn->k};
	if (BPF_MODE(insn->code) != BPF_ABS)
		return known;
	for (unsigned i = 0; i < FACTS_MAX; i++)
		if (facts[i].size == size && facts[i].offset == insn->k)
			return (struct known){true, facts[i].value};
	return known;
}

/* The two ways of a jump, of which one or both can be gone. */
static void jump(const struct bpf_insn *insn, const struct state *state, bool *then,
		 bool *otherwise)
{
	const struct known operand =
	    BPF_SRC(insn->code) == BPF_K ? (struct known){true, insn->k} : state->x;
	bool holds;

	*then = *otherwise = true;
	if (!state->a.is || !operand.is)
		return;
	switch (BPF_OP(insn->code)) {
	case BPF_JEQ:
		holds = state->a.value == operand.value;
		break;
	case BPF_JGT:
		holds = state->a.value > operand.value;
		break;
	case BPF_JGE:
		holds = state->a.value >= operand.value;
		break;
	case BPF_JSET:
		holds = (state->a.value & operand.value) != 0;
		break;
	default:
		return;
	}
	*then = holds;
	*otherwise = !holds;
}

/* What an instruction that is no jump and does not return leaves. */
static void step(const struct bpf_insn *insn, struct state *state, const struct fact *facts)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		state->a = load(insn, facts);
		break;
	case BPF_LDX:
		state->x.is = BPF_MODE(insn->code) == BPF_IMM;
		state->x.value = insn->k;
		break;
	case BPF_ALU:
		state->a.is = false;
		break;
	case BPF_MISC:
		if (BPF_MISCOP(insn->code) == BPF_TAX)
			state->x = state->a;
		else
			state->a = state->x;
		break;
	default:
		break;
	}
}

/* `states` has one for each instruction, and one behind the last. */
static bool may_match(const struct bpf_program *program, const struct fact *facts,
		      struct state *states)
{
	memset(states, 0, (program->bf_len + 1) * sizeof(*states));
	states[0].reached = true;
	for (size_t i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];
		struct state state = states[i];
		bool then, otherwise;

		if (!state.reached)
			continue;
		switch (BPF_CLASS(insn->code)) {
		case BPF_RET:
			if (BPF_RVAL(insn->code) != BPF_K || insn->k != 0)
				return true;
			break;
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_JA) {
				if (insn->k >= program->bf_len - i)
					return true;
				go(&states[i + 1 + insn->k], &state);
				break;
			}
			jump(insn, &state, &then, &otherwise);
			if (then)
				go(&states[i + 1 + insn->jt], &state);
			if (otherwise)
				go(&states[i + 1 + insn->jf], &state);
			break;
		default:
			step(insn, &state, facts);
			go(&states[i + 1], &state);
		}
	}
	return false;
}

/* Rules have seen to it that no branch leads out of the program. */
bool program_may_ask(const struct bpf_program *program)
{
	struct state *states = calloc((size_t)program->bf_len + 1, sizeof(*states));
	bool may = !states || may_match(program, arp_request, states) ||
		   may_match(program, solicitation, states);

	free(states);
	return may;
}

bool filter_may_ask(const char *text)
{
	const struct rule_spec spec = {.filter = text};
	struct err err = {""};
	struct rules *rules;
	bool may;

	/* Most that do say so, and compiling takes its time. */
	if (strstr(text, "arp"))
		return true;
	rules = rules_create(&spec, 1, &err);
	may = !rules || program_may_ask(&rules->rule[0]->program);
	rules_destroy(rules);
	return may;
}
