#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A controlled junction: real TCP, UDP, ICMP and IPv6 pass by rules, on one host and
# between two, and what does not go on with a connection is refused; a flood of beginnings
# ends no connection; a revoked rule does, a reload and a successor do not.
#
#	hostA--vm1 (alpha), vm2 (beta), vm5 (alpha)     hostB--vm3 (alpha), vm4 (beta)

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/takeovers.sh
. "$(dirname "$0")/takeovers.sh"
lab_begin "$@"
tool=$LAB_TOP/test/net/controlled.py

neighbours='{ filter = "arp or (icmp6 and (ip6[40] = 135 or ip6[40] = 136))"; stateful = true; }'
web='{ filter = "tcp dst port 8080"; stateful = true; }'
pick='{ filter = "tcp dst port 8080"; stateful = true; pickup = true; }'
domains='{ filter = "udp dst port 53 or udp dst port 54"; stateful = true; }'
pings='{ filter = "icmp[0] = 8 or (icmp6 and ip6[40] = 128)"; stateful = true; }'
configure() { # KEYS RULE...
	local keys=$1 n=0 host rules=$neighbours
	shift
	for rule; do rules="$rules, $rule"; done
	for host in hostA hostB; do
		n=$((n + 1))
		{
			echo 'connections_max = 1000;'
			uplink "192.0.2.$n"
			list segments "$(segment alpha 1 "$(etherip 239.192.0.1)")" "$(segment beta 2 "$(etherip 239.192.0.2)")"
			if [ $host = hostA ]; then
				list ports "$(tap vm1 alpha)" "$(tap vm2 beta)" "$(tap vm5 alpha)"
			else
				list ports "$(tap vm3 alpha)" "$(tap vm4 beta)"
			fi
			list policy "{ from = \"alpha\"; to = \"beta\"; flow = \"controlled\"; $keys allow = ( $rules ); }" \
				"{ from = \"beta\"; to = \"alpha\"; flow = \"controlled\"; allow = ( $neighbours ); }"
		} | lab_config $host
	done
}
reload() {
	ctl hostA reload && ctl hostB reload
}
does() { # GUEST WHAT ARGS...
	local guest=$1
	shift
	on "$guest" timeout 20 "$PYTHON" "$tool" "$@"
}
drops() { # PORT REASON
	port_drops hostA "$1" "$2"
}
connections() { # EXPRESSION of c
	ctl hostA -j connection show | json "[1 for c in d if $1].__len__()"
}
# Whether a conversation goes on; whether it stands still.
lines() { # FILE
	wc -l <"$LAB/$1"
}
goes_on() { # FILE
	local before
	before=$(lines "$1")
	wait_until 30 eval "[ \"\$(lines $1)\" -gt $((before + 3)) ]"
}
stands_still() { # FILE
	local before
	sleep 0.5
	before=$(lines "$1")
	sleep 1
	equal "$(lines "$1")" "$before"
}

lab_host hostA 192.0.2.1/24
lab_host hostB 192.0.2.2/24
lab_guest vm1 vm2 vm3 vm4 vm5
lab_wire hostA hostB
configure '' "$web" "$domains" "$pings"
for host in hostA hostB; do lab_start "$host"; done
address vm1 vm2 vm3 vm4 vm5
for guest in vm1 vm2 vm4; do
	background "$guest" "$PYTHON" "$tool" serve >"$LAB/$guest.serve"
	wait_until 10 grep -q ready "$LAB/$guest.serve"
done

# ---- what is refused before it is in force ----

sed 's/tcp dst port 8080/tcp dst port http/' "$LAB/hostA.conf" >"$LAB/name.conf"
check_not "a filter with a name is an error" "$TVD_BIN/switchd" -t -c "$LAB/name.conf"
check "that says so" grep -q '"http" is no word' <<<"$("$TVD_BIN/switchd" -t -c "$LAB/name.conf" 2>&1)"
# What libpcap has to parse, in a reload, with the calls that are allowed.
many='{ filter = "portrange 9000-9001 and (ip6 host fd00::9 or ip6 net fd01::/16 or net 10.9 or host 10.9.9.9 or ether host 52:54:00:00:00:09)"; }'

# ---- what passes, and comes back ----

for to in vm2 vm4; do
	for address in $(v4 $to) $(v6 $to); do
		check "ping $to at $address" reaches vm1 "$address"
		check "TCP with $to at $address" does vm1 connects "$address" 8080
		check "UDP with $to at $address" does vm1 asks "$address"
		check "an ICMP error comes back from $to at $address" does vm1 refused "$address" 54
	done
done
check "superframes pass, many megabytes" does vm1 bulk "$(v4 vm2)" 20000000
check "also between hosts, both ways" does vm3 bulk "$(v6 vm2)" 4000000
check "connections are shown" eval '[ "$(connections "c[\"proto\"] == \"tcp\" and c.get(\"dport\") == 8080 and c[\"segment\"] == \"alpha\" and c[\"src\"] == \"$(v4 vm1)\"")" -ge 1 ]'
check "with the rule that let them in" eval '[ "$(connections "c[\"proto\"] == \"udp\" and c[\"out\"].startswith(\"udp\") and c[\"in\"] == c[\"out\"] and c[\"state\"] in (\"new\", \"replied\")")" -ge 1 ]'
check "and superframes are what passed" json "any(c['bytes'] > 1600 * c['frames'] for c in d if c['proto'] == 'tcp')" <<<"$(ctl hostA -j connection show)"
check "metrics count them" eval '[ "$(ctl hostA metrics | sed -n "s/^tvdswitch_connections //p")" -ge 1 ]'
check "also as text" finds 'tcp .* to .* port 8080' <<<"$(ctl hostA connection show segment beta)"

# ---- what does not ----

check_not "another port" does vm1 connects "$(v4 vm2)" 8081 1
check "is a drop with its reason" eval '[ "$(drops vm1 policy_out)" -ge 1 ]'
check_not "the other direction, IPv4" does vm2 connects "$(v4 vm1)" 8080 1
check_not "IPv6" does vm2 connects "$(v6 vm1)" 8080 1
check "is one, too" eval '[ "$(drops vm2 policy_out)" -ge 1 ]'
check_not "fragments" on vm1 ping -n -c 1 -W 1 -s 3000 "$(v4 vm2)"
check "are dropped as that" eval '[ "$(drops vm1 fragment)" -ge 1 ]'
before=$(drops vm1 state)
# shellcheck disable=SC2086 # a frame of each kind
for frame in \
	"Ether(src='$(mac vm1)',dst='$(mac vm2)')/IP(src='$(v4 vm1)',dst='$(v4 vm2)')/TCP(sport=7,dport=8080,flags='A')" \
	"Ether(src='$(mac vm1)',dst='$(mac vm2)')/IP(src='$(v4 vm1)',dst='$(v4 vm2)')/TCP(sport=7,dport=8080,flags='SA')" \
	"Ether(src='$(mac vm1)',dst='$(mac vm2)')/IPv6(src='$(v6 vm1)',dst='$(v6 vm2)')/IPv6ExtHdrDestOpt()/TCP(sport=7,dport=8080,flags='R')"; do
	echo "sendp($frame, iface='eth0', verbose=False)"
done >"$LAB/middle.py"
{
	echo 'from scapy.all import *'
	cat "$LAB/middle.py"
} >"$LAB/send.py"
check "TCP in the middle" on vm1 "$PYTHON" "$LAB/send.py"
check "is refused each time" wait_until 5 eval '[ "$(drops vm1 state)" = $(('"$before"' + 3)) ]'
# Somebody else of alpha speaks for a connection of vm1: what he guesses is not in the window.
background vm1 "$PYTHON" "$tool" talk "$(v4 vm2)" "$LAB/stop" >"$LAB/local"
background vm3 "$PYTHON" "$tool" talk "$(v4 vm2)" "$LAB/stop" >"$LAB/remote"
wait_until 10 grep -q 3 "$LAB/local" && wait_until 10 grep -q 3 "$LAB/remote"
sport=$(ctl hostA -j connection show | json "[c['sport'] for c in d if c['src'] == '$(v4 vm1)' and c.get('dport') == 8080 and c['state'] == 'established'][-1]")
cat >"$LAB/spoof.py" <<END
from scapy.all import *
for seq in range(7, 4294967295, 400000007):
    sendp(Ether(src='$(mac vm5)', dst='$(mac vm2)')/IP(src='$(v4 vm1)', dst='$(v4 vm2)')/TCP(sport=$sport, dport=8080, flags='R', seq=seq), iface='eth0', verbose=False)
END
on vm5 "$PYTHON" "$LAB/spoof.py"
check "resets that guess are refused" wait_until 5 eval '[ "$(drops vm5 state)" -ge 8 ]'
check "and the connection goes on" goes_on local

# ---- a flood ----

frame=$(on vm5 "$PYTHON" -c "
from scapy.all import *
print(raw(Ether(src='$(mac vm5)', dst='$(mac vm2)')/IP(src='$(v4 vm5)', dst='10.0.0.77')/TCP(sport=1, dport=8080, flags='S')).hex())")
background hostA "$TVD_BIN/switchctl" -s "$LAB/hostA.sock" monitor >"$LAB/monitor" 2>/dev/null
evicted() {
	ctl hostA metrics | sed -n 's/^tvdswitch_connections_evicted_total //p'
}
flood() { # EVICTED; what a TAP has no room for is lost, so that it may take more than that
	does vm5 send eth0 "$frame" 5000 && [ "$(evicted)" -ge "$1" ]
}
check "a flood of SYNs at ten times the table" wait_until 15 flood $(($(evicted) + 10000))
check "leaves of its own the last ones, a quarter" wait_until 5 eval '[ "$(connections "c.get(\"port\") == \"vm5\"")" = 250 ]'
check "it is an event" wait_until 5 grep -q '"event":"connections"' "$LAB/monitor"
check "established connections go on, here" goes_on local
check "and from the other host" goes_on remote
check "and new ones come about" does vm1 connects "$(v4 vm2)" 8080

# ---- changes ----

# What takes libpcap a while, so that a successor needs one.
heavy=$("$PYTHON" -c "print(', '.join('{ filter = \"udp and (%s)\"; }' % ' or '.join(f'dst port {1000 * r + p}' for p in range(40)) for r in range(10, 50)))")
configure '' "$many" "$web" "$domains" "$pings" "$heavy"
check "a reload with other rules" reload
check "ends no connection" goes_on local
background vm1 "$PYTHON" "$tool" opens "$(v4 vm2)" 200 "$LAB/opened" >"$LAB/opens" 2>&1
if takeover hostA; then pass "a successor takes over"; else flunk "a successor takes over" "$(tail -n 20 "$LAB/hostA.log")"; fi
check "and knows the connections" goes_on local
touch "$LAB/opened"
check "and those that began meanwhile, each of 200" wait_until 25 grep -q 'all go on' "$LAB/opens"
check "those of the other host, too" goes_on remote
configure '' "$domains" "$pings" && reload
check "a revoked rule ends its connections" stands_still local
check "here and there" stands_still remote
check "they are no longer there" equal "$(connections "c.get('dport') == 8080")" 0
configure '' "$web" "$domains" "$pings" && reload
check "the rule again does not bring them back" stands_still local
configure '' "$pick" "$domains" "$pings" && reload
check "one with pickup does" goes_on local
check "and on the other host" goes_on remote
configure 'mode = "audit"; ' "$pings" && reload
check "an audit drops nothing" does vm1 connects "$(v4 vm2)" 8081
check "but tells" wait_until 5 grep -q 'would be dropped' "$LAB/hostA.log"
touch "$LAB/stop"
lab_end
