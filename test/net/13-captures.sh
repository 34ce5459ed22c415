#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Mirrors to files and ports, live captures, and readers that do not keep up.
#
#	hostA   [ alpha ]--vm1  vm2  vm3     [ beta ]--vm4

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

lab_host hostA
lab_guest vm1 vm2 vm3 vm4
{
	list segments "$(segment alpha 1)" "$(segment beta 2)"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" "$(tap vm3 alpha)" "$(tap vm4 beta)"
} | lab_config hostA
lab_start hostA
address vm1 vm2 vm3 vm4
reaches vm1 "$(v4 vm2)"

ping_all() {
	on vm1 ping -q -n -c 5 -i 0.05 "$(v4 vm2)" >/dev/null
}
mirror() { # NAME KEY
	ctl hostA -j mirror show | json "[m['$2'] for m in d if m['name'] == '$1'][0]"
}
count() { # FILE FILTER
	fields "$1" "$2" frame.number | wc -l
}
live() { # FILE ARGS...
	local file=$1
	shift
	"$TVD_BIN/switchctl" -s "$LAB/hostA.sock" pcap "$@" >"$file" &
	LAB_CHILDREN+=($!)
	wait_until 5 test -s "$file"
}

live_has() { # FRAMES
	[ "$(count "$LAB/live.pcap" icmp)" -ge "$1" ]
}
no_mirrors() {
	equal "$(ctl hostA -j mirror show)" '[]'
}
one_frame() {
	ctl hostA pcap segment alpha | head -c 100 >/dev/null &
	ping_all
	wait $!
	reaches vm1 "$(v4 vm2)"
}

# ---- into files ----

check "a port is mirrored into a file" ctl hostA mirror add p port vm1 file "$LAB/p.pcapng"
check "a segment is mirrored into a file" ctl hostA mirror add s segment alpha file "$LAB/s.pcapng"
check_not "a name is taken once" ctl hostA mirror add p port vm2 file "$LAB/q.pcapng"
check_not "a port is not mirrored to itself" ctl hostA mirror add q port vm2 port vm2
check_not "what does not exist is not mirrored" ctl hostA mirror add q port vm7 file "$LAB/q.pcapng"
ping_all
check "it is shown" equal "$(mirror p file)" "$LAB/p.pcapng"
check "nothing was dropped" equal "$(mirror p drops) $(mirror s drops)" '0 0'
# Guests say things of their own accord: what comes in between is in the file only.
frames=$(mirror p frames)
check "the one is ended" ctl hostA mirror del p
check "and the other" ctl hostA mirror del s
check_not "one that is not there cannot be ended" ctl hostA mirror del p
ping_all
read=$(count "$LAB/p.pcapng" frame)
check "tshark reads the frames that were counted ($read of $frames)" \
	[ "$read" -ge "$frames" -a "$read" -le $((frames + 3)) ]
check "a port's has both directions" \
	equal "$(count "$LAB/p.pcapng" icmp.type==8) $(count "$LAB/p.pcapng" icmp.type==0)" '5 5'
check "and says which is which" \
	equal "$(fields "$LAB/p.pcapng" icmp frame.interface_name icmp.type frame.packet_flags_direction | sort -u | xargs)" \
	"vm1 0 0x00000002 vm1 8 0x00000001"
check "a segment's has each frame once" \
	equal "$(count "$LAB/s.pcapng" icmp.type==8) $(count "$LAB/s.pcapng" icmp.type==0)" '5 5'

# ---- to ports ----

capture vm4 eth0 "$LAB/vm4.pcap"
other=$LAB_LAST
check_not "no port is mirrored into a domain that is closed to it" ctl hostA mirror add m port vm1 port vm4
check "unless that is meant, by both" eval 'ctl hostA port set vm4 indirect true && ctl hostA port set vm1 indirect true'
check "a port is mirrored to one of another segment" ctl hostA mirror add m port vm1 port vm4
check "and back: mirrors are not mirrored" ctl hostA mirror add back port vm4 port vm1
ping_all
capture_end "$other"
check "each frame comes once" \
	equal "$(count "$LAB/vm4.pcap" icmp.type==8) $(count "$LAB/vm4.pcap" icmp.type==0)" '5 5'
check "they are shown" equal "$(mirror m port) $(mirror m to_port)" 'vm1 vm4'
check "a port that goes" ctl hostA port del vm4
check "takes its mirrors along" no_mirrors

# ---- live ----

live "$LAB/live.pcap" port vm1 "icmp and host $(v4 vm2)"
reader=${LAB_CHILDREN[-1]}
ping_all
on vm1 ping -q -n -c 3 -i 0.05 "$(v4 vm3)" >/dev/null
wait_until 5 live_has 10
kill -INT "$reader"
wait "$reader" || :
check "a live capture has what its filter lets through, and nothing else" \
	equal "$(count "$LAB/live.pcap" icmp) $(count "$LAB/live.pcap" frame)" '10 10'
check_not "a bad filter is refused" ctl hostA pcap port vm1 'no such thing'
check_not "a filter that may run for ever is refused" ctl hostA pcap port vm1 'ip6 protochain 6'
check "a reader that leaves after a frame is no harm" one_frame

lab_expect 'mirror stalled of vm1 has ended: .*nobody reads it any more'
mkfifo "$LAB/stalled"
sleep 1000 <>"$LAB/stalled" & # holds it open and reads nothing
LAB_CHILDREN+=($!)
check "a reader that does not read" ctl hostA mirror add stalled port vm1 file "$LAB/stalled"
on vm1 ping -q -n -c 1000 -f -s 1400 "$(v4 vm2)" >/dev/null
check "makes frames drop" [ "$(mirror stalled drops)" -gt 1000 ]
check "and nothing else" on vm1 ping -q -n -c 20 -i 0.01 "$(v4 vm2)"
kill "${LAB_CHILDREN[-1]}"
check "the capture ends with its last reader" wait_until 5 no_mirrors
lab_end
