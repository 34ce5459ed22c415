/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Controlled flows against a naive model; the input is a list of packets and changes of
 * policy. See test/unit/decide_model.h.
 */
#include "test/unit/decide_model.h"

/* The model checks everything after each step: long inputs take long, and find no more. */
#define SIZE_MAX_USEFUL 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)model_run(size ? data : (const uint8_t *)"",
			size < SIZE_MAX_USEFUL ? size : SIZE_MAX_USEFUL, 0, 1);
	return 0;
}
