/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/machine.h"

LOG_MODULE("sandbox");

/*
 * What nobody in this tree calls by name:
 *
 * libev waits (with another call where there is no epoll_wait, see below), changes
 * what it waits for, and is woken by an eventfd, made before, when a signal came
 * while it did not wait. It would make everything anew if it thought that the
 * process had forked, as it does when it hears of a descriptor that it no longer
 * knows: see capture.c.
 * @syscall epoll_wait epoll_ctl read write
 *
 * The clock is read without a system call, except where the machine's time source
 * does not allow that.
 * @syscall clock_gettime
 *
 * malloc.
 * @syscall brk mmap munmap mremap
 *
 * Signals, the end, and abort() after a failed assertion.
 * @syscall rt_sigreturn rt_sigaction rt_sigprocmask exit_group tgkill gettid getpid
 *
 * What the sanitizers' run time does beside: memory, stacks of its own, a child
 * that traces its parent to look for leaks at the end, and a symbolizer that is
 * executed, with what that does itself, so that reports name lines.
 * @syscall-sanitize mprotect madvise sigaltstack prctl sched_yield getppid exit
 * @syscall-sanitize clone ptrace wait4 open lseek getdents getdents64 nanosleep
 * @syscall-sanitize fork execve pipe2 dup2 dup3 stat readlink readlinkat prlimit64
 * @syscall-sanitize access faccessat arch_prctl set_tid_address set_robust_list
 * @syscall-sanitize rseq pread64 futex poll ppoll statfs clock_nanosleep
 */
const char *const sandbox_calls[] = {
#define SYSCALL(name) #name,
#ifdef TVD_SANITIZE
#define SYSCALL_SANITIZE(name) #name,
#else
#define SYSCALL_SANITIZE(name)
#endif
#include "syscalls.h"
#undef SYSCALL
#undef SYSCALL_SANITIZE
};

#define CALLS (sizeof(sandbox_calls) / sizeof(sandbox_calls[0]))
const unsigned sandbox_call_count = CALLS;

#ifndef TVD_SANITIZE
static_assert(CALLS <= SANDBOX_CALLS_MAX, "too many system calls: which is not needed?");
#endif

/*
 * Calls of which only some arguments are allowed: where argument `arg` and `mask`
 * is `value`. Those that each frame makes are not among them: for calls whose
 * arguments do not matter the kernel does not even run the filter.
 */
struct restriction {
	const char *call;
	unsigned arg;
	scmp_datum_t mask, value;
};

#define ALL_BITS UINT64_C(0xffffffff) /* of an int; the upper half is not defined */

static const struct restriction restrictions[] = {
    {"socket", 0, ALL_BITS, AF_INET},
    {"socket", 0, ALL_BITS, AF_INET6},
    {"socket", 0, ALL_BITS, AF_NETLINK},
    {"socket", 0, ALL_BITS, AF_UNIX},
    {"socket", 0, ALL_BITS, AF_PACKET},
    {"socket", 0, ALL_BITS, AF_XDP},
    {"bpf", 0, ALL_BITS, BPF_MAP_CREATE},
    {"bpf", 0, ALL_BITS, BPF_PROG_LOAD},
    {"bpf", 0, ALL_BITS, BPF_PROG_TEST_RUN},
    {"bpf", 0, ALL_BITS, BPF_LINK_CREATE},
    {"bpf", 0, ALL_BITS, BPF_OBJ_GET_INFO_BY_FD},
    {"openat", 2, O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY), 0},
#ifndef TVD_SANITIZE
    {"mmap", 2, PROT_EXEC, 0},
#endif
};

#define RESTRICTIONS (sizeof(restrictions) / sizeof(restrictions[0]))

/* A call in the list twice is allowed twice, which is fine. */
static int allow(scmp_filter_ctx filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);
	bool restricted = false;
	int ret = 0;

	/* Negative: a call of other architectures. */
	if (number < 0)
		return 0;
	for (size_t i = 0; i < RESTRICTIONS && ret == 0; i++) {
		const struct restriction *r = &restrictions[i];

		if (strcmp(r->call, name) != 0)
			continue;
		restricted = true;
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
				       SCMP_CMP(r->arg, SCMP_CMP_MASKED_EQ, r->mask, r->value));
		if (ret == -EEXIST)
			ret = 0;
	}
	if (restricted)
		return ret;
	ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	return ret == -EEXIST ? 0 : ret;
}

static int compare_nothing(const void *a, const void *b)
{
	(void)a;
	(void)b;
	return 0;
}

/* What asks the kernel once and for all. Before glibc 2.37 qsort() asks for the size of the
 * machine's memory, the first time that it sorts more than a KiB. */
static void warm_up(void)
{
	static char big[2048];

	qsort(big, sizeof(big), 1, compare_nothing);
	(void)machine_host_name();
}

int sandbox_enter(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret;

	warm_up();
	if (!filter)
		return err_set(err, ENOMEM, "the seccomp filter cannot be made");
	/* Another architecture's calls have other numbers: refused as well. */
	ret = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; i < CALLS && ret == 0; i++)
		ret = allow(filter, sandbox_calls[i]);
	/* Newer architectures have only the call that takes a mask of signals. */
	if (ret == 0 && seccomp_syscall_resolve_name("epoll_wait") < 0)
		ret = allow(filter, "epoll_pwait");
	if (ret == 0)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	if (ret < 0)
		return err_set(err, -ret,
			       "the seccomp filter cannot be loaded: %s (`seccomp = false` runs "
			       "without it)",
			       strerror(-ret));
	log_debug("%zu system calls are allowed", CALLS);
	return 0;
}
