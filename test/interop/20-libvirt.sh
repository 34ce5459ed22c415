#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every way in of conf/libvirt, with guests that a real libvirtd starts, its hook, and
# conf/examples/libvirt.conf, on one host:
#
#	alpha	vm1 ethernet.xml, vm2 named.xml, vm3 udp.xml, vm4 client.xml
#		vm11 a namespace with a TAP of the switch's
#	beta	vm5 server.xml, vm6 stream.xml, vm7 dgram.xml, vm8 vde.xml
#		vm12 a namespace with a TAP of the switch's

# shellcheck disable=SC2016 # what eval is given stands in single quotes
# shellcheck source=SCRIPTDIR/../net/common.sh
. "$(dirname "$0")/../net/common.sh"
# shellcheck source=SCRIPTDIR/../lab/guest.sh
. "$(dirname "$0")/../lab/guest.sh"
# shellcheck source=SCRIPTDIR/../lab/libvirt.sh
. "$(dirname "$0")/../lab/libvirt.sh"
guest_need
libvirt_need
lab_begin "$@"
guest_image 8021q

show() { # PORT EXPRESSION
	ctl hostA -j port show "$1" 2>/dev/null | json "d and d[0]$2" 2>/dev/null
}
port_is() { # PORT STATE SEGMENT OWNER
	[ "$(show "$1" "['state'] + d[0]['segment'] + d[0]['owner']")" = "$2$3$4" ]
}

lab_host hostA 192.0.2.1/24
lab_guest vm11 vm12
lab_config hostA <"$LAB_TOP/conf/examples/libvirt.conf"
mkdir /run/tvdswitch
lab_start hostA
ctl hostA port add vm11 type tap segment alpha ifname eth0 netns vm11 mac "$(mac vm11)"
ctl hostA port add vm12 type tap segment beta ifname eth0 netns vm12 mac "$(mac vm12)"
address vm11 vm12
libvirt_hook hostA
libvirt_start hostA
on hostA ip tuntap add dev web0 mode tap vnet_hdr
on hostA ip link set web0 up

# ---- each file starts, and its guest is in its segment ----

declare -A SEGMENT=([vm1]=alpha [vm2]=alpha [vm3]=alpha [vm4]=alpha [vm5]=beta [vm6]=beta [vm7]=beta [vm8]=beta)
for file in "$LAB_TOP"/conf/libvirt/*.xml; do
	check "${file##*/} is what libvirt's schema has" virt-xml-validate "$file" domain
	libvirt_domain "$file"
	check "libvirt starts the guest of ${file##*/}" vir hostA create "$LAB/$LIBVIRT_GUEST.xml"
done
guests="vm1 vm2 vm3 vm4 vm5 vm6 vm7 vm8"
alone=
for guest in $guests; do
	guest_up "$guest"
	if [ "${SEGMENT[$guest]}" = alpha ]; then here=vm11 there=vm12; else here=vm12 there=vm11; fi
	check "$guest is reached in ${SEGMENT[$guest]}" reaches "$here" "$(v4 "$guest")"
	{ ! unreachable "$there" "$(v4 "$guest")" || echo "$guest" >>"$LAB/alone"; } &
	alone="$alone $!"
done
# shellcheck disable=SC2086 # process ids
wait $alone
check "and none from the other segment" equal "$(sort "$LAB/alone" | xargs)" "$guests"
for pair in vm1:vm2 vm2:vm3 vm3:vm4 vm4:vm1 vm5:vm6 vm6:vm7 vm7:vm8 vm8:vm5; do
	check "${pair%:*} fetches from ${pair#*:} what it has" guest_fetches "${pair%:*}" "$(v4 "${pair#*:}")"
done
check "the hook made a port for vm1" port_is vm1.0 up alpha hook
check "as one of this guest's" equal "$(show vm1.0 "['guest']")" "vm1"
check "for its own address alone" equal "$(show vm1.0 "['macs']")" "['$(mac vm1)']"

# ---- a guest stopped and started, while another pings ----

no_ports() { # PREFIX
	! ctl hostA -j port show | json "any(p['name'].startswith('$1') for p in d)"
}
start() { # GUEST
	vir hostA create "$LAB/$1.xml" && guest_wait "$1"
}
lost() { # FILE
	awk '/packets transmitted/ { print $1 - $4 }' "$1"
}
ctl hostA port add extra type stream segment alpha path "$LAB/extra" owner hook
check "hook-made ports outlive a reload" ctl hostA reload
check "as they were" port_is vm1.0 up alpha hook
check "what the hook made is not taken for switchctl's" eval '! ctl hostA port del extra owner cli'
check "nor the file's for the hook's" eval '! ctl hostA port del vm6 owner hook'
ctl hostA port del extra owner hook
background vm11 ping -n -q -i 0.02 "$(v4 vm2)" >"$LAB/others.ping"
pinger=$LAB_LAST
check "libvirt ends vm1" vir hostA destroy vm1
check "and its port goes" wait_until 5 no_ports vm1.
check "vm1 starts again" start vm1
check "on an interface of another name or number, and is reached" reaches vm11 "$(v4 vm1)"
# Later, so that it can still answer.
check "vm1 ends by itself" guest_run vm1 "{ sleep 3; poweroff -f; } &"
check "and its port goes, too" wait_until 40 no_ports vm1.
finish "$pinger" INT
# The last one may be on its way when ping ends.
check "meanwhile another has lost nothing" [ "$(lost "$LAB/others.ping")" -le 1 ]
check "libvirt ends the guest on web0" vir hostA destroy vm2
wait_until 5 port_is vm2 down alpha file
check "whose port waits for a carrier" port_is vm2 down alpha file
check "which comes again" start vm2
check "with the guest" reaches vm11 "$(v4 vm2)"

# ---- what the metadata must not say ----

refuses() { # TEXT SED-EXPRESSION WORDS
	sed "$2" "$LAB/vm1.xml" >"$LAB/bad.xml"
	check_not "a guest $1 does not start" vir hostA create "$LAB/bad.xml"
	check "and libvirt says why" grep -q "$3" <<<"$(vir hostA create "$LAB/bad.xml" 2>&1)"
	check "nothing is left of it" no_ports vm1.
}
refuses "of a domain that its segment is not of" 's/domain="alpha"/domain="beta"/' \
	'vm1.0. is for domain .beta., and segment .alpha. belongs to domain .alpha'
refuses "of a segment that is not there" 's/segment="alpha"/segment="gamma"/' 'there is no segment .gamma'
refuses "with metadata for an interface that it has not" "s/mac=\"$(mac vm1)\"/mac=\"52:54:00:00:00:99\"/" \
	'52:54:00:00:00:99, which no interface of it has'
refuses "with a segment that is no name" 's/segment="alpha"/segment="a owner cli"/' 'is not the name of a segment'

refuses "in two domains, of which nobody says that it is meant," 's/segment="alpha" domain="alpha"/trunk="101=alpha,102=beta"/' \
	'from "alpha" to "beta" is closed, but there is a way'

# ---- a guest that routes between segments ----

sed 's/segment="alpha" domain="alpha"/trunk="101=alpha,102=beta" indirect="true"/' "$LAB/vm1.xml" >"$LAB/trunk.xml"
check "a guest with a trunk starts" vir hostA create "$LAB/trunk.xml"
guest_up vm1
route='ip addr flush dev eth0; for vid in 101 102; do ip link add link eth0 name v$vid type vlan id $vid;'
route="$route"' ip addr add 10.0.0.$vid/32 dev v$vid; ip link set v$vid up; done;'
route="$route ip route add $(v4 vm11) dev v101; ip route add $(v4 vm12) dev v102"
check "its VLANs are made" guest_run vm1 "$route"
check "and is in one segment by one VLAN" reaches vm11 10.0.0.101
check "and in another by the other" reaches vm12 10.0.0.102
vir hostA destroy vm1

# ---- one for whom nobody vouches ----

sed 's/urn:tvdswitch:guest:1/urn:somebody:else/' "$LAB/vm1.xml" >"$LAB/unknown.xml"
check "a guest without our metadata starts" vir hostA create "$LAB/unknown.xml"
guest_up vm1
check "its port is the wildcard's, and locked" eval '[ "$(ctl hostA -j port show | json "[p[\"state\"] for p in d if p[\"name\"].startswith(\"guests/\")]")" = "['"'locked'"']" ]'
check "it reaches nobody" guest_unreachable vm1 "$(v4 vm11)"
vir hostA destroy vm1

# ---- switchd away; libvirtd anew ----

check "vm1 starts" start vm1
takes_over() {
	local former=${LAB_PID[hostA]}
	nsenter --net=/run/netns/hostA -- setpriv --pdeathsig KILL "$TVD_BIN/switchd" -c "$LAB/hostA.conf" --takeover \
		</dev/null >>"$LAB/hostA.log" 2>&1 &
	LAB_PID[hostA]=$!
	wait_until 15 lab_gone "$former" && wait "$former" && wait_until 15 lab_answers hostA
}
takes_over
check "a successor that takes over has the hook's ports" port_is vm1.0 up alpha hook
check "and vm1 is reached" reaches vm11 "$(v4 vm1)"
background vm11 ping -n -q -i 0.02 "$(v4 vm1)" >"$LAB/anew.ping"
pinger=$LAB_LAST
libvirt_stop hostA
libvirt_start hostA
wait_until 10 grep -q "$(v4 vm1)" "$LAB/anew.ping"
finish "$pinger" INT
check "libvirtd starts anew, and its guest loses nothing" [ "$(lost "$LAB/anew.ping")" -le 1 ]

kill -KILL "${LAB_PID[hostA]}"
wait "${LAB_PID[hostA]}" 2>/dev/null || :
unset 'LAB_PID[hostA]'
sed -e "s/vm1\\([<. ]\\)/vm13\\1/g; s/$(mac vm1)/$(mac vm13)/g; s/$(v4 vm1)\\//$(v4 vm13)\\//" "$LAB/vm1.xml" >"$LAB/vm13.xml"
guest_channel vm13
check "a guest starts while there is no switchd" start vm13
lab_start hostA
ctl hostA port add vm11 type tap segment alpha ifname eth0 netns vm11 mac "$(mac vm11)"
address vm11
check "after a kill, a guest is locked" unreachable vm11 "$(v4 vm1)"
check "libvirt is asked what runs" env TVDSWITCH_LIBVIRT_CONF="$LAB/hostA.hook.conf" \
	nsenter --net=/run/netns/hostA "$LAB_TOP/conf/libvirt/switchd-libvirt-sync" -c "$(libvirt_uri hostA)"
check "and vm1 is reached" reaches vm11 "$(v4 vm1)"
check "the one that had started meanwhile, too" reaches vm11 "$(v4 vm13)"
vir hostA destroy vm13
lab_stop hostA
echo "SWITCHD_DOWN=refuse" >>"$LAB/hostA.hook.conf"
check_not "where it is to be refused, no guest starts without switchd" vir hostA create "$LAB/vm13.xml"
check "which libvirt says" grep -q 'cannot reach switchd' <<<"$(vir hostA create "$LAB/vm13.xml" 2>&1)"
lab_end
