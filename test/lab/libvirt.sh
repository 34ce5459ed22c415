# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A libvirtd for each host of a lab. Sourced after guest.sh.
#
#	libvirt_need			skips the test where libvirt is missing
#	libvirt_start hostA		starts hostA's libvirtd, with folders of its own; the
#					hook scripts in $LAB/hostA.hooks are its hooks
#	libvirt_hook hostA		installs conf/libvirt's hook there
#	libvirt_domain FILE		writes $LAB/GUEST.xml, the guest of a file as it can be
#					started here; its name is in LIBVIRT_GUEST
#	vir hostA list			virsh with hostA's libvirtd
#	libvirt_uri hostA		where others reach it
#	libvirt_stop hostA		its guests go on; libvirt_start finds them again

declare -A LIBVIRT_PID=() LIBVIRT_HOLDER=()

libvirt_need() {
	local program
	for program in libvirtd virsh virt-xml-validate; do
		command -v "$program" >/dev/null || lab_skip "there is no $program here (packages libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients)"
	done
	command -v xmllint >/dev/null || lab_skip "there is no xmllint here (package libxml2-utils)"
	# Also for the root of a user namespace it is too much to set up.
	if [ "$(id -u)" != 0 ] || ! grep -Eq '^ *0 +0 +4294967295$' /proc/self/uid_map; then
		lab_skip "libvirtd needs root"
	fi
}

libvirt_folder() { # HOST
	echo "$LAB/$1.libvirt"
}

libvirt_uri() { # HOST
	echo "qemu+unix:///system?socket=$(libvirt_folder "$1")/libvirt-sock"
}

# Folders that libvirt has built in are covered in a mount namespace of this host's own,
# which lasts longer than its libvirtd, and so does the host's name. Nothing there needs a service: no virtlogd, no
# D-Bus, no control groups.
libvirt_folders() { # HOST
	local folder
	folder=$(libvirt_folder "$1")
	mkdir -p "$folder" "$LAB/$1.hooks"
	cat >"$folder/libvirtd.conf" <<-END
		unix_sock_dir = "$folder"
		auth_unix_rw = "none"
		auth_unix_ro = "none"
		log_outputs = "2:stderr"
		host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
	END
	cat >"$folder/qemu.conf" <<-END
		user = "root"
		group = "root"
		dynamic_ownership = 0
		remember_owner = 0
		security_driver = "none"
		namespaces = [ ]
		cgroup_controllers = [ ]
		stdio_handler = "file"
	END
	cat >"$folder/cover" <<-'END'
		#!/bin/sh
		set -e
		for covered in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /run/libvirt; do
			mkdir -p "$covered"
			mount -t tmpfs -o mode=0755 tmpfs "$covered"
		done
		mkdir /etc/libvirt/hooks
		mount --bind "$2" /etc/libvirt/hooks
		cp "$1/qemu.conf" /etc/libvirt/
		mount -t sysfs sysfs /sys # this host's interfaces
		hostname "$3" # no guest moves to a host that is called as its own is
		touch "$1/covered"
		exec sleep infinity
	END
	background "$1" unshare -mu sh "$folder/cover" "$folder" "$LAB/$1.hooks" "$1"
	LIBVIRT_HOLDER[$1]=$LAB_LAST
	wait_until 10 [ -e "$folder/covered" ] || lab_die "folders of libvirt cannot be covered"
}

libvirt_start() { # HOST
	local folder holder
	[ -n "${LIBVIRT_HOLDER[$1]:-}" ] || libvirt_folders "$1"
	folder=$(libvirt_folder "$1")
	holder=/proc/${LIBVIRT_HOLDER[$1]}/ns
	background "$1" nsenter --mount="$holder/mnt" --uts="$holder/uts" -- libvirtd \
		--config "$folder/libvirtd.conf" --pid-file "$folder/libvirtd.pid" >>"$LAB/$1.libvirtd.log" 2>&1
	LIBVIRT_PID[$1]=$LAB_LAST
	wait_until 30 vir "$1" list >/dev/null 2>&1 || lab_die "libvirtd on $1 does not answer: $(tail -n 20 "$LAB/$1.libvirtd.log")"
}

# Guests go on.
libvirt_stop() { # HOST
	finish "${LIBVIRT_PID[$1]}"
	unset "LIBVIRT_PID[$1]"
}

# The hook is where libvirt looks for it, on this host alone. libvirt hands on no
# environment, so a few lines around the hook say which host's it is.
libvirt_hook() { # HOST [CONFIGURATION]
	mkdir -p "$LAB/$1.hooks/qemu.d"
	cat >"$LAB/$1.hooks/qemu.d/tvdswitch" <<-END
		#!/bin/sh
		export TVDSWITCH_LIBVIRT_CONF=$LAB/$1.hook.conf
		exec $LAB_TOP/conf/libvirt/hooks/qemu "\$@"
	END
	chmod +x "$LAB/$1.hooks/qemu.d/tvdswitch"
	cat >"$LAB/$1.hook.conf" <<-END
		SWITCHCTL=$TVD_BIN/switchctl
		TVDSWITCH_SOCKET=$LAB/$1.sock
		HOOK=$LAB/$1.hooks/qemu.d/tvdswitch
		${2:-}
	END
}

# shellcheck disable=SC2034 # LIBVIRT_GUEST is for the caller
libvirt_domain() { # FILE
	LIBVIRT_GUEST=$(sed -n 's/.*<name>\(.*\)<.name>.*/\1/p' "$1")
	guest_channel "$LIBVIRT_GUEST"
	"$PYTHON" "$LAB_TOP/test/lab/domain.py" "$1" "$GUEST_KERNEL" "$GUEST_INITRD" "$(guest_cmdline "$LIBVIRT_GUEST")" \
		"$LAB" >"$LAB/$LIBVIRT_GUEST.xml"
}

vir() { # HOST ARGS...
	local host=$1
	shift
	timeout 120 virsh -q -c "$(libvirt_uri "$host")" "$@"
}
