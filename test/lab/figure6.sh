#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The demonstration: Figure 6 of "Trusted Virtual Domains" (CCS workshop, 2007).
# Two hosts, two domains, a guest of each domain on each host. Shows who reaches
# whom, what is on the wire, what the switches learned, and how fast it is.
#
#	figure6.sh [--shell]
#
# --shell leaves the lab up and gives a shell in it.

# shellcheck source=SCRIPTDIR/lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck disable=SC2034 # for lab.sh
LAB_NAME=demo

case ${1:-} in
'' | --shell) ;;
*)
	echo "usage: figure6.sh [--shell]" >&2
	exit 2
	;;
esac
lab_begin "$@"

# In place of TAP: lines for people.
if [ -t 1 ]; then
	BOLD=$(printf '\033[1m') GREEN=$(printf '\033[32m') RED=$(printf '\033[31m') PLAIN=$(printf '\033[0m')
else
	BOLD='' GREEN='' RED='' PLAIN=''
fi
pass() {
	LAB_CASES=$((LAB_CASES + 1))
	printf '  %-72s %sok%s\n' "$1" "$GREEN" "$PLAIN"
}
flunk() {
	LAB_CASES=$((LAB_CASES + 1))
	LAB_FAILED=$((LAB_FAILED + 1))
	printf '  %-72s %sFAIL%s\n' "$1" "$RED" "$PLAIN"
	[ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/      /'
}
title() {
	printf '\n%s%s%s\n' "$BOLD" "$1" "$PLAIN"
}

GUESTS="alphaA betaA alphaB betaB"
declare -A ADDRESS=([gammaA]=10.0.0.6 [alphaA]=10.0.0.1 [betaA]=10.0.0.3 [alphaB]=10.0.0.2 [betaB]=10.0.0.4 [alphaA2]=10.0.0.5)
declare -A MAC=([gammaA]=52:54:00:00:0c:01 [alphaA]=52:54:00:00:0a:01 [betaA]=52:54:00:00:0b:01
	[alphaB]=52:54:00:00:0a:02 [betaB]=52:54:00:00:0b:02 [alphaA2]=52:54:00:00:0a:03)
declare -A UPLINK=([hostA]=192.0.2.1 [hostB]=192.0.2.2)

topology() {
	cat <<'END'

  host A                                  host B
  +--------------------------------+      +--------------------------------+
  |  alphaA           betaA        |      |  alphaB           betaB        |
  |  10.0.0.1         10.0.0.3     |      |  10.0.0.2         10.0.0.4     |
  |     |                |         |      |     |                |         |
  |  [ alpha, id 1 ]  [ beta, 2 ]  |      |  [ alpha, id 1 ]  [ beta, 2 ]  |
  |     |   switchd      |         |      |     |   switchd      |         |
  |     +------+---------+         |      |     +------+---------+         |
  |        eth0 192.0.2.1          |      |        eth0 192.0.2.2          |
  +------------+-------------------+      +------------+-------------------+
               |        the wire: Ethernet frames      |
               +----------- inside EtherIP ------------+
                 alpha's to 239.192.0.1 or the host that has the guest,
                 beta's  to 239.192.0.2 or the host that has the guest

  Hosts and guests are network namespaces. The four guests share one subnet, and
  every switchd carries both domains over the same wire: only the segments keep
  alpha and beta apart. Flow matrix: open inside a domain, closed between the two.
END
}

port() { # GUEST SEGMENT
	printf '  { name = "%s"; type = "tap"; segment = "%s"; ifname = "eth0"; netns = "%s"; mac = "%s"; }' \
		"$1" "$2" "$1" "${MAC[$1]}"
}

config() { # HOST A-or-B
	lab_config "$1" <<END
uplinks = ( { name = "lan"; interface = "eth0"; address = "${UPLINK[$1]}"; } );
segments = (
  { name = "alpha"; id = 1; domain = "alpha";
    encap = ( { type = "etherip"; uplink = "lan"; group = "239.192.0.1"; } ); },
  { name = "beta"; id = 2; domain = "beta";
    encap = ( { type = "etherip"; uplink = "lan"; group = "239.192.0.2"; } ); }
);
ports = (
$(port "alpha$2" alpha),
$(port "beta$2" beta)
);
END
}

start() {
	local guest
	lab_host hostA 192.0.2.1/24
	lab_host hostB 192.0.2.2/24
	lab_wire hostA hostB
	# shellcheck disable=SC2086 # names are words
	lab_guest $GUESTS
	config hostA A
	config hostB B
	lab_start hostA
	lab_start hostB
	for guest in $GUESTS; do
		lab_address "$guest" "${ADDRESS[$guest]}/24"
	done
	pass "a switchd on each host, four guests attached"
}

# ---- who reaches whom ----

domain() { # GUEST
	echo "${1%[AB]}"
}

matrix() {
	local from to expected seen row good
	# All at once: that somebody does not answer takes its time to see.
	for from in $GUESTS; do
		for to in $GUESTS; do
			[ "$from" != "$to" ] || continue
			(
				if [ "$(domain "$from")" = "$(domain "$to")" ]; then
					reaches "$from" "${ADDRESS[$to]}"
				else
					! unreachable "$from" "${ADDRESS[$to]}"
				fi && touch "$LAB/reached.$from.$to"
				:
			) &
			LAB_CHILDREN+=($!)
		done
	done
	wait "${LAB_CHILDREN[@]:1}" # all but the capture
	printf '  %-12s' 'ping from'
	for to in $GUESTS; do
		printf 'to %-9s' "$to"
	done
	printf '\n'
	for from in $GUESTS; do
		row=$(printf '%-12s' "$from") good=1
		for to in $GUESTS; do
			if [ "$from" = "$to" ]; then
				row=$row$(printf '%-12s' -)
				continue
			fi
			expected=no seen=no
			[ "$(domain "$from")" != "$(domain "$to")" ] || expected=yes
			[ ! -e "$LAB/reached.$from.$to" ] || seen=yes
			if [ "$expected" = "$seen" ]; then
				row=$row$(printf '%-12s' "$seen")
			else
				row=$row$(printf '%-12s' "$seen, want $expected")
				good=
			fi
		done
		if [ "$good" ]; then pass "$row"; else flunk "$row"; fi
	done
}

# ---- the wire ----

wire() {
	local pcap=$LAB/wire.pcap number frames strays ids destination known
	number=$(fields "$pcap" 'etherip.reserved == 1 && arp.opcode == 1 && ip.src == 192.0.2.1 && arp.dst.proto_ipv4 == 10.0.0.2' frame.number | sed -n 1p)
	if [ -z "$number" ]; then
		flunk "alphaA's request for alphaB was seen on the wire" "$(tshark -n -r "$pcap" -c 10 2>/dev/null)"
		return
	fi
	echo "  One captured frame, alphaA asking for alphaB, as tshark decodes it (in part):"
	echo
	# The identifier stands where RFC 3378 has reserved bits; tshark says so.
	tshark -n -r "$pcap" -Y "frame.number == $number" -V 2>/dev/null |
		grep -E '^(Frame|Ethernet|Internet|EtherIP|Address Res)|^    (Type:|Time to Live|Protocol: Ether|Source Address|Destination Address|0011 |\.\.\.\. .*Reserved|Opcode|Sender|Target)' |
		sed -e 's/^/    | /' -e 's/ = Reserved: \(.*\)/ = Reserved: \1   <- the network identifier/'
	echo
	destination=$(fields "$pcap" "frame.number == $number" ip.dst)
	check "this broadcast went to alpha's group, 239.192.0.1 (seen: $destination)" \
		equal "$destination" 239.192.0.1
	known=$(fields "$pcap" 'etherip.reserved == 1 && icmp.type == 8 && ip.src == 192.0.2.1' ip.dst | cut -d, -f1 | sort -u | xargs)
	check "known unicast goes to the one host that has the guest (seen: $known)" equal "$known" 192.0.2.2
	frames=$(fields "$pcap" etherip frame.number | wc -l)
	strays=$(fields "$pcap" '!etherip && eth.src[0:3] == 52:54:00' frame.number | wc -l)
	check "guests' frames are on the wire only inside EtherIP ($frames, $strays outside)" equal "$strays" 0
	ids=$(fields "$pcap" 'etherip' etherip.ver etherip.reserved | sort -u | tr '\t' ' ' | paste -sd, | sed 's/,/, /g')
	check "EtherIP version and identifiers on the wire: $ids" equal "$ids" "3 0x0001, 3 0x0002"
}

# ---- the switches ----

fdb() { # HOST LETTER OTHER-HOST OTHER-LETTER
	local entries segment seen expected
	echo "  Host $2, switchctl fdb:"
	ctl "$1" fdb show | sed 's/^/    | /'
	entries=$(ctl "$1" -j fdb show)
	for segment in alpha beta; do
		expected="$segment$2 ${UPLINK[$3]}"
		seen=$(json "[e.get('port') or '' for e in d if e['mac'] == '${MAC[$segment$2]}' and e['segment'] == '$segment'][0] + ' ' + \
			[e.get('dst') or '' for e in d if e['mac'] == '${MAC[$segment$4]}' and e['segment'] == '$segment'][0]" <<<"$entries" 2>/dev/null) || seen=nothing
		check "host $2, $segment: own guest at its port, the other at ${UPLINK[$3]}" equal "$seen" "$expected"
	done
	check "host $2: nothing else learned" json "len(d) == 4" <<<"$entries"
}

# ---- how fast ----

listens() { # GUEST
	on "$1" ss -Hltn 'sport = :5201' 2>/dev/null | finds .
}

speed() { # TEXT FROM TO
	local json='' mbits='' rtt='' loss='' ping
	background "$3" iperf3 -s -1 -B "${ADDRESS[$3]}" >/dev/null 2>&1
	wait_until 10 listens "$3" || :
	if json=$(on "$2" timeout 15 iperf3 -J -C cubic -t 2 -c "${ADDRESS[$3]}" 2>&1); then
		mbits=$(json "'%d' % (d['end']['sum_received']['bits_per_second'] / 1e6)" <<<"$json") || :
	fi
	finish "$LAB_LAST"
	# Not a question of speed: TCP whose superframes are lost still crawls.
	if [ "${mbits:-0}" -ge 50 ]; then
		pass "$1: TCP $(printf '%6d' "$mbits") Mbit/s"
	else
		flunk "$1: TCP ${mbits:-0} Mbit/s" "$(tail -n 3 <<<"$json")"
	fi
	ping=$(on "$2" ping -q -n -c 50 -i 0.01 -W 2 "${ADDRESS[$3]}" 2>&1) || :
	rtt=$(sed -n 's|^rtt min/avg/max/mdev = [^/]*/\([^/]*\)/.*|\1|p' <<<"$ping")
	loss=$(sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p' <<<"$ping")
	if [ -n "$rtt" ] && [ "$loss" = 0 ]; then
		pass "$1: round trip $(printf '%6s' "$rtt") ms, none of 50 lost"
	else
		flunk "$1: round trip" "$ping"
	fi
}

add_guest() {
	lab_guest alphaA2
	echo "  A fifth guest joins alpha on host A while everything runs:"
	echo "    | switchctl port add alphaA2 type tap segment alpha ifname eth0 netns alphaA2 mac ${MAC[alphaA2]}"
	check "port added" ctl hostA port add alphaA2 type tap segment alpha ifname eth0 netns alphaA2 mac "${MAC[alphaA2]}"
	lab_address alphaA2 "${ADDRESS[alphaA2]}/24"
	if unreachable alphaA2 "${ADDRESS[betaA]}"; then
		pass "alphaA2 does not reach betaA beside it on the same host"
	else
		flunk "alphaA2 does not reach betaA beside it on the same host"
	fi
}

# ---- a third domain ----

# Appended to both configurations.
gamma() {
	cat <<'END'
policy = (
  { from = "gamma"; to = "alpha"; flow = "controlled"; log = true;
    allow = ( { filter = "tcp dst port 443"; stateful = true; log = true; },
              { filter = "arp"; stateful = true; } ); },
  { from = "alpha"; to = "gamma"; flow = "controlled";
    allow = ( { filter = "arp"; stateful = true; } ); }
);
END
}

connects() { # FROM TO PORT
	on "$1" timeout 3 bash -c "exec 3<>/dev/tcp/${ADDRESS[$2]}/$3" 2>/dev/null
}

third_domain() {
	local host port file=$LAB/gamma.conf
	lab_guest gammaA
	gamma >"$file"
	for host in hostA hostB; do
		{
			sed 's/^segments = (/&\n  { name = "gamma"; id = 3; domain = "gamma";\n    encap = ( { type = "etherip"; uplink = "lan"; group = "239.192.0.3"; } ); },/' \
				"$LAB/$host.conf"
			cat "$file"
		} >"$LAB/$host.new"
		[ "$host" = hostB ] || sed -i "s/^ports = (/&\n$(port gammaA gamma),/" "$LAB/$host.new"
		mv "$LAB/$host.new" "$LAB/$host.conf"
	done
	echo "  gamma joins, with a guest on host A. What it may ask of alpha stands in both files:"
	sed 's/^/    | /' "$file"
	check "both switches take the policy, while everything runs" eval 'ctl hostA reload && ctl hostB reload'
	lab_address gammaA "${ADDRESS[gammaA]}/24"
	for port in 443 22; do
		background alphaB "$PYTHON" -m http.server -b "${ADDRESS[alphaB]}" "$port" >/dev/null 2>&1
		wait_until 10 eval "on alphaB ss -Hltn 'sport = :$port' 2>/dev/null | finds ."
	done
	check "gammaA connects to alphaB, port 443, on the other host" wait_until 10 connects gammaA alphaB 443
	check_not "gammaA does not connect to port 22" connects gammaA alphaB 22
	check_not "gammaA does not reach betaA, which is closed to it" lab_ping gammaA "${ADDRESS[betaA]}"
	echo "  Who decided, in host A's log:"
	sed -n 's/^switchd info: policy: \(.*443 passes.*\|.*port 22 dropped.*\)/    | \1/p' "$LAB/hostA.log" | awk '!seen[/443/]++'
	check "the rule that let it pass" finds -E '"gamma" -> "alpha" .out.: tcp .* port 443 passes by rule "tcp dst port 443"' "$LAB/hostA.log"
	check "no rule for the other" finds -E '"gamma" -> "alpha" .out.: tcp .* port 22 dropped' "$LAB/hostA.log"
	echo "  switchctl policy matrix:"
	ctl hostA policy matrix | sed 's/^/    | /'
	echo "  switchctl policy show, on host A:"
	ctl hostA policy show | sed 's/^/    | /'
	check "switchctl policy verify: the pipeline agrees" ctl hostA policy verify
}

# ---- the shell ----

shell() {
	cat >"$LAB/rc" <<END
PATH="$TVD_BIN:\$PATH:/usr/sbin:/sbin"
PS1='lab \$ '
lab_in() {
	local where=\$1 host=\$2
	shift 2
	if [ ! -e "/run/netns/\$where" ]; then
		echo "no such namespace: \$where" >&2
		return 1
	fi
	[ -z "\$host" ] || local -x TVDSWITCH_SOCKET="$LAB/host\$host.sock"
	case \${1:-} in
	'') PS1="\$where # " nsenter --net="/run/netns/\$where" -- bash --norc ;;
	*) nsenter --net="/run/netns/\$where" -- "\$@" ;;
	esac
}
guest() {
	[ \$# -gt 0 ] || { echo "guest NAME [COMMAND]; guests: $GUESTS gammaA alphaA2" >&2; return 2; }
	lab_in "\$1" '' "\${@:2}"
}
host() {
	[ \$# -gt 0 ] || { echo "host A|B [COMMAND]" >&2; return 2; }
	lab_in "host\$1" "\$1" "\${@:2}"
}
END
	title "The lab is yours"
	cat <<'END'
  guest alphaA ping 10.0.0.2        run something in a guest
  guest betaB                       a shell in a guest
  host A switchctl fdb              ask a host's switch
  host A switchctl port             ... what its ports have counted
  host B tshark -ni eth0            look at the wire
  exit                              ends the lab and removes everything

END
	env --default-signal=INT,QUIT,TERM bash --rcfile "$LAB/rc" -i || :
}

title "The lab"
topology
echo
start
capture hostA eth0 "$LAB/wire.pcap" ip proto 97 or ether src 52:54:00:00:0a:01 or ether src 52:54:00:00:0b:01
CAPTURE=$LAB_LAST
# alphaA asks first, so that its question is on the wire and not alphaB's.
reaches alphaA "${ADDRESS[alphaB]}" || :
title "Who reaches whom"
matrix
capture_end "$CAPTURE"
title "What is on the wire"
wire
title "What the switches learned"
fdb hostA A hostB B
fdb hostB B hostA A
title "A third domain"
third_domain
title "How fast"
add_guest
speed "inside host A, alphaA to alphaA2" alphaA alphaA2
speed "between hosts, alphaA to alphaB " alphaA alphaB
[ "${1:-}" != --shell ] || shell
title "The end"
lab_down
# shellcheck disable=SC2034 # for lab.sh
LAB_ENDED=1
if [ "$LAB_FAILED" = 0 ]; then
	pass "both switches ended cleanly, and their logs have no warning"
	printf '\nAll %d lines held.\n' "$LAB_CASES"
else
	printf '\n%d of %d lines FAILED.\n' "$LAB_FAILED" "$LAB_CASES"
	exit 1
fi
