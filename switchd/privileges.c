/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "lib/log.h"
#include "switchd/sandbox.h"

LOG_MODULE("privileges");

/* What stays for as long as the switch runs. */
static const unsigned kept[] = {CAP_NET_ADMIN, CAP_NET_RAW};

/* What is needed beside it to become another user. */
static const unsigned needed_for_user[] = {CAP_SETUID, CAP_SETGID};

/* Not in every libcap-ng's headers. */
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool bpf_wanted;

void privileges_want_bpf(void)
{
	bpf_wanted = true;
}

static bool given(const char *user)
{
	return user && user[0];
}

/* ---- at start ---- */

/* Makes effective what is permitted, and names in `missing` what is not. */
static void require(const unsigned *caps, size_t count, char *missing, size_t size)
{
	size_t used = strlen(missing);

	for (size_t i = 0; i < count; i++) {
		int n;

		if (capng_have_capability(CAPNG_PERMITTED, caps[i])) {
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, caps[i]);
			continue;
		}
		n = snprintf(missing + used, size - used, "%scap_%s", used ? " and " : "",
			     capng_capability_to_name(caps[i]));
		if (n > 0 && (size_t)n < size - used)
			used += (size_t)n;
	}
}

static int find_user(const char *user, struct passwd **pw, struct err *err)
{
	errno = 0;
	*pw = getpwnam(user);
	if (*pw)
		return 0;
	if (errno == 0 || errno == ENOENT)
		return err_set(err, ENOENT,
			       "user \"%s\" does not exist: create it, or change `user`", user);
	return err_set(err, errno, "user \"%s\": %s", user, strerror(errno));
}

int privileges_check(const char *user, struct err *err)
{
	char missing[128] = "";
	struct passwd *pw;
	int ret;

	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() < 0)
		return err_set(err, EPERM, "capabilities cannot be read");
	require(kept, COUNT(kept), missing, sizeof(missing));
	if (missing[0])
		return err_set(err, EPERM,
			       "%s missing: give the program its capabilities (setcap "
			       "cap_net_admin,cap_net_raw+ep FILE), start it from a unit with "
			       "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW, or run it in a "
			       "namespace of your own (unshare -Urnm)",
			       missing);
	if (given(user)) {
		require(needed_for_user, COUNT(needed_for_user), missing, sizeof(missing));
		if (missing[0])
			return err_set(err, EPERM,
				       "`user` is \"%s\", and %s missing: start as that user "
				       "instead and remove `user`, or start as root",
				       user, missing);
		ret = find_user(user, &pw, err);
		if (ret < 0)
			return ret;
	}
	bpf_wanted = bpf_wanted && capng_have_capability(CAPNG_PERMITTED, CAP_BPF);
	if (bpf_wanted)
		(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_BPF);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return err_set(err, EPERM, "capabilities cannot be made effective");
	return 0;
}

/* ---- another user ---- */

int privileges_find_user(const char *user, unsigned *uid, unsigned *gid, struct err *err)
{
	struct passwd *pw;
	int ret = find_user(user, &pw, err);

	if (ret < 0)
		return ret;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

int privileges_give(const char *path, const char *user)
{
	struct passwd *pw;
	int ret = find_user(user, &pw, NULL);

	if (ret < 0)
		return ret;
	return lchown(path, pw->pw_uid, pw->pw_gid) < 0 ? -errno : 0;
}

/* Sets permitted and effective to exactly those that stay. */
static int set_caps(struct err *err)
{
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < COUNT(kept); i++)
		(void)capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
				   kept[i]);
	if (bpf_wanted)
		(void)capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
				   CAP_BPF);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return err_set(err, EPERM, "capabilities cannot be dropped");
	return 0;
}

int privileges_switch_user(const char *user, struct err *err)
{
	struct passwd *pw;
	int ret;

	if (!given(user))
		return 0;
	ret = find_user(user, &pw, err);
	if (ret < 0)
		return ret;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "capabilities cannot be kept: %s", strerror(errno));
	if (setgroups(0, NULL) < 0)
		return err_set(err, errno, "groups cannot be dropped: %s", strerror(errno));
	if (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0)
		return err_set(err, errno, "group %u: %s", (unsigned)pw->pw_gid, strerror(errno));
	if (setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return err_set(err, errno, "user \"%s\": %s", user, strerror(errno));
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	/* The kernel forbids core dumps to who has changed his user. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return set_caps(err);
}

/* ---- for good ---- */

/* Only who has CAP_SETPCAP may; for all others no_new_privs has the same effect. */
static void empty_bounding_set(void)
{
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return;
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

int privileges_drop(bool seccomp, struct err *err)
{
	int ret;

	capng_clear(CAPNG_SELECT_ALL);
	if (capng_get_caps_process() < 0)
		return err_set(err, EPERM, "capabilities cannot be read");
	empty_bounding_set();
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	ret = set_caps(err);
	if (ret < 0)
		return ret;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "no_new_privs: %s", strerror(errno));
	if (!seccomp) {
		log_info("every system call is allowed (`seccomp` is off)");
		return 0;
	}
	return sandbox_enter(err);
}
