# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What tests of restarts share. Sourced, after common.sh.

answers() { # HOST
	ctl "$1" status >/dev/null 2>&1
}
# Starts a successor in the background: its process id in SUCCESSOR.
successor() { # HOST
	nsenter --net="/run/netns/$1" -- setpriv --pdeathsig KILL "$TVD_BIN/switchd" -c "$LAB/$1.conf" --takeover \
		</dev/null >>"$LAB/$1.log" 2>&1 &
	SUCCESSOR=$!
}
# Starts a successor; it serves, and its predecessor has ended with status 0.
takeover() { # HOST
	local host=$1 old=${LAB_PID[$1]} status=0
	successor "$host"
	# shellcheck disable=SC2004 # an associative array of lab.sh
	LAB_PID[$host]=$SUCCESSOR
	wait_until 15 lab_gone "$old" || return 1
	wait "$old" || status=$?
	[ "$status" = 0 ] && wait_until 15 answers "$host"
}
# The same as a case; check() would run it in a shell of its own.
takes_over() { # HOST TEXT
	if takeover "$1"; then pass "$2"; else flunk "$2" "$(tail -n 20 "$LAB/$1.log")"; fi
}
lost() { # PING-OUTPUT: packets
	awk '/packets transmitted/ { print $1 - $4 }' "$1"
}
