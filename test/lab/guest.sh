# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of real QEMU in a lab: Debian's kernel and a static busybox, emulated without
# KVM, up in some seconds. Sourced after lab.sh and net/common.sh, from which a guest
# has its number, MAC address and IP address:
#
#	guest_need			skips the test where QEMU, kernel or busybox is missing
#	lab_begin "$@"
#	guest_image [MODULE...]		makes the guests' system, with more modules of the
#					kernel; GUEST_FILES names programs to be in it
#	guest_boot hostA vm1 NETDEV [QEMU-ARGUMENT...]
#					starts a guest; NETDEV as for -netdev, without id
#	guest_up vm1			a case: it is up, eth0 has its address if it has one;
#					guest_wait is the same without being a case
#	guest_run vm1 COMMAND		runs a shell command in it: its output and status
#	guest_fetches vm1 ADDRESS	vm1 gets a file from another guest by TCP, unharmed
#	guest_off vm1			its power fails
#
# Somebody else may start QEMU too (libvirt): guest_channel makes what it needs, the
# kernel is GUEST_KERNEL, the initramfs GUEST_INITRD, guest_cmdline says the command
# line. The console (ttyS0) goes to a file; commands pass the second serial line, a
# pair of pipes, by which guest_run can reach it whoever started it.
#
# The kernel is that of a package that was unpacked with `dpkg -x` into the folder
# TVD_GUEST_KERNEL (default build/guest, where `./run check-interop` puts it), or the
# one that is installed here. Nothing of it is ever installed. The initramfs is made
# once for each set of modules and files, and kept in build/guest.

GUEST_ROOT=${TVD_GUEST_KERNEL:-$LAB_TOP/build/guest}
GUEST_CACHE=$LAB_TOP/build/guest
GUEST_MODULES="virtio_pci virtio_net"
GUEST_FILES=${GUEST_FILES:-}
GUEST_KERNEL='' GUEST_VERSION='' GUEST_INITRD=''
declare -a GUEST_WRAP=()
declare -A GUEST_PID=() GUEST_TO=() GUEST_FROM=()

guest_kernel() {
	local root image
	for root in "$GUEST_ROOT" ""; do
		for image in "$root"/boot/vmlinuz-*-amd64; do
			GUEST_VERSION=${image##*/vmlinuz-}
			if ! [ -r "$image" ] || ! [ -d "$root/lib/modules/$GUEST_VERSION/kernel" ]; then continue; fi
			GUEST_KERNEL=$image
			GUEST_ROOT=$root
			return 0
		done
	done
	return 1
}

guest_need() {
	[ "$(uname -m)" = x86_64 ] || lab_skip "the guests' kernel is one for x86_64"
	command -v qemu-system-x86_64 >/dev/null || lab_skip "there is no qemu-system-x86_64 here (package qemu-system-x86)"
	command -v busybox >/dev/null || lab_skip "there is no busybox here (package busybox-static)"
	# Not grep -q, which would end before busybox has said everything: then that fails.
	busybox --help 2>/dev/null | grep '\<insmod\>' >/dev/null || lab_skip "this busybox has no insmod (package busybox-static)"
	! ldd "$(command -v busybox)" >/dev/null 2>&1 || lab_skip "this busybox is not static (package busybox-static)"
	command -v cpio >/dev/null || lab_skip "there is no cpio here"
	guest_kernel || lab_skip "there is no kernel for guests in $GUEST_ROOT (./run check-interop fetches it)"
}

# ---- the guests' system ----

# A module behind those that it needs, each once, in the order of loading.
guest_add_module() { # FOLDER NAME
	local file more
	[ ! -e "$1/$2.ko" ] || return 0
	file=$(find "$GUEST_ROOT/lib/modules/$GUEST_VERSION/kernel" -name "$2.ko" -o -name "${2//_/-}.ko" -o -name "$2.ko.xz" | head -n 1)
	case $file in
	*.ko) cp "$file" "$1/$2.ko" ;;
	*.ko.xz) xz -dc "$file" >"$1/$2.ko" ;;
	*) lab_die "the guests' kernel $GUEST_VERSION has no module $2" ;;
	esac
	for more in $(tr '\0' '\n' <"$1/$2.ko" | sed -n 's/^depends=//p' | tr ',-' ' _'); do
		guest_add_module "$1" "$more"
	done
	echo "$2" >>"$1/order"
}

# A program with the libraries that it is linked with.
guest_add_file() { # ROOT FILE
	local file
	for file in "$2" $(ldd "$2" 2>/dev/null | grep -o '/[^ ]*'); do
		[ -e "$1$file" ] || install -D "$file" "$1$file"
	done
}

guest_init() {
	cat <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r m; do insmod /m/$m.ko; done </m/order
for word in $(cat /proc/cmdline); do
	case $word in guest.*=*) eval "${word#guest.}" ;; esac
done
hostname "$name"
ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
	[ -z "$address" ] || ip addr add $address dev eth0
	ip link set eth0 up
fi
dd if=/dev/urandom of=/www/data bs=65536 count=32 2>/dev/null
md5sum </www/data >/www/sum
nc -ll -p 5000 -e cat /www/data &
nc -ll -p 5001 -e cat /www/sum &
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1
echo "= boot 0"
while read -r id line; do
	[ -n "$line" ] || continue
	( eval "$line" ) </dev/null >/tmp/out 2>&1
	status=$?
	sed 's/^/|/' /tmp/out
	echo "= $id $status"
done
END
}

guest_tools() { # ROOT
	cat >"$1/bin/fetch" <<-'END'
		#!/bin/busybox sh
		# Gets what another guest serves; whether it came as it is there.
		for try in 1 2 3 4 5; do
			nc -w 5 "$1" 5000 </dev/null >/tmp/data && nc -w 5 "$1" 5001 </dev/null >/tmp/sum && [ -s /tmp/sum ] && break
			sleep 1
		done
		[ -s /tmp/sum ] && [ "$(md5sum </tmp/data)" = "$(cat /tmp/sum)" ]
	END
	chmod +x "$1/bin/fetch"
}

# shellcheck disable=SC2120 # modules are a test's wish
guest_image() { # [MODULE...]
	local key root name
	local -a names=()
	read -ra names <<<"$GUEST_MODULES $*"
	# shellcheck disable=SC2086 # a list of words
	key=$({
		echo "$GUEST_KERNEL ${names[*]} $GUEST_FILES"
		cat "$(command -v busybox)" "${BASH_SOURCE[0]}" $GUEST_FILES
	} | md5sum | cut -c 1-16)
	mkdir -p "$GUEST_CACHE" 2>/dev/null || :
	[ -w "$GUEST_CACHE" ] || GUEST_CACHE=$LAB
	GUEST_INITRD=$GUEST_CACHE/initrd-$key
	[ ! -e "$GUEST_INITRD" ] || return 0
	root=$(mktemp -d "$LAB/root.XXXXXX")
	mkdir -p "$root"/{bin,dev,m,proc,sys,tmp,www}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for name in "${names[@]}"; do
		guest_add_module "$root/m" "$name"
	done
	for name in $GUEST_FILES; do
		guest_add_file "$root" "$name"
	done
	guest_init >"$root/init"
	chmod +x "$root/init"
	guest_tools "$root"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$GUEST_INITRD.$$"
	mv "$GUEST_INITRD.$$" "$GUEST_INITRD" # others may make the same at the same time
	rm -rf "$root"
}

# ---- running guests ----

# The two pipes to a guest, open for as long as the script runs.
guest_channel() { # GUEST
	local to from
	[ -z "${GUEST_TO[$1]:-}" ] || return 0
	mkfifo -m 0666 "$LAB/$1.serial.in" "$LAB/$1.serial.out"
	exec {to}<>"$LAB/$1.serial.in" {from}<>"$LAB/$1.serial.out"
	GUEST_TO[$1]=$to
	GUEST_FROM[$1]=$from
}

# On a loaded machine the emulated timer may be too late for the kernel's check of it.
guest_cmdline() { # GUEST
	printf 'console=ttyS0 quiet panic=-1 no_timer_check guest.name=%s guest.address=%s' "$1" "${GUEST_ADDRESS-$(v4 "$1")/24}"
}

# GUEST_ADDRESS: another address than its own; empty for none. GUEST_WRAP: a command that
# runs QEMU.
guest_boot() { # WHERE GUEST NETDEV [QEMU-ARGUMENT...]
	local where=$1 guest=$2 netdev=$3
	shift 3
	guest_channel "$guest"
	guest_drain "$guest"
	background "$where" "${GUEST_WRAP[@]}" qemu-system-x86_64 -accel tcg -cpu max -m "${GUEST_MEMORY:-160}" -nodefaults -display none \
		-no-reboot -serial "file:$LAB/$guest.console" -chardev "pipe,id=serial,path=$LAB/$guest.serial" -serial chardev:serial \
		-kernel "$GUEST_KERNEL" -initrd "$GUEST_INITRD" -append "$(guest_cmdline "$guest")" \
		-netdev "$netdev,id=n0" -device "virtio-net-pci,netdev=n0,romfile=,mac=$(mac "$guest")" "$@" 2>"$LAB/$guest.qemu"
	GUEST_PID[$guest]=$LAB_LAST
}

guest_off() { # GUEST
	finish "${GUEST_PID[$1]}" KILL
	unset "GUEST_PID[$1]"
}

# What a former guest of that name has not been asked for.
guest_drain() { # GUEST
	local line
	while IFS= read -r -t 0.05 -u "${GUEST_FROM[$1]}" line; do :; done
}

# Prints what a guest says, up to the line that ends it; its status.
guest_answer() { # GUEST ID SECONDS
	local line end=$((SECONDS + $3 + 1))
	while [ "$SECONDS" -lt "$end" ]; do
		IFS= read -r -t 1 -u "${GUEST_FROM[$1]}" line || continue
		line=${line%$'\r'}
		case $line in
		"= $2 "*) return "${line##* }" ;;
		"|"*) printf '%s\n' "${line#|}" ;;
		esac
	done
	echo "$1 does not answer"
	return 124
}

guest_wait() { # GUEST [SECONDS]
	guest_answer "$1" boot "${2:-90}" || {
		tail -n 20 "$LAB/$1.console" "$LAB/$1.qemu"
		return 1
	}
}

guest_up() { # GUEST [SECONDS]
	check "guest $1 is up" guest_wait "$@"
}

# One command at a time for each guest. GUEST_PATIENCE: seconds to wait for its end.
guest_run() { # GUEST COMMAND
	local id=$BASHPID.$EPOCHREALTIME
	printf '%s %s\n' "$id" "${2//$'\n'/; }" >&"${GUEST_TO[$1]}"
	guest_answer "$1" "$id" "${GUEST_PATIENCE:-60}"
}

guest_pings() { # GUEST ADDRESS
	guest_run "$1" "for try in 1 2 3 4 5 6 7 8; do ping -q -c 1 -W 1 $2 >/dev/null && exit 0; done; exit 1"
}

guest_unreachable() { # GUEST ADDRESS
	! guest_run "$1" "ping -q -c 3 -W 1 $2" >/dev/null
}

guest_fetches() { # GUEST ADDRESS
	guest_run "$1" "fetch $2"
}
