/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of a controlled flow: an ordered allow-list of pcap-filter(7)
 * expressions. The first rule that matches lets a frame through and says how; a frame
 * that none matches stays out.
 *
 * A rule is an object of its own with a count of who refers to it, because
 * connections refer to the rule that let them in: a list made anew takes over those
 * rules of its predecessor that say the same, with their counters and connections;
 * the others are revoked.
 */
#ifndef TVD_RULES_H
#define TVD_RULES_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/frame.h"
#include "lib/log.h"

#define FILTER_TEXT_MAX 4096u

/* What a rule is made of; the texts are copied. */
struct rule_spec {
	const char *filter;
	const char *port; /* name of the one port it holds for, as sender or receiver; NULL: any */
	bool stateful, pickup, log;
};

struct rule {
	char *filter, *port;
	uint64_t hash; /* of the filter */
	bool stateful; /* answers to what it lets through pass, too */
	bool pickup;   /* TCP connections of which nobody saw the beginning are taken, too */
	bool log;
	unsigned refs;	/* the lists that have it, and whoever else keeps a pointer */
	unsigned lists; /* 0: it is revoked */
	struct bpf_program program;
	uint64_t frames, bytes; /* that it let through, answers included */
	struct log_limit limit;
};

struct rules {
	size_t count;
	bool has_ports;	     /* one of them holds for one port only */
	struct rule **known; /* the same, by their filters: an open hash table */
	size_t mask;	     /* of its places, twice as many at least */
	struct rule *rule[];
};

/*
 * Whether a text is a filter that can be used here: in the language of pcap-filter(7),
 * with numbers and addresses alone. Names would have to be looked up, and that may
 * take long; tags never get here; what loops has no bound, and many words take libpcap too long.
 * How many words it has, or -EINVAL with a message that names the word.
 */
int filter_check(const char *text, struct err *err);

/* The same, and whether libpcap understands it. 0 or -EINVAL. */
int filter_try(const char *text, struct err *err);

/* A list without rules, or of copies of these. NULL with a message in err. */
struct rules *rules_create(const struct rule_spec *specs, size_t count, struct err *err);

/* Those rules that no other list took over are revoked. NULL is fine. */
void rules_destroy(struct rules *rules);

/*
 * Takes from `former` each rule that says the same as one here, counters and all,
 * in the place of that. Both lists then have it.
 */
void rules_adopt(struct rules *rules, struct rules *former);

/*
 * The first rule that matches these bytes, `len` of a frame of `wire_len`; NULL: none.
 * from_port and to_port name the local ports where the frame comes from and where it
 * goes; NULL where that is not here. A rule for one port holds for either.
 */
struct rule *rules_match(const struct rules *rules, const uint8_t *bytes, uint32_t len,
			 uint32_t wire_len, const char *from_port, const char *to_port);

/* Whether a list has a rule; rules may be NULL. */
bool rules_have(const struct rules *rules, const struct rule *rule);

/* Whether a rule holds for a frame between these ports. */
bool rule_holds_at(const struct rule *rule, const char *from_port, const char *to_port);

/* References, for who keeps a pointer to a rule; NULL is fine. */
struct rule *rule_ref(struct rule *rule);
void rule_unref(struct rule *rule);

#endif
