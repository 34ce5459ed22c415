/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the configuration's file again. That is done in steps, each in a turn of the
 * loop of its own, between which frames are forwarded and requests answered; only the
 * last one changes anything. What others than the file own is kept.
 */
#ifndef TVD_RELOAD_H
#define TVD_RELOAD_H

#include "switchd/switchd.h"

/* 0 or -ENOMEM. */
int reload_open(struct switchd *sw);

/* Gives up what is under way. It may not be open. */
void reload_close(struct switchd *sw);

/*
 * Asks for one, which begins soon; if one is under way already, behind that, since the
 * file may have changed after that has read it. Returns a number to ask for its end.
 * How it went is logged, and told as an event, whether somebody asks or not.
 */
uint64_t reload_ask(struct switchd *sw);

/* The same, told to systemd: that it is under way, and when it has ended. */
void reload_ask_told(struct switchd *sw);

/* How that has ended, or a later one: 0, or negative errno with a message;
 * -EINPROGRESS: not yet. */
int reload_result(const struct switchd *sw, uint64_t number, struct err *err);

#endif
