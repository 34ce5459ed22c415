# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the tests of gateways have in common. Sourced; see common.sh. Segments are alpha,
# beta and gamma, with ids 1 to 3 and subnets 10.ID.0.0/24 and fd00:ID::/64, in which a
# guest has its own number, and the gateway 254.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

declare -A NET=([alpha]=1 [beta]=2 [gamma]=3)
declare -A IN=() # the segment of each guest

v4() { # GUEST
	echo "10.${NET[${IN[$1]}]}.0.$(number "$1")"
}
v6() { # GUEST
	printf 'fd00:%d::%x' "${NET[${IN[$1]}]}" "$(number "$1")"
}
gw4() { # SEGMENT
	echo "10.${NET[$1]}.0.254"
}
gw6() { # SEGMENT
	echo "fd00:${NET[$1]}::fe"
}
# Where guests see it.
gw_mac() { # SEGMENT
	printf '72:56:0a:%02x:00:fe' "${NET[$1]}"
}

# An entry for the junction of these segments.
junction() { # KEYS SEGMENT...
	local keys=$1 segment list='' gateways=''
	shift
	for segment; do
		list="$list${list:+, }\"$segment\""
		gateways="$gateways${gateways:+, }{ segment = \"$segment\"; address = \"$(gw4 "$segment")/24\"; }, { segment = \"$segment\"; address = \"$(gw6 "$segment")/64\"; }"
	done
	printf '{ name = "gw"; type = "gateway"; segments = [ %s ]; gateway = ( %s ); %s }' \
		"$list" "$gateways" "$keys"
}
flow() { # FROM TO [MORE-KEYS]
	printf '{ from = "%s"; to = "%s"; %s }' "$1" "$2" "${3:-flow = \"open\";}"
}

# Addresses, and the way out through the gateway.
address() { # GUEST...
	local guest segment
	for guest; do
		segment=${IN[$guest]}
		lab_address "$guest" "$(v4 "$guest")/24" "$(v6 "$guest")/64"
		on "$guest" ip route replace default via "$(gw4 "$segment")"
		on "$guest" ip -6 route replace default via "$(gw6 "$segment")"
	done
}

# The MAC that a guest has for an address.
knows() { # GUEST ADDRESS MAC
	on "$1" ip neigh show "$2" | finds "lladdr $3 "
}

# What a traceroute shows: who complains about a packet with this many hops to go.
hop() { # GUEST ADDRESS HOPS
	on "$1" ping -n -c 1 -W 2 -t "$3" "$2" | sed -n 's/^From \([0-9a-f:.]*\):\{0,1\} .*/\1/p' | head -n 1
}
