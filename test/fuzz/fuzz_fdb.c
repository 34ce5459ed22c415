/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarding database against a naive model; the input is a list of
 * operations. See test/unit/fdb_model.h.
 */
#include "test/unit/fdb_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)model_run(data, size);
	return 0;
}
