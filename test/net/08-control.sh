#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The control socket bears bad clients, and the tools that look into the switch
# tell the truth: trace, mirror, pcap, monitor.
#
#	hostA--vm1, vm2 (alpha), vm3 (beta)     hostB--vm4 (alpha)

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
hosts hostA:alpha:vm1 hostA:alpha:vm2 hostA:beta:vm3 hostB:alpha:vm4
lab_expect 'control' 'client'
control() {
	"$PYTHON" "$LAB_TOP/test/net/control.py" "$LAB/hostA.sock" "$@"
}
reaches vm1 "$(v4 vm2)"
reaches vm1 "$(v4 vm4)"

# ---- monitor: started first, read at the end ----

background hostA "$TVD_BIN/switchctl" -s "$LAB/hostA.sock" monitor >"$LAB/events.txt"
monitor=$LAB_LAST
sleep 0.5

# ---- trace ----

frame() { # DESTINATION SOURCE: an Ethernet frame in hex
	printf '%s%s88b5%0100d' "${1//:/}" "${2//:/}" 0
}
trace() {
	ctl hostA -j trace port "$@" | json '(d[0] if isinstance(d, list) else d).get("verdict", "") + " " + str((d[0] if isinstance(d, list) else d).get("reason") or "-")'
}
macs() {
	ctl hostA -j fdb show | json 'sorted(e["mac"] for e in d)'
}
# A guest without addresses sends nothing, so that nothing else counts there.
lab_guest vm6
ctl hostA port add vm6 type tap segment beta ifname eth0 netns vm6 >/dev/null
wait_until 10 lab_raised vm6
before=$(ctl hostA -j port show vm6)
fdb=$(macs)
check "trace: to a known guest, forward" equal "$(trace vm1 "$(frame "$(mac vm2)" "$(mac vm1)")")" "forward -"
check "trace: broadcast, flood" equal "$(trace vm1 "$(frame ff:ff:ff:ff:ff:ff "$(mac vm1)")")" "flood -"
check "trace: to oneself, drop" equal "$(trace vm1 "$(frame "$(mac vm1)" "$(mac vm1)")")" "drop same_port"
check "trace: a reserved address, drop" equal "$(trace vm1 "$(frame 01:80:c2:00:00:00 "$(mac vm1)")")" "drop reserved"
check "trace: a group as source, drop" equal "$(trace vm1 "$(frame "$(mac vm2)" 01:00:5e:00:00:01)")" "drop bad_source"
check "trace: too short, drop" equal "$(trace vm1 0102030405)" "drop too_short"
trace vm1 "$(frame ff:ff:ff:ff:ff:ff 52:54:00:00:00:99)" >/dev/null || :
check "trace of an unknown source learns nothing" equal "$(macs)" "$fdb"
trace vm6 "$(frame ff:ff:ff:ff:ff:ff 52:54:00:00:00:06)" >/dev/null || :
trace vm6 "$(frame 01:80:c2:00:00:00 52:54:00:00:00:06)" >/dev/null || :
check "trace counts nothing" equal "$(ctl hostA -j port show vm6 | json '{k: v for k, v in d[0]["stats"].items() if k[0] == "r"}')" \
	"$(json '{k: v for k, v in d[0]["stats"].items() if k[0] == "r"}' <<<"$before")"
# A port that hears what vm1 floods, beside vm2 and the wire.
check "trace: the text names the receivers" grep -qx 'flood to port vm2, encap etherip uplink lan' \
	<<<"$(ctl hostA trace port vm1 "$(frame ff:ff:ff:ff:ff:ff "$(mac vm1)")")"
check "trace names a file that holds no packets" grep -q "switchctl: $LAB/hostA.conf: " <<<"$(ctl hostA trace port vm1 -r "$LAB/hostA.conf" 2>&1)"
check "options may stand behind" json "d[0]['name'] == 'vm1'" <<<"$(env TVDSWITCH_SOCKET=/nowhere "$TVD_BIN/switchctl" port show vm1 -j -s "$LAB/hostA.sock")"
check "and be written as those of ip" json "d[0]['name'] == 'vm1'" <<<"$("$TVD_BIN/switchctl" -socket "$LAB/hostA.sock" -json -p port show vm1)"
check "fdb show of a port" json "{e['port'] for e in d} == {'vm1'}" <<<"$(ctl hostA -j fdb show port vm1)"
check_not "of one that is not there" ctl hostA fdb show port vm99
check "uplink show of one" json "[u['name'] for u in d] == ['lan']" <<<"$(ctl hostA -j uplink show lan)"
check_not "of one that is not there" ctl hostA uplink show wan
check_not "junction show of one that is not there" ctl hostA junction show j
check "peer show of a segment" json "{p['segment'] for p in d} == {'alpha'}" <<<"$(ctl hostA -j peer show segment alpha)"
check "and of another" equal "$(ctl hostA -j peer show segment beta)" '[]'
ctl hostA fdb add 52:54:00:00:00:77 segment alpha port vm1 >/dev/null
check_not "fdb del of a station at another port" ctl hostA fdb del 52:54:00:00:00:77 port vm2
check "fdb del without a segment" ctl hostA fdb del 52:54:00:00:00:77
check_not "of a station that nobody knows" ctl hostA fdb del 52:54:00:00:00:77
ctl hostA fdb add 52:54:00:00:00:77 segment alpha port vm1 >/dev/null
ctl hostA fdb add 52:54:00:00:00:77 segment beta port vm3 >/dev/null
check "fdb del of one that two segments know asks which" finds 'in several segments' <<<"$(ctl hostA fdb del 52:54:00:00:00:77 2>&1)"
check "and takes the one that is said" ctl hostA fdb del 52:54:00:00:00:77 segment beta port vm3
check "and the other" ctl hostA fdb del 52:54:00:00:00:77 segment alpha
check_not "trace refuses what is not hex" ctl hostA trace port vm1 xyz

# ---- captures ----

check "a mirror of a port is added" ctl hostA mirror add m1 port vm1 file "$LAB/mirror.pcapng"
check "mirror show of it" json "[m['name'] for m in d] == ['m1']" <<<"$(ctl hostA -j mirror show m1)"
check_not "and of another" ctl hostA mirror show m2
check "mirror show has it" json "[m['name'] for m in d] == ['m1']" <<<"$(ctl hostA -j mirror show)"
timeout 20 "$TVD_BIN/switchctl" -s "$LAB/hostA.sock" pcap segment alpha icmp >"$LAB/live.pcap" &
live=$!
sleep 0.7
on vm1 ping -q -n -c 5 -i 0.05 "$(v4 vm2)" >/dev/null
on vm3 ping -q -n -c 2 -i 0.05 -W 1 "$(v4 vm1)" >/dev/null || :
sleep 0.5
kill -INT "$live" 2>/dev/null || :
wait "$live" 2>/dev/null || :
check "the mirror is deleted" ctl hostA mirror del m1
check "the mirror has 5 requests and 5 answers" equal "$(fields "$LAB/mirror.pcapng" icmp frame.number | wc -l)" 10
check "live pcap has them too, and only what its filter lets through" \
	equal "$(fields "$LAB/live.pcap" icmp frame.number | wc -l) $(fields "$LAB/live.pcap" '!icmp' frame.number | wc -l)" "10 0"
check_not "a filter with an error is refused" ctl hostA pcap segment alpha 'tcp port'

# ---- bad clients ----

check "garbage is refused" control garbage
check "and the switch answers" ctl hostA status
check "1,000 connections" control many 1000
check "and the switch answers" ctl hostA status

coproc STALL { control stall; }
# shellcheck disable=SC2153 # bash sets it
stalled=$STALL_PID
read -r -t 15 _ <&"${STALL[0]}" || :
on vm1 ping -q -n -c 100 -i 0.01 "$(v4 vm2)" >"$LAB/stall.txt" || :
check "clients that do not read cost no frame" grep -q ' 0% packet loss' "$LAB/stall.txt"
check "and others are answered" ctl hostA -j fdb show
kill "$stalled" 2>/dev/null || :
wait "$stalled" 2>/dev/null || :

# ---- what is configured is shown ----

ctl hostA segment add rules tags pass storm 7 isolated yes reserved 14 fdb_port_max 5 >/dev/null
check "segment show has its rules" json '[d[0][k] for k in ("tags", "storm", "isolated", "reserved", "fdb_port_max")] == ["pass", 7, True, [14], 5]' \
	<<<"$(ctl hostA -j segment show rules)"
check "and none where none are given" json '"storm" not in d[0] and "tags" not in d[0]' <<<"$(ctl hostA -j segment show alpha)"
ctl hostA segment del rules >/dev/null

# ---- the completion of the shell ----

completes() { # WORD...: what it offers for the last one
	# shellcheck disable=SC2016 # the inner shell expands it
	on hostA env TVDSWITCH_SOCKET="$LAB/hostA.sock" PATH="$TVD_BIN:$PATH" bash -c '
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_switchctl
		echo "${COMPREPLY[*]}"' "$LAB_TOP/conf/completion/switchctl" switchctl "$@"
}
check "completion knows ports" equal "$(completes port show vm1)" vm1
check "and segments" equal "$(completes port add x type tap segment a)" alpha
check "and keys of a port's type" equal "$(completes port add x type stream segment alpha conn)" connect
check "and none of another's" equal "$(completes port add x type tap segment alpha conn)" ""
check "and those of a port that is there" equal "$(completes port set vm1 ifn)" ifname
check "and keys and values of encaps" equal "$(completes segment add x encap etherip tr) $(completes segment add x encap etherip transport u)" "transport udp"
check "and nothing for a value that is anybody's guess" equal "$(completes port add x type tap mtu '')" ""

# ---- the monitor's events ----

ctl hostA port add vm9 type tap segment alpha ifname x9 >/dev/null
ctl hostA port del vm9 >/dev/null
ctl hostA fdb flush segment alpha >/dev/null
reaches vm1 "$(v4 vm4)"
ctl hostA reload >/dev/null
sleep 0.5
finish "$monitor"
check "monitor writes one JSON object a line" "$PYTHON" -c 'import json, sys
for line in open(sys.argv[1]):
    assert isinstance(json.loads(line), dict)' "$LAB/events.txt"
for event in learned port reload; do
	check "monitor has \"$event\" events" grep -q "$event" "$LAB/events.txt"
done
check "log set changes the level" ctl hostA log set debug
check_not "but not to nonsense" ctl hostA log set loud
check "list-commands names the objects" grep -q '^fdb' <<<"$(ctl hostA list-commands)"
check "version" grep -q '[0-9]\.[0-9]' <<<"$(ctl hostA version)"
lab_end
