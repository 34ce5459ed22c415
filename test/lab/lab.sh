# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Labs of hosts and guests made of network namespaces. Sourced by the demo and by
# every test in test/net; the first thing a script does is
#
#	. "$(dirname "$0")/../lab/lab.sh"
#	lab_begin "$@"
#
# lab_begin runs the script anew in network, mount and process namespaces of its
# own with an empty /run, as an ordinary user also in a user namespace. So names
# cannot collide with those of another lab, and when the script ends, for whatever
# reason, the kernel takes everything down: no namespace, interface, process or
# socket is left. Inside, a lab is built up like this:
#
#	lab_host hostA 192.0.2.1/24	a host; its physical interface is eth0
#	lab_host hostB 192.0.2.2/24
#	lab_wire hostA hostB		joins hosts: two by a veth, more by a bridge
#	lab_guest vm1			a guest's namespace
#	lab_config hostA <<END		the configuration of its switchd, in part (see there)
#	lab_start hostA			starts switchd and waits until it answers
#	lab_address vm1 10.0.0.1/24	waits for the guest's eth0 and gives it an address
#	on vm1 ping 10.0.0.2		runs something in a guest or host
#	ctl hostA fdb show		switchctl with a host's switchd
#
# and tests say what must hold:
#
#	check "text" command...		a test case: ok if the command succeeds
#	check_not "text" command...	ok if it fails
#	pass "text", flunk "text"	a case decided by the script itself
#	lab_end				stops everything, sums up, exits 0 or 1
#
# Output is TAP (lines "ok N - text" and "not ok N - text"); status 77 means
# skipped. A switchd that ends by itself, ends badly, or logs a warning that no
# lab_expect announced is a failed case. Environment: TVD_BIN is the folder of the
# programs (default build/bin), TVD_LOGS a folder that gets the logs.

set -eu -o pipefail

LAB=/run/lab # exists only inside the lab
LAB_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_NAME=$(basename "$0" .sh)
TVD_BIN=$(cd "${TVD_BIN:-$LAB_TOP/build/bin}" 2>/dev/null && pwd) || TVD_BIN=${TVD_BIN:-$LAB_TOP/build/bin}
PYTHON=/usr/bin/python3 # the one that Debian's python3-scapy belongs to
export TVD_BIN PYTHON LAB_TOP
PATH=$PATH:/usr/sbin:/sbin

declare -A LAB_PID=() LAB_ADDRESSES=()
declare -a LAB_HOSTS=() LAB_CHILDREN=() LAB_EXPECTED=() LAB_WRAP=()
LAB_CASES=0 LAB_FAILED=0 LAB_ENDED=

lab_skip() {
	echo "1..0 # SKIP $*"
	exit 77
}

lab_die() {
	echo "$LAB_NAME: $*" >&2
	exit 1
}

# ---- outside: enter the namespaces ----

lab_begin() {
	if [ -n "${TVD_LAB_INSIDE:-}" ]; then
		lab_inside
		return
	fi
	[ -x "$TVD_BIN/switchd" ] || lab_die "no switchd in $TVD_BIN: build first"
	LAB_FLAGS=$(lab_namespaces)
	lab_tun
	# The lab dies with this process (pdeathsig, and --kill-child in the flags),
	# and this process ends the lab when it is told to stop. Background processes
	# of a script ignore Ctrl-C, which programs in the lab must not.
	# shellcheck disable=SC2086 # flags are words
	TVD_LAB_INSIDE=1 env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
		unshare $LAB_FLAGS bash "$0" "$@" <&0 &
	LAB_CHILD=$!
	trap 'lab_interrupt 130' INT
	trap 'lab_interrupt 143' TERM HUP
	local status=0
	wait "$LAB_CHILD" || status=$?
	exit "$status"
}

# Which namespaces can be had: as root plain ones, else inside a user namespace.
lab_namespaces() {
	local flags more why
	for flags in -nm -Urnm; do
		[ "$flags" = -Urnm ] || [ "$(id -u)" = 0 ] || continue
		# A process namespace lets the kernel clean up. Where /proc is covered in
		# part, as in many containers, an ordinary user cannot have one.
		for more in "-pf --mount-proc --kill-child" ""; do
			# shellcheck disable=SC2086 # flags are words
			if why=$(unshare $flags $more true 2>&1); then
				echo "$flags $more"
				return
			fi
		done
	done
	lab_skip "this machine lets us make no namespaces (${why:-unshare failed})" >&2
}

lab_tun() {
	[ -c /dev/net/tun ] || lab_skip "there is no /dev/net/tun here (module tun, or --device in a container)"
	if ! [ -r /dev/net/tun ] || ! [ -w /dev/net/tun ]; then
		lab_skip "/dev/net/tun is closed to user $(id -un): it needs mode 0666, as Debian has by default" \
			"(chmod 0666 /dev/net/tun)"
	fi
}

lab_interrupt() {
	trap '' INT TERM HUP
	# With a process namespace, killing unshare ends everything in it at once.
	# Without, this is the script itself, which cleans up when asked.
	case $LAB_FLAGS in
	*--kill-child*) kill -KILL "$LAB_CHILD" 2>/dev/null || : ;;
	*) kill -TERM "$LAB_CHILD" 2>/dev/null || : ;;
	esac
	wait "$LAB_CHILD" 2>/dev/null || :
	echo "$LAB_NAME: interrupted; the lab is gone" >&2
	exit "$1"
}

# ---- inside ----

lab_inside() {
	trap lab_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mount -t tmpfs -o mode=0755 tmpfs /run
	mkdir /run/netns "$LAB"
	ip link set lo up
}

# Runs a command in a guest or host.
on() {
	local where=$1
	shift
	nsenter --net="/run/netns/$where" -- "$@"
}

lab_netns() {
	ip netns add "$1"
	# Addresses are usable at once, and IPv6 stays away until it is asked for:
	# a guest that sends by itself would make tests depend on time.
	on "$1" sh -c 'ip link set lo up
		cd /proc/sys/net/ipv6/conf/default || exit 0
		echo 0 >accept_dad
		echo 0 >router_solicitations
		echo 1 >addr_gen_mode' 2>/dev/null || :
}

lab_host() { # NAME ADDRESS/PREFIX...
	local name=$1
	shift
	lab_netns "$name"
	LAB_ADDRESSES[$name]="$*"
	LAB_HOSTS+=("$name")
}

lab_guest() { # NAME...
	local name
	for name; do
		lab_netns "$name"
	done
}

# Joins the eth0 of hosts. With a bridge (more than two hosts, or LAB_BRIDGE=1)
# each interface has a carrier of its own, and groups are flooded as by a plain
# Ethernet switch. LAB_WIRE_MTU sets another MTU than 1500.
lab_wire() { # HOST...
	local mtu=${LAB_WIRE_MTU:-1500} host
	if [ $# = 2 ] && [ -z "${LAB_BRIDGE:-}" ]; then
		ip link add eth0 netns "$1" mtu "$mtu" type veth peer name eth0 netns "$2" mtu "$mtu"
	else
		lab_netns wire
		on wire ip link add wire mtu "$mtu" type bridge mcast_snooping 0 stp_state 0 forward_delay 0
		for host; do
			ip link add eth0 netns "$host" mtu "$mtu" type veth peer name "to-$host" netns wire mtu "$mtu"
			on wire ip link set "to-$host" master wire up
		done
		on wire ip link set wire up
	fi
	for host; do
		lab_raise "$host"
	done
}

# Raises a host's eth0 and gives it its addresses.
lab_raise() { # HOST
	local address
	on "$1" ip link set eth0 up
	for address in ${LAB_ADDRESSES[$1]}; do
		case $address in
		*:*) on "$1" ip addr replace "$address" dev eth0 nodad ;;
		*) on "$1" ip addr replace "$address" dev eth0 ;;
		esac
	done
}

# Writes HOST's configuration: what is on stdin behind the keys that the lab sets.
lab_config() { # HOST
	{
		printf 'host = "%s";\ncontrol = "%s/%s.sock";\nrun_dir = "%s/%s.run";\n' \
			"$1" "$LAB" "$1" "$LAB" "$1"
		printf 'log_level = "%s";\n' "${LAB_LOG_LEVEL:-info}"
		cat
	} >"$LAB/$1.conf"
	mkdir -p "$LAB/$1.run"
}

# Starts HOST's switchd; more arguments go to it. LAB_WRAP may hold a command
# that runs it, such as setpriv with options.
lab_start() { # HOST [ARGS]
	local host=$1
	shift
	nsenter --net="/run/netns/$host" -- setpriv --pdeathsig KILL "${LAB_WRAP[@]}" "$TVD_BIN/switchd" -c "$LAB/$host.conf" "$@" \
		</dev/null >>"$LAB/$host.log" 2>&1 &
	LAB_PID[$host]=$!
	# Sanitizers and a loaded machine make starting slow, never this slow.
	if ! wait_until 15 lab_answers "$host" || ! ctl "$host" status >/dev/null; then
		sed 's/^/# /' "$LAB/$host.log"
		lab_die "switchd on $host did not start"
	fi
}

lab_answers() {
	lab_alive "$1" || return 0 # no use in waiting; ctl then tells
	ctl "$1" status >/dev/null 2>&1
}

lab_alive() {
	[ -n "${LAB_PID[$1]:-}" ] && kill -0 "${LAB_PID[$1]}" 2>/dev/null
}

lab_gone() { # PID
	! kill -0 "$1" 2>/dev/null
}

# Ends HOST's switchd in order and judges how it ended and what it logged.
lab_stop() { # HOST
	local host=$1 status=0 pid=${LAB_PID[$1]:-}
	[ -n "$pid" ] || return 0
	unset "LAB_PID[$host]"
	kill -TERM "$pid" 2>/dev/null || :
	# A switchd that does not end is killed, which its status then shows.
	wait_until 15 lab_gone "$pid" || kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || status=$?
	[ "$status" -le 128 ] || status="$status, SIG$(kill -l $((status - 128)))"
	[ "$status" = 0 ] || flunk "switchd on $host ends cleanly (status $status)" "$(tail -n 40 "$LAB/$host.log")"
}

# Announces lines of switchd's logs that would else fail the test.
lab_expect() { # EXTENDED-REGEX...
	LAB_EXPECTED+=("$@")
}

# The lines of a log that nobody announced: warnings, errors, sanitizers' reports.
lab_complaints() { # FILE
	local pattern='^(switchd|tvd[a-z]*) (warn|error)|^<[0-4]>|runtime error:|ERROR: [A-Z][A-Za-z]*Sanitizer'
	local args=(-e '^$') expected
	for expected in "${LAB_EXPECTED[@]}"; do
		args+=(-e "$expected")
	done
	grep -aE -e "$pattern" "$1" | grep -avE "${args[@]}" || :
}

# Gives a guest's eth0 addresses as soon as it is there and raised.
lab_address() { # GUEST ADDRESS/PREFIX...
	local guest=$1 address
	shift
	wait_until 10 lab_raised "$guest" || {
		flunk "eth0 appears in $guest" "$(on "$guest" ip addr show 2>&1)"
		lab_end
	}
	for address; do
		case $address in
		*:*) on "$guest" ip addr replace "$address" dev eth0 nodad ;;
		*) on "$guest" ip addr replace "$address" dev eth0 ;;
		esac
	done
}

lab_raised() { # GUEST
	case $(on "$1" ip -o link show dev eth0 up 2>/dev/null) in
	*LOWER_UP*) return 0 ;;
	*) return 1 ;;
	esac
}

lab_mac() { # GUEST
	on "$1" ip -o link show dev eth0 | sed -n 's/.*link\/ether \([0-9a-f:]*\) .*/\1/p'
}

# switchctl with HOST's switchd.
ctl() { # HOST ARGS...
	local host=$1
	shift
	timeout 20 "$TVD_BIN/switchctl" -s "$LAB/$host.sock" "$@"
}

# Evaluates a Python expression over the JSON on stdin, as d; prints the result,
# nothing for None. Status 1 if it is False.
json() { # EXPRESSION
	# shellcheck disable=SC2016 # the program is Python
	"$PYTHON" -c 'import json, sys
d = json.load(sys.stdin)
r = eval(sys.argv[1])
if r is not None and not isinstance(r, bool):
    print(r)
sys.exit(r is False)' "$1"
}

# Polls until the command succeeds.
wait_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# Starts a program in a guest or host; it is ended with the lab. Its process id
# is in LAB_LAST.
background() { # WHERE COMMAND...
	local where=$1
	shift
	nsenter --net="/run/netns/$where" -- setpriv --pdeathsig KILL "$@" &
	LAB_LAST=$!
	LAB_CHILDREN+=("$LAB_LAST")
}

# Ends one of them and waits for it.
finish() { # PID [SIGNAL]
	kill "-${2:-TERM}" "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

# Captures what passes an interface into FILE.pcap, from when this returns. Its
# process id is in LAB_LAST; capture_end writes the rest and closes the file.
capture() { # WHERE INTERFACE FILE.pcap [FILTER]
	local where=$1 interface=$2 file=$3
	shift 3
	# Not tcpdump: as "root" of a user namespace it fails to drop its privileges.
	background "$where" dumpcap -q -P -i "$interface" -f "$*" -w "$file" 2>"$file.err"
	wait_until 10 grep -q '^File: ' "$file.err" || lab_die "dumpcap: $(cat "$file.err")"
}

capture_end() { # PID
	sleep 0.4 # until the kernel has handed over the last block of packets
	finish "$1" INT
}

# Fields of a capture by tshark, one line a packet; a field that occurs more than
# once, such as eth.src in a tunnel, gives all its values: outer,inner.
fields() { # FILE.pcap FILTER FIELD...
	local file=$1 filter=$2 args=() field
	shift 2
	for field; do
		args+=(-e "$field")
	done
	tshark -n -r "$file" -Y "$filter" -T fields "${args[@]}" 2>/dev/null
}

# One answered ping is enough; it may take a while on a loaded machine. Each try is
# a ping of its own: one that hears an old "unreachable" gives up at once.
reaches() { # GUEST ADDRESS
	wait_until 8 lab_ping "$1" "$2"
}
lab_ping() {
	on "$1" ping -q -n -c 1 -W 1 "$2" >/dev/null 2>&1
}

# That nothing answers is believed after this long.
unreachable() { # GUEST ADDRESS
	! on "$1" ping -q -n -i 0.2 -c 5 -W 1 -w 2 "$2" >/dev/null 2>&1
}

# ---- test cases ----

pass() { # TEXT
	LAB_CASES=$((LAB_CASES + 1))
	echo "ok $LAB_CASES - $1"
}

flunk() { # TEXT [DETAILS]
	LAB_CASES=$((LAB_CASES + 1))
	LAB_FAILED=$((LAB_FAILED + 1))
	echo "not ok $LAB_CASES - $1"
	[ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/# /'
}

check() { # TEXT COMMAND...
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		pass "$text"
	else
		flunk "$text" "$(printf '%s\n%s' "$*" "$out" | tail -n 30)"
	fi
}

check_not() { # TEXT COMMAND...
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		flunk "$text" "$(printf '%s\n%s' "$*" "$out" | tail -n 30)"
	else
		pass "$text"
	fi
}

equal() { # SEEN EXPECTED
	[ "$1" = "$2" ] || {
		printf 'seen     %s\nexpected %s\n' "$1" "$2"
		return 1
	}
}

# grep -q that reads to the end: who still writes when it has found what it looks for
# would fail of SIGPIPE, and with pipefail so would the pipe.
finds() { # GREP-ARGUMENTS...
	grep "$@" >/dev/null
}

# Stops all daemons and judges them. Called once, by lab_end or by whoever
# presents the result itself.
lab_down() {
	local host bad
	for host in "${LAB_HOSTS[@]}"; do
		if [ -n "${LAB_PID[$host]:-}" ] && ! lab_alive "$host"; then
			flunk "switchd on $host lives until the end" "$(tail -n 40 "$LAB/$host.log")"
			unset "LAB_PID[$host]"
		fi
		lab_stop "$host"
		[ -e "$LAB/$host.log" ] || continue
		bad=$(lab_complaints "$LAB/$host.log")
		[ -z "$bad" ] || flunk "the log of $host has no unexpected complaint" "$(tail -n 40 <<<"$bad")"
	done
}

lab_end() {
	lab_down
	echo "1..$LAB_CASES"
	LAB_ENDED=1
	[ "$LAB_FAILED" = 0 ] && [ "$LAB_CASES" -gt 0 ]
	exit
}

lab_cleanup() {
	local status=$? pid
	trap '' INT TERM HUP
	set +e
	for pid in "${LAB_CHILDREN[@]}" "${LAB_PID[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	if [ -z "$LAB_ENDED" ] && [ "$status" != 0 ] && [ "$status" != 77 ]; then
		echo "# $LAB_NAME ended early with status $status"
		for pid in "$LAB"/*.log; do
			[ -s "$pid" ] && tail -n 20 "$pid" | sed "s|^|# $(basename "$pid"): |"
		done
	fi
	if [ -n "${TVD_LOGS:-}" ]; then
		mkdir -p "$TVD_LOGS/$LAB_NAME"
		cp "$LAB"/*.log "$LAB"/*.conf "$LAB"/*.pcap "$TVD_LOGS/$LAB_NAME/" 2>/dev/null
	fi
	exit "$status"
}
