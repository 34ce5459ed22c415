/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The neighbour table against a naive model; the input is a list of operations. See
 * test/unit/neighbour_model.h.
 */
#include "test/unit/neighbour_model.h"

/* The model checks everything after each step: long inputs take long, and find no more. */
#define SIZE_MAX_USEFUL 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)nmodel_run(data, size < SIZE_MAX_USEFUL ? size : SIZE_MAX_USEFUL);
	return 0;
}
