/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of switchctl share.
 */
#ifndef TVD_SWITCHCTL_H
#define TVD_SWITCHCTL_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/ctl.h"
#include "lib/err.h"
#include "switchd/switchctl_grammar.h"

/* How answers are written. */
struct output {
	bool json, pretty;
	bool opened; /* the array has begun */
};

/* Items of an array: with the first it begins, output_end ends it (and begins it
 * first if there were none). `kind` is the object of the command. */
void output_item(struct output *output, const char *kind, json_t *item);
void output_end(struct output *output);

/* A lone object; it may be changed. */
void output_object(struct output *output, const char *kind, json_t *object);

/* One event: always JSON, on one line unless pretty, written at once. */
void output_event(const struct output *output, const json_t *event);

/* Writes JSON with a newline after it. */
void output_json(const struct output *output, const json_t *json);

/*
 * Sends a request and reads its answer. With `item`, calls it for each item, for
 * each element of a result that is an array, and for any other result; else puts
 * the result, if there is one, at *result (unless NULL): a new reference. 0, or
 * negative errno with a message. `args` is stolen.
 */
typedef void item_fn(void *arg, json_t *item);
int request(struct ctl_client *client, const char *command, json_t *args, int fd, item_fn *item,
	    void *arg, json_t **result, struct err *err);

/*
 * switchctl_flat.c: an item as it came, for lists of millions. Writes it exactly as
 * output_item() would, and returns true; or false and has written nothing: then it is
 * for output_item().
 */
bool output_flat(struct output *output, const char *kind, const char *text, size_t len);

/* switchctl_pcap.c: a live capture, until it ends or is interrupted. */
int run_pcap(struct ctl_client *client, struct cli_call *call, struct err *err);

/* switchctl_policy.c: the matrix of flows. */
int run_matrix(struct ctl_client *client, struct cli_call *call, struct output *output,
	       struct err *err);

/* What the frames of a call (those of a file, if it names one) come to. */
int run_trace(struct ctl_client *client, struct cli_call *call, struct output *output,
	      struct err *err);

#endif
