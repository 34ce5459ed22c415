/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seccomp filter: which system calls switchd makes once it serves. All others
 * end the process, since only who has taken it over makes them. What is allowed
 * stands beside the code that needs it, as "@syscall name ..." in a comment; the
 * build collects it into syscalls.h. In no case: executing a program, making
 * executable memory, creating a file, a socket of another family than these.
 *
 * When a call is missing from the list the process dies of SIGSYS (systemd:
 * "status=31/SYS"). Which call it was:
 *
 *   journalctl -k -g 'type=1326'     the kernel's audit record has syscall=NUMBER
 *   ausyscall NUMBER                 (package auditd) its name
 *   coredumpctl debug                where it was made
 *   strace -f switchd -c FILE        si_syscall at the end
 *
 * `seccomp = false` in the configuration runs without the filter until that is
 * repaired.
 */
#ifndef TVD_SANDBOX_H
#define TVD_SANDBOX_H

#include <stdbool.h>

#include "lib/err.h"

/* The most system calls that a normal build may ask for. */
#define SANDBOX_CALLS_MAX 40

/* Enters the sandbox; no_new_privs is set. 0, or negative errno with a message
 * when this kernel cannot do it. There is no way back. */
int sandbox_enter(struct err *err);

/* The names that this build allows; for tests. */
extern const char *const sandbox_calls[];
extern const unsigned sandbox_call_count;

#endif
