/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "switchd/policy/rules.h"

/* An expression may be that deep and have that many words: libpcap calls itself for each
 * level, and the time that it takes grows with the square of words and more. Some 40 ms is what
 * the loop can be held up for; of 512 words it was half a second. */
#define DEPTH_MAX 32u
#define WORDS_MAX 192u

#define WORD_LEN 64u

/*
 * Those words of pcap-filter(7) that mean the same whatever the machine, and that the
 * oldest libpcap has which we build with: any other word would be a name to it.
 */
static const char *const words[] = {
    "aarp",
    "ah",
    "and",
    "arp",
    "atalk",
    "broadcast",
    "carp",
    "dst",
    "esp",
    "ether",
    "greater",
    "host",
    "icmp",
    "icmp-echo",
    "icmp-echoreply",
    "icmp-ireq",
    "icmp-ireqreply",
    "icmp-maskreply",
    "icmp-maskreq",
    "icmp-paramprob",
    "icmp-redirect",
    "icmp-routeradvert",
    "icmp-routersolicit",
    "icmp-sourcequench",
    "icmp-timxceed",
    "icmp-tstamp",
    "icmp-tstampreply",
    "icmp-unreach",
    "icmp6",
    "icmp6-destinationunreach",
    "icmp6-echo",
    "icmp6-echoreply",
    "icmp6-multicastlistenerdone",
    "icmp6-multicastlistenerquery",
    "icmp6-multicastlistenerreportv1",
    "icmp6-multicastlistenerreportv2",
    "icmp6-neighboradvert",
    "icmp6-neighborsolicit",
    "icmp6-nodeinformationquery",
    "icmp6-nodeinformationresponse",
    "icmp6-packettoobig",
    "icmp6-parameterproblem",
    "icmp6-redirect",
    "icmp6-routeradvert",
    "icmp6-routerrenum",
    "icmp6-routersolicit",
    "icmp6-timeexceeded",
    "icmp6code",
    "icmp6type",
    "icmpcode",
    "icmptype",
    "igmp",
    "igrp",
    "ip",
    "ip6",
    "ipx",
    "len",
    "length",
    "less",
    "mask",
    "multicast",
    "net",
    "netbeui",
    "not",
    "or",
    "pim",
    "port",
    "portrange",
    "proto",
    "rarp",
    "sctp",
    "src",
    "stp",
    "tcp",
    "tcp-ack",
    "tcp-cwr",
    "tcp-ece",
    "tcp-fin",
    "tcp-push",
    "tcp-rst",
    "tcp-syn",
    "tcp-urg",
    "tcpflags",
    "udp",
    "vrrp",
};

/* Those that would not mean here what they say, or could not be afforded. */
static const struct {
	const char *word, *why;
} others[] = {
    {"gateway", "needs the name of a host"},
    {"geneve", "looks into tunnels by rules that libpcap alone knows"},
    {"inbound", "has no meaning between two segments"},
    {"mpls", "changes what the words behind it mean"},
    {"outbound", "has no meaning between two segments"},
    {"pppoed", "changes what the words behind it mean"},
    {"pppoes", "changes what the words behind it mean"},
    {"protochain", "has no bound; extension headers of IPv6 are skipped without it"},
    {"vlan", "matches nothing: frames with a tag never cross"},
};

static int by_text(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

static bool is_word(const char *word)
{
	return bsearch(word, words, sizeof(words) / sizeof(words[0]), sizeof(words[0]), by_text);
}

static bool is_number(const char *word)
{
	const char *digits = "0123456789";

	if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X')) {
		word += 2;
		digits = "0123456789abcdefABCDEF";
	}
	return *word && word[strspn(word, digits)] == '\0';
}

/* Up to four bytes: "net 10.3" is one. */
static bool is_ipv4(const char *word)
{
	unsigned groups = 0;

	for (;;) {
		const char *start = word;
		unsigned value = 0;

		while (isdigit((unsigned char)*word) && word - start < 3)
			value = value * 10 + (unsigned)(*word++ - '0');
		if (word == start || value > 255 || ++groups > 4)
			return false;
		if (*word == '\0')
			return true;
		if (*word++ != '.')
			return false;
	}
}

static bool is_range(const char *word)
{
	size_t len = strspn(word, "0123456789");

	return len > 0 && len <= 5 && word[len] == '-' && is_number(word + len + 1) &&
	       word[len + 1] != '0';
}

static bool is_address(const char *word)
{
	struct in6_addr v6;
	struct mac mac;

	return is_ipv4(word) || inet_pton(AF_INET6, word, &v6) == 1 ||
	       (strchr(word, ':') && mac_parse(word, &mac) == 0);
}

static int word_check(const char *word, const char *before, struct err *err)
{
	if (is_word(word) || is_number(word) || is_address(word))
		return 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(word, others[i].word) == 0)
			return err_set(err, EINVAL, "\"%s\" %s", word, others[i].why);
	}
	if (is_range(word))
		return strcmp(before, "portrange") == 0
			   ? 0
			   : err_set(err, EINVAL, "\"%s\" has to stand behind \"portrange\"", word);
	return err_set(err, EINVAL,
		       "\"%s\" is no word of pcap-filter(7) that can be used here, no "
		       "number and no address: names are not looked up",
		       word);
}

int filter_check(const char *text, struct err *err)
{
	char word[WORD_LEN], before[WORD_LEN] = "";
	unsigned depth = 0, brackets = 0, count = 0;

	if (strlen(text) > FILTER_TEXT_MAX)
		return err_set(err, EINVAL, "more than %u characters", FILTER_TEXT_MAX);
	while (*text) {
		size_t len = 0;

		if (isalnum((unsigned char)*text) || (!brackets && *text == ':')) {
			while (isalnum((unsigned char)text[len]) || text[len] == '_' ||
			       text[len] == '.' ||
			       (!brackets && (text[len] == ':' || text[len] == '-')))
				len++;
			if (len >= sizeof(word))
				return err_set(err, EINVAL, "a word of %zu characters", len);
			memcpy(word, text, len);
			word[len] = '\0';
			if (word_check(word, before, err) < 0)
				return -EINVAL;
			if (++count > WORDS_MAX)
				return err_set(err, EINVAL,
					       "more than %u words: alternatives can be rules of "
					       "their own",
					       WORDS_MAX);
			memcpy(before, word, len + 1);
			text += len;
			continue;
		}
		if (!strchr(" \t\n()[]:+-*/%&|^<>=!", *text))
			return err_set(err, EINVAL, "the character 0x%02x has no meaning",
				       (unsigned char)*text);
		if (*text == '[')
			brackets++;
		if (*text == ']' && brackets)
			brackets--;
		if ((*text == '(' || *text == '[' || *text == '!') && ++depth > DEPTH_MAX)
			return err_set(err, EINVAL, "more than %u levels", DEPTH_MAX);
		if ((*text == ')' || *text == ']') && depth)
			depth--;
		text++;
	}
	if (count == 0)
		return err_set(err, EINVAL,
			       "empty, which would let everything through: say flow = "
			       "\"open\"");
	return (int)count;
}
