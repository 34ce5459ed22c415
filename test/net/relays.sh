# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# LANs behind a router, for the tests of relays. Sourced after common.sh.

relay_py=$LAB_TOP/test/net/relay.py

# A router; then each site is a LAN, 10.9.N.0/24, whose hosts have .1, .2 and so on, and
# the router .254.
router() {
	lab_netns router
	on router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}
site() { # NUMBER HOST...
	local n=$1 i=0 host
	shift
	lab_netns "lan$n"
	on "lan$n" ip link add lan type bridge mcast_snooping 0 stp_state 0 forward_delay 0
	on "lan$n" ip link set lan up
	ip link add "lan$n" netns router type veth peer name router netns "lan$n"
	on "lan$n" ip link set router master lan up
	on router ip link set "lan$n" up
	on router ip addr add "10.9.$n.254/24" dev "lan$n"
	for host; do
		i=$((i + 1))
		lab_host "$host" "10.9.$n.$i/24"
		ip link add eth0 netns "$host" type veth peer name "to-$host" netns "lan$n"
		on "lan$n" ip link set "to-$host" master lan up
		lab_raise "$host"
		on "$host" ip route add default via "10.9.$n.254"
	done
}
# A host's second interface, a link of its own to the router: 10.8.N.1/24.
wan() { # NUMBER HOST
	ip link add "wan$1" netns router type veth peer name wan0 netns "$2"
	on router ip link set "wan$1" up
	on router ip addr add "10.8.$1.254/24" dev "wan$1"
	on "$2" ip link set wan0 up
	on "$2" ip addr add "10.8.$1.1/24" dev wan0
	on "$2" ip route replace default via "10.8.$1.254"
}

lan_encap() { # GROUP
	printf '{ type = "etherip"; uplink = "lan"; group = "%s"; }' "$1"
}
wan_encap() { # UPLINK PEER...
	local uplink=$1 text
	shift
	text=$(printf '"%s", ' "$@")
	printf '{ type = "etherip"; uplink = "%s"; relay = true; peers = [ %s ]; }' "$uplink" "${text%, }"
}
wan_uplink() {
	list uplinks '{ name = "lan"; interface = "eth0"; }' '{ name = "wan"; interface = "wan0"; }'
}

relay_state() { # HOST
	ctl "$1" -j relay show | json "''.join(str(r['state']) for r in d)"
}
relay_is() { # HOST STATE
	[ "$(relay_state "$1")" = "$2" ]
}
becomes() { # SECONDS HOST STATE
	wait_until "$1" relay_is "$2" "$3" || {
		ctl "$2" relay show
		return 1
	}
}

# A switchd that dies without a word.
relay_kill() { # HOST
	local pid=${LAB_PID[$1]}
	unset "LAB_PID[$1]"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || :
}

# Watching a flow in GUEST from SOURCE's guest; then its longest pause, in seconds.
watch_start() { # GUEST SOURCE
	background "$1" "$PYTHON" "$relay_py" watch eth0 "$(mac "$2")" >"$LAB/$1.watch"
	wait_until 10 grep -q ready "$LAB/$1.watch" || lab_die "no watcher in $1"
}
longest_pause() { # GUEST
	awk '$1 != "ready" && $1 > n { n = $1 } END { print n + 0 }' "$LAB/$1.watch"
}
below() { # SECONDS LIMIT
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }' || {
		echo "$1 seconds, and the limit is $2"
		return 1
	}
}

# Counting: every guest sends COUNT broadcasts, and every other must get one copy of each.
declare -A COUNTER=()
counters_start() { # GUEST...
	local guest
	for guest; do
		rm -f "$LAB/$guest.stop"
		mkfifo "$LAB/$guest.stop"
		# Both ends, or opening it would wait for somebody to write.
		nsenter --net="/run/netns/$guest" -- setpriv --pdeathsig KILL \
			"$PYTHON" "$relay_py" count eth0 <>"$LAB/$guest.stop" >"$LAB/$guest.counts" &
		COUNTER[$guest]=$!
	done
	for guest; do
		wait_until 10 grep -q ready "$LAB/$guest.counts" || lab_die "no counter in $guest"
	done
}
# Prints what a guest has got of whom: "mac:different/copies ...".
counters_end() { # GUEST...
	local guest
	for guest; do
		echo >"$LAB/$guest.stop"
	done
	for guest; do
		wait "${COUNTER[$guest]}"
		unset "COUNTER[$guest]"
	done
}
counts() { # GUEST
	awk '$1 != "ready" { printf "%s%s %d/%d", sep, $1, $2, $3; sep = ", " }' "$LAB/$1.counts"
}
broadcasts() { # COUNT INTERVAL GUEST...
	local count=$1 interval=$2 guest pids=()
	shift 2
	for guest; do
		on "$guest" "$PYTHON" "$relay_py" send eth0 "$(mac "$guest")" "$count" "$interval" &
		pids+=($!)
	done
	wait "${pids[@]}"
}
# All of them from all, and no copy too much.
# Whether none was there twice; some may be missing.
no_copies() { # GUEST...
	local guest
	for guest; do
		awk '$1 != "ready" && $2 != $3 { print "copies:", $0; bad = 1 } END { exit bad }' "$LAB/$guest.counts" || return 1
	done
}
exactly_once() { # COUNT INTERVAL GUEST...
	local count=$1 interval=$2 guest other want bad=0
	shift 2
	counters_start "$@"
	broadcasts "$count" "$interval" "$@"
	counters_end "$@"
	for guest; do
		want=
		for other; do
			[ "$other" = "$guest" ] || want="$want${want:+, }$(mac "$other") $count/$count"
		done
		equal "$guest: $(counts "$guest")" "$guest: $(tr ',' '\n' <<<"$want" | sed 's/^ //' | sort | paste -sd, | sed 's/,/, /g')" || bad=1
	done
	return $bad
}
