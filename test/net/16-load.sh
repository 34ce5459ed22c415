#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# At full load nobody pays for another: while one guest sends superframes, another small
# frames as fast as it can, and some at ports of all kinds read nothing, all frames of one
# that sends little arrive, and requests are answered. Afterwards the switch sleeps, though it is to look for
# frames without sleeping while there are some.
#
#	hostA: vm1 (superframes), vm2 (gets the load), vm3 (sends little), vm4 (hears it),
#	       vm5 (small frames), and who read nothing: stream, dgram, udp, vde, netdev (a TAP)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
load=$LAB_TOP/test/net/load.py
deaf="stream dgram udp vde/1 netdev"
COUNT=1500

lab_guest vm1 vm2 vm3 vm4 vm5
lab_host hostA
deaf_port() { # TYPE KEYS
	printf '{ name = "%s"; type = "%s"; segment = "alpha"; %s }' "$1" "$1" "$2"
}
{
	echo 'busy_poll = 200;'
	list segments "$(segment alpha 1 'storm = 0; ')"
	list ports "$(tap vm1 alpha)" "$(tap vm2 alpha)" "$(tap vm3 alpha)" "$(tap vm4 alpha)" "$(tap vm5 alpha)" \
		"$(deaf_port stream "path = \"$LAB/stream\";")" "$(deaf_port netdev 'interface = "deaf0";')" \
		"$(deaf_port dgram "path = \"$LAB/dgram\"; remote = \"$LAB/dgram.guest\";")" \
		"$(deaf_port udp 'local = "127.0.0.1:4000"; remote = "127.0.0.1:4001";')" \
		"$(deaf_port vde "path = \"$LAB/vde\";")"
} | lab_config hostA
lab_start hostA
address vm1 vm2 vm3 vm4 vm5
background hostA "$PYTHON" "$load" deaf "$LAB/stream"
background hostA "$PYTHON" "$load" deaf_dgram "$LAB/dgram.guest" "$LAB/dgram"
background hostA "$PYTHON" "$load" deaf_udp 4001 4000
background hostA "$PYTHON" "$load" deaf_tap deaf0
background hostA "$PYTHON" "$LAB_TOP/test/net/vdeclient.py" late "$LAB/never" "$LAB/vde"
is_up() {
	[ "$(ctl hostA -j port show "$1" | json "d[0]['state']")" = up ]
}
for port in $deaf; do
	check "somebody is at the port who reads nothing: $port" wait_until 10 is_up "$port"
done
status() { # EXPRESSION
	ctl hostA -j status | json "$1"
}
frames() { # PORT
	ctl hostA -j port show "$1" | json "d[0]['stats']['rx_frames']"
}

# ---- the load ----

background vm2 iperf3 -s -4 >/dev/null 2>&1
wait_until 10 eval 'on vm2 ss -Hltn | finds 5201' || lab_die "iperf3 does not listen"
background vm1 iperf3 -c "$(v4 vm2)" -t 100 >/dev/null
superframes=$LAB_LAST
check "small frames find their way" reaches vm5 "$(v4 vm2)"
background vm5 "$PYTHON" "$load" flood eth0 "$(mac vm5)" "$(mac vm2)"
flood=$LAB_LAST
check "superframes are on their way" wait_until 10 eval \
	'ctl hostA -j port show vm1 | json "d[0][\"stats\"][\"rx_segments\"] > 2 * d[0][\"stats\"][\"rx_frames\"] > 200"'
check "and many small frames" wait_until 10 eval '[ "$(frames vm5)" -gt 20000 ]'

# ---- who sends little ----

background vm4 "$PYTHON" "$load" hear eth0 "$COUNT" >"$LAB/heard"
heard=$LAB_LAST
wait_until 10 grep -q ready "$LAB/heard" || lab_die "vm4 does not listen"
background vm3 "$PYTHON" "$load" say eth0 "$(mac vm3)" "$COUNT"
says=$LAB_LAST

# ---- who asks ----

answers() {
	local n begin took slowest=0
	for n in {1..20}; do
		begin=$(date +%s%N)
		ctl hostA status >/dev/null && ctl hostA port show >/dev/null || return 1
		took=$((($(date +%s%N) - begin) / 1000000))
		[ "$took" -le "$slowest" ] || slowest=$took
	done
	echo "$slowest" >"$LAB/slowest"
}
check "all requests are answered meanwhile" answers
echo "# two requests took $(cat "$LAB/slowest") ms at most, with the start of two processes"
check "the load has not ended" kill -0 "$superframes" "$flood"

wait "$says" || :
wait "$heard" || :
check "of $COUNT frames each has arrived" equal "$(sed -n 's/^heard //p' "$LAB/heard")" "$COUNT"
for port in stream dgram vde/1; do
	check "though one has lost those that it does not read: $port" [ "$(port_drops hostA "$port" queue_full tx)" -gt 0 ]
done
check "many small frames were read at once, where the kernel can" status \
	"d['bulk'] is None or d['bulk']['frames'] > 4 * d['bulk']['calls'] > 0"

# ---- nobody has anything to say ----

finish "$flood" KILL
finish "$superframes" KILL
sleeps() {
	local before
	before=$(status "d['wakeups']")
	sleep 0.3
	[ $(($(status "d['wakeups']") - before)) -lt 300 ]
}
check "then the switch sleeps" wait_until 20 sleeps
lab_end
