# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What most of the tests here begin with. Sourced; see ../lab/lab.sh.

# shellcheck source=SCRIPTDIR/../lab/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lab/lab.sh"

# Guests have names that end in a number; it makes their addresses. As long as
# they exist at all, they share one subnet, so that only segments keep them apart.
number() { # GUEST
	echo "${1##*[!0-9]}"
}
mac() { # GUEST
	printf '52:54:00:00:00:%02x' "$(number "$1")"
}
v4() { # GUEST
	echo "10.0.0.$(number "$1")"
}
v6() { # GUEST
	printf 'fd00::%x' "$(number "$1")"
}

# Entries of a configuration.
tap() { # GUEST SEGMENT [MORE-KEYS]
	printf '{ name = "%s"; type = "tap"; segment = "%s"; ifname = "eth0"; netns = "%s"; mac = "%s"; %s}' \
		"$1" "$2" "$1" "$(mac "$1")" "${3:-}"
}
segment() { # NAME ID [MORE-KEYS]
	printf '{ name = "%s"; id = %s; domain = "%s"; %s}' "$1" "$2" "$1" "${3:-}"
}
etherip() { # GROUP-OR-EMPTY [MORE-KEYS]
	printf 'encap = ( { type = "etherip"; uplink = "lan"; %s%s} ); ' "${1:+group = \"$1\"; }" "${2:-}"
}
list() { # KEY ENTRY...
	local key=$1 comma=''
	shift
	printf '%s = (' "$key"
	while [ $# -gt 0 ]; do
		printf '%s\n  %s' "$comma" "$1"
		comma=,
		shift
	done
	printf '\n);\n'
}
uplink() { # ADDRESS-OR-EMPTY
	list uplinks "{ name = \"lan\"; interface = \"eth0\"; ${1:+address = \"$1\"; }}"
}

address() { # GUEST...
	local guest
	for guest; do
		lab_address "$guest" "$(v4 "$guest")/24" "$(v6 "$guest")/64"
	done
}

# Hosts A, B (and more) on one wire, with segments alpha (id 1) and beta (id 2) in
# EtherIP by groups. Arguments are "HOST:SEGMENT:GUEST". Starts everything.
hosts() { # HOST:SEGMENT:GUEST...
	local entry host segment guest n=0 names=()
	local -A ports=()
	for entry; do
		IFS=: read -r host segment guest <<<"$entry"
		if [ -z "${ports[$host]:-}" ]; then
			n=$((n + 1))
			names+=("$host")
			lab_host "$host" "192.0.2.$n/24" "2001:db8::$n/64"
			ports[$host]=' '
		fi
		[ -n "$guest" ] || continue
		lab_guest "$guest"
		ports[$host]="${ports[$host]}$(tap "$guest" "$segment"),"
	done
	lab_wire "${names[@]}"
	n=0
	for host in "${names[@]}"; do
		n=$((n + 1))
		{
			uplink "192.0.2.$n"
			list segments "$(segment alpha 1 "$(etherip 239.192.0.1 "${ENCAP_KEYS:-}")")" \
				"$(segment beta 2 "$(etherip 239.192.0.2 "${ENCAP_KEYS:-}")")"
			[ "${ports[$host]}" = ' ' ] || list ports "${ports[$host]%,}"
		} | lab_config "$host"
		lab_start "$host"
	done
	for entry; do
		guest=${entry##*:}
		[ -z "$guest" ] || address "$guest"
	done
}

# A counter of drops: of a port, of a segment's encap.
port_drops() { # HOST PORT REASON [tx]
	ctl "$1" -j port show "$2" | json "d[0]['stats']['${4:-rx}_drops'].get('$3', 0)"
}
encap_drops() { # HOST SEGMENT REASON [tx]
	ctl "$1" -j encap show | json "sum(e['stats']['${4:-rx}_drops'].get('$3', 0) for e in d if e['segment'] == '$2')"
}
# All drops of a reason, wherever they are counted.
all_drops() { # HOST REASON
	ctl "$1" metrics | awk -v reason="reason=\"$2\"" '/drop/ && index($0, reason) { n += $NF } END { printf "%d\n", n }'
}

# How many descriptors a switch has open; a client of its control socket that has just left may
# still count, so it is the least of a while.
descriptors() { # HOST
	local least=999999 n
	for _ in 1 2 3 4 5; do
		n=$(find "/proc/${LAB_PID[$1]}/fd" -mindepth 1 | wc -l)
		[ "$n" -ge "$least" ] || least=$n
		sleep 0.05
	done
	echo "$least"
}
# Whether it has as many of them as it had.
keeps_descriptors() { # HOST NUMBER
	wait_until 10 eval "[ \"\$(descriptors $1)\" = $2 ]" || {
		ls -l "/proc/${LAB_PID[$1]}/fd"
		return 1
	}
}
