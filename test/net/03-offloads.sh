#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Data arrives as it was sent whatever guests leave to their "hardware": TCP and
# UDP, IPv4 and IPv6, inside a host and between hosts, for every combination of
# the sender's offload settings and some of the receivers'.
#
#	hostA--vm1 (sends), vm2        hostB--vm3
#	  +------------- wire ------------+

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
hosts hostA:alpha:vm1 hostA:alpha:vm2 hostB:alpha:vm3
transfer=$LAB_TOP/test/net/transfer.py

for guest in vm2 vm3; do
	background "$guest" "$PYTHON" "$transfer" serve >"$LAB/$guest.serve"
	wait_until 10 grep -q ready "$LAB/$guest.serve" || lab_die "no server in $guest"
done

# TCP mends a lot by sending again, one segment at a time: it is not enough that
# data arrives. No guest may ever see a wrong checksum.
wrong_checksums() {
	local guest
	for guest in vm1 vm2 vm3; do
		on "$guest" cat /proc/net/snmp /proc/net/snmp6
	done | awk '
		$1 == "Tcp:" || $1 == "Udp:" {
			if ($2 !~ /^[0-9-]+$/) { for (i = 2; i <= NF; i++) column[$1, $i] = i }
			else n += $column[$1, "InCsumErrors"]
		}
		$1 == "Udp6InCsumErrors" { n += $2 }
		END { print n + 0 }'
}
intact() {
	on vm1 "$PYTHON" "$transfer" check "$(v4 vm2)" "$(v6 vm2)" "$(v4 vm3)" "$(v6 vm3)" || return 1
	equal "wrong checksums: $(wrong_checksums)" "wrong checksums: 0"
}
check "transfers with the settings as they are" intact

# Settings that depend on others change with them; what counts is that every
# state that can be reached works.
set_offloads() { # GUEST FEATURE VALUE...
	local guest=$1
	shift
	on "$guest" ethtool -K eth0 "$@" >/dev/null 2>&1 || :
}

settings() { # GUEST
	on "$1" ethtool -k eth0 | sed -n -E 's/^(tx-checksumming|tcp-segmentation-offload|generic-segmentation-offload|generic-receive-offload|tx-udp-segmentation): (on|off).*/\1=\2/p' | xargs
}

seen=$LAB/seen
: >"$seen"
for receiver in "tx on tso on gso on gro on" "tx off tso off gso off gro off" "tx on tso off gso on gro off"; do
	for guest in vm2 vm3; do
		# shellcheck disable=SC2086 # words
		set_offloads "$guest" $receiver
	done
	for tx in on off; do
		for tso in on off; do
			for gso in on off; do
				for gro in on off; do
					set_offloads vm1 tx "$tx" tso "$tso" gso "$gso" gro "$gro"
					settings vm1 >>"$seen"
					check "sender tx $tx tso $tso gso $gso gro $gro, receivers $receiver" \
						intact
					# Every failure takes its time; the first tell enough.
					[ "$LAB_FAILED" -lt 3 ] || lab_end
				done
			done
		done
	done
done
check "the settings really differed ($(sort -u "$seen" | wc -l) states)" [ "$(sort -u "$seen" | wc -l)" -ge 8 ]

for host in hostA hostB; do
	check "$host dropped nothing for bad offload metadata" equal "$(all_drops "$host" bad_offload)" 0
done
check "what left host A was cut to fit the wire" equal "$(all_drops hostA oversize)" 0
lab_end
