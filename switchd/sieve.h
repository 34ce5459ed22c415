/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sieves keep out of the kernel's network stack what has been received past it: there it
 * would cost as much again, only to be dropped. Packet sockets see packets before a sieve
 * does.
 *
 * A sieve is a filter at an interface's ingress (tc.h), of one IP version. One that
 * was left behind by a kill is found again by whoever runs as the same instance.
 */
#ifndef TVD_SIEVE_H
#define TVD_SIEVE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

struct rtnl;
struct sieves;

/* NULL when out of memory. */
struct sieves *sieves_create(struct rtnl *rtnl, uint32_t instance);

/* Lifts none: that is for those who have set them. NULL is fine. */
void sieves_destroy(struct sieves *sieves);

/* Sets one, or changes it: `code` says what it takes, as a filter of tc. 0, or negative
 * errno with none there. */
int sieves_set(struct sieves *sieves, unsigned ifindex, uint16_t family,
	       const struct sock_filter *code, unsigned len);

/* Takes it away. */
void sieves_lift(struct sieves *sieves, unsigned ifindex, uint16_t family);

/* Forgets one that a successor goes on with. */
void sieves_leave(struct sieves *sieves, unsigned ifindex, uint16_t family);

/* Lifts what this instance has left behind, but for those that are set. */
void sieves_recover(struct sieves *sieves);

/* The same if something could not be lifted: due once a second. NULL is fine. */
void sieves_retry(struct sieves *sieves);

#endif
