# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A machine whose init is this machine's systemd, in a lab: process, mount, control
# group and UTS namespaces and a root of its own, which is an overlay on this machine's.
# Nothing of this machine is in reach of it: its root, /tmp, /run and /var are in memory, what
# /proc and /sys could set is read-only, and before systemd starts it is made sure of it. Sourced after lab.sh:
#
#	systemd_need			skips where there is no systemd, or no right to start it
#	lab_begin "$@"
#	systemd_root			makes the root, at $SYSTEMD_ROOT, to be changed as one likes
#	systemd_start hostA		starts it in the namespace of a host
#	inside systemctl ...		runs something there
#	inside_guest vm1 ping ...	the same in a namespace of /run/netns there
#	behind_guest vm1 ping ...	the same in the background, outside of its process
#					namespace; its process id is in LAB_LAST

SYSTEMD=/usr/lib/systemd/systemd
SYSTEMD_ROOT=$LAB/root
SYSTEMD_CGROUP=
SYSTEMD_INIT=
SYSTEMD_PID=

systemd_need() {
	local tool
	[ -x $SYSTEMD ] || lab_skip "there is no systemd (package systemd)"
	for tool in systemctl systemd-analyze systemd-sysusers pivot_root; do
		command -v $tool >/dev/null || lab_skip "there is no $tool"
	done
	# Inside a user namespace there are no device nodes to be had.
	if [ "$(id -u)" != 0 ] || [ "$(awk '{ print $3; exit }' /proc/self/uid_map)" != 4294967295 ]; then
		lab_skip "only root can start systemd in namespaces of its own"
	fi
}

# The overlay is not to have what was mounted on this machine: what a lower layer does
# not have, is not there.
systemd_root() {
	local dir unit
	mkdir "$SYSTEMD_ROOT" "$LAB/layer"
	mount -t tmpfs -o mode=0755 tmpfs "$LAB/layer"
	mkdir "$LAB/layer/upper" "$LAB/layer/work"
	chmod 0755 "$LAB/layer/upper"
	mount -t overlay -o "lowerdir=/,upperdir=$LAB/layer/upper,workdir=$LAB/layer/work" overlay "$SYSTEMD_ROOT" ||
		lab_skip "this machine lets us lay nothing over its root"
	for dir in tmp run var; do
		mount -t tmpfs -o mode=0755 tmpfs "$SYSTEMD_ROOT/$dir"
	done
	chmod 1777 "$SYSTEMD_ROOT/tmp"
	systemd_devices
	# Its own units and their order, and none of what this machine runs.
	rm -rf "$SYSTEMD_ROOT"/etc/systemd/system
	mkdir -p "$SYSTEMD_ROOT/etc/systemd/system" "$SYSTEMD_ROOT/run/netns"
	rm -f "$SYSTEMD_ROOT/etc/fstab"
	: >"$SYSTEMD_ROOT/etc/fstab"
	for unit in systemd-{udevd,networkd,resolved,timesyncd,logind,sysctl,binfmt,modules-load,random-seed,remount-fs}.service \
		systemd-udevd-{control,kernel}.socket {dev-hugepages,dev-mqueue,sys-kernel-debug,sys-kernel-tracing,sys-kernel-config,sys-fs-fuse-connections}.mount \
		proc-sys-fs-binfmt_misc.automount; do
		ln -s /dev/null "$SYSTEMD_ROOT/etc/systemd/system/$unit"
	done
	printf '[Unit]\nDescription=A lab\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n' \
		>"$SYSTEMD_ROOT/etc/systemd/system/lab.target"
}

systemd_devices() {
	local name major minor
	mount -t tmpfs -o mode=0755 tmpfs "$SYSTEMD_ROOT/dev"
	mkdir "$SYSTEMD_ROOT/dev/net" "$SYSTEMD_ROOT/dev/pts" "$SYSTEMD_ROOT/dev/shm"
	while read -r name major minor; do
		mknod -m 0666 "$SYSTEMD_ROOT/dev/$name" c "$major" "$minor" || lab_skip "no device nodes can be made here"
	done <<-END
		null 1 3
		zero 1 5
		full 1 7
		random 1 8
		urandom 1 9
		tty 5 0
		net/tun 10 200
	END
	mount -t devpts -o newinstance,mode=0620,ptmxmode=0666 devpts "$SYSTEMD_ROOT/dev/pts"
	ln -s pts/ptmx "$SYSTEMD_ROOT/dev/ptmx"
	ln -s /proc/self/fd "$SYSTEMD_ROOT/dev/fd"
	mount -t tmpfs -o mode=1777 tmpfs "$SYSTEMD_ROOT/dev/shm"
}

# The last thing before systemd: its clean-up empties what it takes for its own.
# shellcheck disable=SC2016 # it is another shell's
SYSTEMD_ENTER='
set -eu
cd "$1"
pivot_root . mnt
cd /
mount -t proc -o nosuid,nodev,noexec proc /proc
umount -l /mnt
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
[ "$(findmnt -n -o FSTYPE /)" = overlay ] || { echo "the root is not its own"; exit 1; }
for dir in /tmp /run /var /dev; do
	[ "$(findmnt -n -o FSTYPE --mountpoint $dir)" = tmpfs ] || { echo "$dir is not its own"; exit 1; }
done
[ "$(findmnt -n -o FSTYPE | sort -u | tr "\n" " ")" = "cgroup2 devpts overlay proc sysfs tmpfs " ] ||
	{ echo "there is more than its own:"; findmnt; exit 1; }
[ $$ = 1 ] || { echo "it is not the first process"; exit 1; }
hostname lab
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	"$2" --system --unit=lab.target --log-target=console --show-status=no
'

# A control group of its own, below whichever this process is in.
systemd_cgroup() {
	local mounted
	mounted=$(awk '$9 == "cgroup2" || $8 == "cgroup2" || / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	[ -n "$mounted" ] || lab_skip "there are no control groups of version 2 here"
	SYSTEMD_CGROUP=$mounted$(sed -n 's/^0:://p' /proc/self/cgroup | sed 's|^/$||')/tvd-lab-$$-$RANDOM
	mkdir "$SYSTEMD_CGROUP" 2>/dev/null || lab_skip "no control group can be made here"
	trap systemd_end EXIT
}

systemd_start() { # HOST
	systemd_cgroup
	# shellcheck disable=SC2016 # it is another shell's
	nsenter --net="/run/netns/$1" -- setpriv --pdeathsig KILL bash -c '
		echo $$ >"$1/cgroup.procs" && shift &&
		exec unshare --mount --pid --cgroup --uts --ipc --fork --kill-child --propagation private bash -c "$@"' \
		bash "$SYSTEMD_CGROUP" "$SYSTEMD_ENTER" bash "$SYSTEMD_ROOT" $SYSTEMD </dev/null >"$LAB/systemd.console" 2>&1 &
	SYSTEMD_PID=$!
	LAB_CHILDREN+=("$SYSTEMD_PID")
	if ! wait_until 30 systemd_runs; then
		sed 's/^/# /' "$LAB/systemd.console"
		systemd_stop
		lab_skip "systemd does not start here: $(tail -n 1 "$LAB/systemd.console")"
	fi
}

systemd_runs() {
	SYSTEMD_INIT=$(pgrep -P "$SYSTEMD_PID") || return 1
	inside systemctl is-active lab.target >/dev/null 2>&1
}

inside() {
	nsenter -t "$SYSTEMD_INIT" --mount --pid --cgroup --uts --ipc --net -- "$@"
}
inside_guest() { # GUEST COMMAND...
	local guest=$1
	shift
	inside nsenter --net="/run/netns/$guest" -- "$@"
}

behind_guest() { # GUEST COMMAND...
	local guest=$1
	shift
	nsenter -t "$SYSTEMD_INIT" --mount -- nsenter --net="/run/netns/$guest" -- setpriv --pdeathsig KILL "$@" &
	LAB_LAST=$!
	LAB_CHILDREN+=("$LAB_LAST")
}

# Also when the lab ends early: a control group outlives its processes.
systemd_end() {
	local status=$?
	set +e
	systemd_stop
	(exit "$status")
	lab_cleanup
}

systemd_stop() {
	[ -z "$SYSTEMD_PID" ] || kill -KILL "$SYSTEMD_PID" 2>/dev/null || :
	wait "$SYSTEMD_PID" 2>/dev/null || :
	wait_until 10 systemd_forgotten || :
}
systemd_forgotten() {
	find "$SYSTEMD_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
	[ ! -d "$SYSTEMD_CGROUP" ]
}
