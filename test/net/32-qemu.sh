#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Guests of real QEMU, with Debian's kernel, in one segment of one host:
#
#	vm1 -netdev stream      vm3 -netdev dgram, UDP
#	vm2 -netdev dgram       vm4 -netdev tap, whose interface a wildcard takes
#	vm7 a namespace with a TAP of the switch's
#
# Each guest fetches a file from each other by TCP. Needs qemu-system-x86_64, a static
# busybox, and a kernel with its modules: of the packages installed here, or below the
# folder TVD_GUEST_KERNEL, as `dpkg -x linux-image-*.deb FOLDER` leaves it.

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

ROOT=${TVD_GUEST_KERNEL:-}
BUSYBOX=$(command -v busybox || :)
MODULES="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net"
KERNEL='' VERSION=''
for image in "$ROOT"/boot/vmlinuz-*; do
	[ -r "$image" ] || continue
	VERSION=${image##*/vmlinuz-}
	[ -d "$ROOT/lib/modules/$VERSION/kernel" ] && KERNEL=$image
done
command -v qemu-system-x86_64 >/dev/null || lab_skip "there is no qemu-system-x86_64 here (package qemu-system-x86)"
[ -n "$BUSYBOX" ] || lab_skip "there is no busybox here (package busybox-static)"
command -v cpio >/dev/null || lab_skip "there is no cpio here"
[ -n "$KERNEL" ] || lab_skip "there is no kernel for guests here (TVD_GUEST_KERNEL; package linux-image-cloud-amd64)"
lab_begin "$@"

# ---- the guest's system ----

image() {
	local root=$LAB/root module file
	mkdir -p "$root/bin" "$root/m" "$root/proc" "$root/sys" "$root/dev" "$root/www" "$root/tmp"
	cp "$BUSYBOX" "$root/bin/busybox"
	for module in $MODULES; do
		file=$(find "${ROOT}/lib/modules/$VERSION" -name "$module.ko*" | head -n 1)
		case $file in
		*.ko) cp "$file" "$root/m/" ;;
		*.ko.xz) xz -dc "$file" >"$root/m/$module.ko" ;;
		esac
	done
	cat >"$root/init" <<-END
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		export PATH=/bin
		mount -t proc proc /proc
		mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev
		for m in $MODULES; do [ ! -e /m/\$m.ko ] || insmod /m/\$m.ko; done
		for word in \$(cat /proc/cmdline); do
			case \$word in me=*) me=\${word#*=} ;; others=*) others=\$(echo \${word#*=} | tr , ' ') ;; esac
		done
		ip link set lo up
		ip addr add 10.0.0.\$me/24 dev eth0
		ip link set eth0 up
		dd if=/dev/urandom of=/www/data bs=65536 count=32 2>/dev/null
		md5sum </www/data >/www/sum
		nc -ll -p 5000 -e cat /www/data &
		nc -ll -p 5001 -e cat /www/sum &
		echo "RESULT up"
		for other in \$others; do
			said=bad
			for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
				if nc -w 5 10.0.0.\$other 5000 >/tmp/data && nc -w 5 10.0.0.\$other 5001 >/tmp/sum && [ -s /tmp/sum ]; then
					[ "\$(md5sum </tmp/data)" != "\$(cat /tmp/sum)" ] || said=good
					break
				fi
				sleep 1
			done
			echo "RESULT \$other \$said"
		done
		echo "RESULT done"
		while :; do sleep 1000; done
	END
	chmod +x "$root/init"
	(cd "$root" && find . | cpio -o -H newc 2>/dev/null) >"$LAB/initrd"
}
image

declare -A QEMU=()
boot() { # NUMBER OTHERS NETDEV
	: >"$LAB/vm$1.serial"
	background hostA qemu-system-x86_64 -accel tcg -cpu max -m 160 -nodefaults -display none -no-reboot \
		-serial "file:$LAB/vm$1.serial" -kernel "$KERNEL" -initrd "$LAB/initrd" \
		-append "console=ttyS0 quiet panic=-1 me=$1 others=$2" \
		-netdev "$3,id=n0" -device "virtio-net-pci,netdev=n0,romfile=,mac=$(mac "vm$1")" 2>"$LAB/vm$1.qemu"
	QEMU[$1]=$LAB_LAST
}
said() { # NUMBER WORDS
	tr -d '\r' <"$LAB/vm$1.serial" | grep -q "^RESULT $2\$"
}
state_is() { # PORT STATE
	[ "$(ctl hostA -j port show "$1" 2>/dev/null | json "d[0]['state']" 2>/dev/null)" = "$2" ]
}

lab_host hostA 192.0.2.1/24
lab_guest vm7
S=$LAB/s
mkdir "$S"
{
	list segments "$(segment alpha 1)"
	list ports "$(tap vm7 alpha)" \
		"{ name = \"vm1\"; type = \"stream\"; segment = \"alpha\"; path = \"$S/vm1\"; }" \
		"{ name = \"vm2\"; type = \"dgram\"; segment = \"alpha\"; path = \"$S/vm2\"; remote = \"$S/vm2.guest\"; }" \
		'{ name = "vm3"; type = "udp"; segment = "alpha"; local = "127.0.0.1:4003"; remote = "127.0.0.1:4103"; }' \
		'{ name = "guests"; type = "netdev"; segment = "alpha"; interface = "vnet*"; state = "open"; }'
} | lab_config hostA
lab_start hostA
address vm7

boot 1 2,3,4 "stream,server=off,addr.type=unix,addr.path=$S/vm1"
boot 2 1,3,4 "dgram,local.type=unix,local.path=$S/vm2.guest,remote.type=unix,remote.path=$S/vm2"
boot 3 1,2,4 "dgram,local.type=inet,local.host=127.0.0.1,local.port=4103,remote.type=inet,remote.host=127.0.0.1,remote.port=4003"
boot 4 1,2,3 "tap,ifname=vnet4,script=no,downscript=no"
for n in 1 2 3 4; do
	wait_until 60 said "$n" up || flunk "vm$n boots" "$(tail -n 20 "$LAB/vm$n.serial" "$LAB/vm$n.qemu")"
done
for n in 1 2 3 4; do
	check "vm$n is reached" reaches vm7 "$(v4 "vm$n")"
	wait_until 90 said "$n" "done" || :
	for other in 1 2 3 4; do
		[ "$n" = "$other" ] || check "vm$n fetches from vm$other what it has" said "$n" "$other good"
	done
done
check "the interface of a TAP that QEMU holds became a port" state_is guests/vnet4 up
check "its guest leaves superframes to others" json "d[0]['stats']['rx_segments'] > d[0]['stats']['rx_frames']" \
	<<<"$(ctl hostA -j port show guests/vnet4)"
check "nothing had bad offload metadata" equal "$(all_drops hostA bad_offload)" 0

# ---- a guest stopped and started; the switch restarted ----

finish "${QEMU[4]}" KILL
check "a guest that ends takes its port along" wait_until 5 eval '! ctl hostA port show guests/vnet4'
boot 4 1 "tap,ifname=vnet4,script=no,downscript=no"
check "started again it has its port" wait_until 20 state_is guests/vnet4 up
check "and fetches again" wait_until 60 said 4 '1 good'
lab_stop hostA
lab_start hostA
address vm7
for n in 2 3 4; do
	check "after a restart of the switch vm$n is reached again" reaches vm7 "$(v4 "vm$n")"
done
lab_end
