/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains that ask for integrity: the guards of ports in their segments are on, unless
 * the port itself says that one is not.
 */
#ifndef TVD_CONFIG_INTEGRITY_H
#define TVD_CONFIG_INTEGRITY_H

#include <stdbool.h>

#include "lib/err.h"
#include "switchd/config.h"

/*
 * Sets the guards that ports do not give to what their domains ask for, and checks that
 * the ports say what the guards have to know. References must have been checked. false
 * with a message.
 */
bool config_integrity(struct desired *desired, struct err *err);

#endif
