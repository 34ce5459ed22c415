/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words before they mean anything: lines of batch files, and options that stand
 * among the words of a command.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "switchd/switchctl_grammar.h"

/* What an option among the words is; how many words it takes, 0 if it is none. */
static int take_option(char *const *words, struct cli_options *options)
{
	const char *word = words[0];
	size_t letters = word[0] == '-' ? strspn(word + 1, "jp") : 0;

	if (strcmp(word, "--json") == 0 || strcmp(word, "-json") == 0) {
		options->json = true;
		return 1;
	}
	if (strcmp(word, "--pretty") == 0 || strcmp(word, "-pretty") == 0) {
		options->json = options->pretty = true;
		return 1;
	}
	if (strncmp(word, "--socket=", 9) == 0 && word[9]) {
		options->socket = word + 9;
		return 1;
	}
	if ((strcmp(word, "-s") == 0 || strcmp(word, "--socket") == 0) && words[1]) {
		options->socket = words[1];
		return 2;
	}
	if (letters == 0 || word[1 + letters])
		return 0;
	options->json = true;
	options->pretty |= strchr(word, 'p') != NULL;
	return 1;
}

void cli_take_options(char **words, struct cli_options *options)
{
	char **to = words;

	while (*words && strcmp(*words, "--") != 0) {
		int taken = take_option(words, options);

		if (taken == 0)
			*to++ = *words++;
		else
			words += taken;
	}
	if (*words)
		words++;
	while (*words)
		*to++ = *words++;
	*to = NULL;
}

/* Moves one word, freed of quotes, to the front of where it stands. Its end, or NULL. */
static char *unquote(char *from, char **word, struct err *err)
{
	char *to = *word = from, quote = '\0';

	for (; *from && (quote || !isspace((unsigned char)*from)); from++) {
		if (quote && *from == quote) {
			quote = '\0';
		} else if (!quote && (*from == '"' || *from == '\'')) {
			quote = *from;
		} else if (*from == '\\' && quote != '\'') {
			if (!from[1]) {
				(void)err_set(err, EINVAL, "the line ends with a backslash");
				return NULL;
			}
			*to++ = *++from;
		} else {
			*to++ = *from;
		}
	}
	if (quote) {
		(void)err_set(err, EINVAL, "a quote (%c) is not closed", quote);
		return NULL;
	}
	if (*from)
		from++;
	*to = '\0';
	return from;
}

int cli_split(char *line, char **words, int max, struct err *err)
{
	int n = 0;

	for (;;) {
		while (isspace((unsigned char)*line))
			line++;
		if (*line == '\0' || *line == '#')
			break;
		if (n == max - 1)
			return err_set(err, EINVAL, "more than %d words", max - 1);
		line = unquote(line, &words[n], err);
		if (!line)
			return -EINVAL;
		n++;
	}
	words[n] = NULL;
	return n;
}
