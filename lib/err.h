/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An error message for a person, beside the negative errno that code tests.
 */
#ifndef TVD_ERR_H
#define TVD_ERR_H

struct err {
	char text[512];
};

/*
 * Writes the message (truncated if need be) and returns -code, so that a
 * failure is one line: return err_set(err, EINVAL, "..."). err may be NULL.
 */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
