#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# How fast two guests of QEMU are in one segment, by the way in which they are attached,
# beside the same two guests on a Linux bridge. All take turns in each round; a figure is
# the median of the rounds. Not a test: no figure fails.
#
#	attachments.sh [--rounds N] [--seconds N] [TYPE...]
#
#	bridge		TAPs in a Linux bridge, the reference
#	bridge-plain	the same where QEMU offers guests no offloads: what sockets compare with
#	netdev		TAPs that QEMU makes, taken by ports of type netdev
#	tap-fd		the same with descriptors that QEMU is given, as libvirt does it
#	stream, dgram	UNIX sockets
#	udp		UDP
#	vde		a vde socket, where switchd has those ports
#
# Needs what test/interop needs (./run check-interop fetches it), and iperf3.

HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=SCRIPTDIR/../net/common.sh
. "$HERE/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/guest.sh
. "$HERE/../lab/guest.sh"
command -v iperf3 >/dev/null || lab_skip "there is no iperf3 here"
guest_need

rounds=3 seconds=3
types=()
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2 && shift 2 ;;
	--seconds) seconds=$2 && shift 2 ;;
	-*)
		echo "usage: attachments.sh [--rounds N] [--seconds N] [TYPE...]" >&2
		exit 2
		;;
	*) types+=("$1") && shift ;;
	esac
done
[ ${#types[@]} -gt 0 ] || types=(bridge bridge-plain netdev tap-fd stream dgram udp vde)
[ "${types[0]}" = bridge ] || types=(bridge "${types[@]}")
lab_begin --rounds "$rounds" --seconds "$seconds" "${types[@]}"
LAB_LOG_LEVEL=warn
GUEST_FILES=$(command -v iperf3)
# shellcheck disable=SC2119 # no more modules
guest_image

# ---- what each guest is attached to ----

# Opens a TAP, and becomes QEMU with its descriptor as 9.
# shellcheck disable=SC2016 # Python
WITH_TAP='import fcntl, os, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", sys.argv[1].encode(), 0x0002 | 0x1000 | 0x4000))
os.dup2(tap, 9)
os.execvp(sys.argv[2], sys.argv[2:])'

port() { # NAME SEGMENT TYPE KEYS
	ctl hostA port add "$1" type "$3" segment "$2" "${@:4}"
}

attach() { # TYPE GUEST
	local path=$LAB/s/$2 n
	n=$(number "$2")
	GUEST_WRAP=()
	case $1 in
	bridge | bridge-plain)
		NETDEV="tap,ifname=$2,script=no,downscript=no,vnet_hdr=$([ "$1" = bridge ] && echo on || echo off)"
		;;
	netdev)
		port "$2" "$1" netdev interface "$2"
		NETDEV="tap,ifname=$2,script=no,downscript=no"
		;;
	tap-fd)
		port "$2" "$1" netdev interface "$2"
		GUEST_WRAP=("$PYTHON" -c "$WITH_TAP" "$2")
		NETDEV="tap,fd=9"
		;;
	stream)
		port "$2" "$1" stream path "$path"
		NETDEV="stream,server=off,addr.type=unix,addr.path=$path"
		;;
	dgram)
		port "$2" "$1" dgram path "$path" remote "$path.guest"
		NETDEV="dgram,local.type=unix,local.path=$path.guest,remote.type=unix,remote.path=$path"
		;;
	udp)
		port "$2" "$1" udp local "127.0.0.1:$((4000 + n))" remote "127.0.0.1:$((4100 + n))"
		NETDEV="dgram,local.type=inet,local.host=127.0.0.1,local.port=$((4100 + n)),remote.type=inet,remote.host=127.0.0.1,remote.port=$((4000 + n))"
		;;
	vde)
		# One socket for all, with a port for each who comes.
		[ -e "$LAB/s/vde" ] || port vde vde vde path "$LAB/s/vde" || return 1
		NETDEV="vde,sock=$LAB/s/vde"
		;;
	*)
		lab_die "there is no type $1"
		;;
	esac
}

join() { # TYPE GUEST: to its bridge
	case $1 in
	bridge | bridge-plain) wait_until 10 on hostA ip link set "$2" master "$1" up 2>/dev/null ;;
	esac
}

lab_host hostA 192.0.2.1/24
# What systemd sets on the host itself: how many datagrams may wait for a UNIX socket.
on hostA sysctl -qw net.unix.max_dgram_qlen=512
mkdir "$LAB/s"
lab_config hostA </dev/null
lab_start hostA
for type in bridge bridge-plain; do
	on hostA ip link add "$type" type bridge mcast_snooping 0 forward_delay 0
	on hostA ip link set "$type" up
done

declare -A FIRST=() SECOND=() RATES=() TIMES=()
measured=()
n=0
for type in "${types[@]}"; do
	[ "${type#bridge}" != "$type" ] || ctl hostA segment add "$type"
	FIRST[$type]=vm$((++n))
	SECOND[$type]=vm$((++n))
	for guest in "${FIRST[$type]}" "${SECOND[$type]}"; do
		if ! attach "$type" "$guest" 2>"$LAB/why"; then
			echo "# $type is left out: $(tail -n 1 "$LAB/why")"
			continue 2
		fi
		guest_boot hostA "$guest" "$NETDEV"
		join "$type" "$guest"
	done
	measured+=("$type")
done
for type in "${measured[@]}"; do
	if ! guest_wait "${FIRST[$type]}" || ! guest_wait "${SECOND[$type]}"; then
		lab_die "the guests of $type do not start"
	fi
	guest_run "${SECOND[$type]}" 'iperf3 -s >/dev/null 2>&1 &'
	guest_pings "${FIRST[$type]}" "$(v4 "${SECOND[$type]}")" || lab_die "the guests of $type do not reach each other"
done

# ---- rounds ----

rate() { # FROM TO: Mbit/s
	guest_run "$1" "iperf3 -c $(v4 "$2") -t $seconds -f m" | awk '/receiver/ { for (i = 1; i < NF; i++) if ($(i + 1) == "Mbits/sec") print $i }'
}
round_trip() { # FROM TO: microseconds
	guest_run "$1" "ping -q -c 50 -i 0.01 $(v4 "$2")" | awk -F / '/round-trip/ { printf "%d\n", $4 * 1000 }'
}
median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

for ((round = 1; round <= rounds; round++)); do
	for type in "${measured[@]}"; do
		RATES[$type]+=" $(rate "${FIRST[$type]}" "${SECOND[$type]}")"
		TIMES[$type]+=" $(round_trip "${FIRST[$type]}" "${SECOND[$type]}")"
	done
done

# shellcheck disable=SC2086 # lists of numbers
{
	reference=$(median ${RATES[bridge]})
	printf '%-14s %10s %8s %12s   %s\n' attachment Mbit/s ratio 'RTT us' 'Mbit/s of each round'
	for type in "${measured[@]}"; do
		rate=$(median ${RATES[$type]})
		printf '%-14s %10.0f %8.2f %12s  %s\n' "$type" "$rate" "$(awk "BEGIN { print $rate / $reference }")" \
			"$(median ${TIMES[$type]})" "${RATES[$type]}"
	done
}
echo "# one iperf3 stream of $seconds s between two guests, emulated without KVM, $rounds rounds; ratio to bridge"
lab_down
# shellcheck disable=SC2034 # for lab.sh
LAB_ENDED=1
exit 0
