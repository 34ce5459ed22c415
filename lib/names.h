/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table from names to objects.
 */
#ifndef TVD_NAMES_H
#define TVD_NAMES_H

#include <stddef.h>

struct names;

/* NULL when out of memory. destroy(NULL) is fine; objects are not touched. */
struct names *names_create(void);
void names_destroy(struct names *names);

/* 0; -EEXIST if the name is there; -ENOMEM. The name is copied. */
int names_add(struct names *names, const char *name, void *object);

/* The object of that name, or NULL. */
void *names_find(const struct names *names, const char *name);

/* Takes the name out and returns its object, or NULL. */
void *names_del(struct names *names, const char *name);

#endif
