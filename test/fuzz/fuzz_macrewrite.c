/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MAC rewriting and its engine, with what guests and hosts do and what they forge. See
 * test/unit/farm_model.h.
 */
#include "test/unit/farm_model.h"

#define SIZE_MAX_USEFUL 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fm_run(data, size < SIZE_MAX_USEFUL ? size : SIZE_MAX_USEFUL);
	return 0;
}
