#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Whether the manual pages name everything that users type and read: keys of the
# configuration, drop reasons, commands, JSON keys, events and metrics. What there
# is, is read from the sources (commands: from switchctl, if it is built), and each
# must be documented where it belongs, as an item of a list. Writes TAP.
#
#	TVD_BIN=build/bin test/docs.sh
set -eu

cd "$(dirname "$0")/.."
bin=${TVD_BIN:-build/bin}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# Counts in a file, since most cases are judged at the end of a pipe.
result() { # STATUS TEXT
	verdict=ok
	if [ "$1" != 0 ]; then verdict='not ok'; fi
	echo "$verdict" >>"$tmp/cases"
	echo "$verdict $(wc -l <"$tmp/cases") - $2"
}

# Lines of .It macros of a page, continued ones (Xo) included, without font macros
# and punctuation.
items() { # PAGE
	awk '/^\.It/ { on = 1 } on { printf "%s ", $0 }
		on && !/^\.It Xo/ && !inside { on = 0; print "" }
		/^\.It Xo/ { inside = 1 } inside && /^\.Xc/ { inside = on = 0; print "" }' "man/$1" |
		sed -e 's/^\.It //' -e 's/[][{}|,.]/ /g' \
			-e 's/ \(Xo\|Xc\|Ic\|Cm\|Ar\|Li\|No\|Op\|Oo\|Oc\|Brq\|Fl\|Ev\) / /g' \
			-e 's/ \(Xo\|Xc\|Ic\|Cm\|Ar\|Li\|No\|Op\|Oo\|Oc\|Brq\|Fl\|Ev\) / /g' \
			-e 's/^\(Xo\|Ic\|Cm\|Li\|Ar\) //' -e 's/  */ /g'
}

# Everything that is to be there comes on stdin, one a line, and must stand in a
# line of $tmp/lines; a hyphen, underscore or letter beside it would make it another
# word. At least MINIMUM must have been found: a pattern that fits nothing in the
# sources would check nothing.
look_for() { # WHAT PAGE MINIMUM
	sort -u >"$tmp/wanted"
	count=$(wc -l <"$tmp/wanted")
	status=0
	if [ "$count" -lt "$3" ]; then
		echo "# only $count of at least $3 found in the sources"
		status=1
	fi
	while read -r word; do
		if ! grep -Eq "(^|[^A-Za-z0-9_-])$word([^A-Za-z0-9_-]|$)" "$tmp/lines"; then
			echo "# $word is not in man/$2"
			status=1
		fi
	done <"$tmp/wanted"
	result "$status" "$1 are in $2 ($count)"
}

# As an item of a list.
documented() { # WHAT PAGE MINIMUM
	items "$2" >"$tmp/lines"
	look_for "$@"
}

# Or as a word of its own in the text of one.
mentioned() { # WHAT PAGE MINIMUM
	grep -E '^\.(It|Cm|Li|Op|Oo|Brq)' "man/$2" >"$tmp/lines"
	look_for "$@"
}

# Keys stand in tables, as .name = "key" or in KEY(structure, member, "key", TYPE).
config_keys() {
	for file in switchd/config.c switchd/config_policy.c switchd/port/port.h switchd/port/[a-z]*.c encap/[a-z]*.[ch]; do
		tr '\n' ' ' <"$file" | grep -Eo '(\.name = |KEY\([a-z_]+, *[a-z_]+, *)"[a-z_0-9]+"' |
			sed 's/.*"\(.*\)"/\1/'
	done
}
config_keys | documented "configuration keys" switchd.conf.5 40

sed -n 's/^[[:space:]]*X([A-Z_]*, *"\([a-z_]*\)".*/\1/p' lib/reason.h |
	documented "drop reasons" switchd-forwarding.7 30

# Those that nothing in the tree gives yet are marked, and no others.
status=0
sed -n 's/^[[:space:]]*X(\([A-Z_]*\), *"\([a-z_]*\)".*/\1 \2/p' lib/reason.h >"$tmp/reasons"
while read -r id word; do
	used=no
	if grep -Eqr --include='*.c' "REASON_$id([^A-Z_]|$)" lib learn encap switchd; then used=yes; fi
	marked=no
	if grep -Eq "^\.It Li $word No \*$" man/switchd-forwarding.7; then marked=yes; fi
	if [ "$used" = "$marked" ]; then
		echo "# $word: given by this version: $used; marked as of later ones: $marked"
		status=1
	fi
done <"$tmp/reasons"
result $status "drop reasons of later versions are marked in switchd-forwarding.7"

if [ -x "$bin/switchctl" ]; then
	# A command is what comes before its first argument.
	"$bin/switchctl" list-commands | sed 's/ [A-Z[{].*//; s/ *$//' |
		documented "commands" switchctl.8 20
	# And in each of them its fixed words.
	"$bin/switchctl" list-commands | tr -c 'a-z_-' '\n' | grep -E '^[a-z]{3,}' |
		mentioned "words of commands" switchctl.8 30
else
	result 0 "commands # SKIP no switchctl in $bin"
fi

# Names as head() publishes them: literal, in tables of counters, in lists of names.
tr '\n' ' ' <switchd/metrics.c |
	grep -Eo 'head\(out, "[a-z_]+"|\{"[a-z]+_[a-z_]+", *"|"[a-z]+_[a-z_]+"' |
	sed 's/[^"]*"\([a-z_]*\)".*/\1/' | grep -v '^$' | sed 's/^/tvdswitch_/' |
	documented "metrics" switchctl.8 15

# What is written as text, without objects.
grep -ho 'json_text_[a-z]*(&*json, "[a-z_]*"' switchd/control_fdb.c switchd/control_gateway.c | sed 's/.*"\([a-z_]*\)"/\1/' |
	mentioned "JSON keys of long lists" switchctl.8 9

for file in switchd/control_show.c switchd/control_policy.c switchd/control_verify.c switchd/policy/gateway.c switchd/events.c switchd/capture.c switchd/forward.c switchd/forward_out.c \
	switchd/port/*.c encap/*.c; do
	tr '\n' ' ' <"$file" | grep -Eo 'json_object_set_new\( *[a-z>.-]+, *"[a-z_]+"|"[a-z_]+", *(json_|[a-z]+_json\(|integer\(|\(json_int_t\))' |
		sed 's/[^"]*"\([a-z_]*\)".*/\1/' || :
done | mentioned "JSON keys" switchctl.8 40

# Keys of the configuration that an object is shown with.
tr '\n' ' ' <switchd/control_show.c | grep -Eo '(restrictions|rules)\[\] = \{[^}]*\}' |
	grep -o '"[a-z_]*"' | tr -d '"' | mentioned "keys that are shown as configured" switchctl.8 10

tr '\n' ' ' <switchd/events.c | grep -Eo '(\[FDB_EVENT_[A-Z]+\] = |event_new\()"[a-z]+"' |
	sed 's/.*"\(.*\)"/\1/' >"$tmp/events"
sed -n '/^\.Sh EVENTS/,/^\.Sh METRICS/p' man/switchctl.8 | grep '^\.It' >"$tmp/lines"
look_for "events" switchctl.8 8 <"$tmp/events"

# What the shell completes: the keys of ports, segments and encaps, whose words are in tables.
{
	tr '\n' ' ' <switchd/config.c | sed 's/.* segment_keys\[\]//; s/desired_keys\[\].*//'
	tr '\n' ' ' <switchd/config.c | sed 's/.* guard_keys\[\]//; s/trunk_keys\[\].*//' |
		sed 's/"\([a-z]*\)", CONF_BOOL/"guard.\1", CONF_BOOL/g'
	cat switchd/port/port.h switchd/port/[a-z]*.c encap/[a-z]*.[ch] | tr '\n' ' '
} | grep -Eo '(\.name = |KEY\([a-z_]+, *[a-z_]+, *)"[a-z_.0-9]+"' | sed 's/.*"\(.*\)"/\1/' |
	grep -Evx 'name|type|guard|services' >"$tmp/keys"
sed -n '/^_switchctl_keys()/,/^}/p' conf/completion/switchctl >"$tmp/lines"
look_for "keys" "../conf/completion/switchctl" 40 <"$tmp/keys"

# What refers to a page of ours refers to one that is there.
status=0
sed -n 's/^\.Xr \(sw[a-z.-]*\|tvd[a-z.-]*\) \([0-9]\).*/\1.\2/p' man/*.[0-9] | sort -u >"$tmp/pages"
while read -r page; do
	if [ ! -e "man/$page" ]; then
		echo "# there is no man/$page"
		status=1
	fi
done <"$tmp/pages"
result $status "pages that pages refer to are there"

echo "1..$(wc -l <"$tmp/cases")"
! grep -q not "$tmp/cases"
