# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Open vSwitch as a peer, with its datapath in user space, in a namespace of the test. Sourced
# after common.sh; a test calls ovs_needed before lab_begin.

OVS_SCHEMA=/usr/share/openvswitch/vswitch.ovsschema

ovs_needed() {
	local program
	for program in ovs-vswitchd ovsdb-server ovsdb-tool ovs-vsctl ovs-appctl; do
		command -v "$program" >/dev/null || lab_skip "there is no $program (package openvswitch-switch)"
	done
	[ -r "$OVS_SCHEMA" ] || lab_skip "there is no $OVS_SCHEMA"
}

# Starts it in a namespace, without bridges.
ovs_start() { # NETNS
	export OVS_RUNDIR=$LAB/ovs OVS_LOGDIR=$LAB/ovs OVS_DBDIR=$LAB/ovs OVS_SYSCONFDIR=$LAB/ovs
	OVS_NETNS=$1
	mkdir "$LAB/ovs"
	ovsdb-tool create "$LAB/ovs/conf.db" "$OVS_SCHEMA"
	background "$1" ovsdb-server "$LAB/ovs/conf.db" --remote="punix:$LAB/ovs/db.sock" \
		--log-file="$LAB/ovs/db.log" -vconsole:off
	wait_until 10 test -S "$LAB/ovs/db.sock" || lab_die "ovsdb-server does not start"
	vsctl --no-wait init
	background "$1" ovs-vswitchd "unix:$LAB/ovs/db.sock" --disable-system --unixctl="$LAB/ovs/ctl" \
		--log-file="$LAB/ovs/ovs.log" -vconsole:off
}

vsctl() {
	timeout 20 ovs-vsctl --db="unix:$LAB/ovs/db.sock" "$@"
}

ovs_bridge() { # NAME
	vsctl add-br "$1" -- set bridge "$1" datapath_type=netdev fail-mode=standalone ||
		lab_die "no bridge $1: $(tail -n 20 "$LAB/ovs/ovs.log")"
}

# This datapath neither cuts superframes nor finishes checksums, so that nobody may send it any.
ovs_plain() { # NETNS INTERFACE
	on "$1" ethtool -K "$2" tx off tso off gso off gro off tx-udp-segmentation off >/dev/null 2>&1 || :
}

# A cable from a namespace's eth0 to a port of bridge br0.
ovs_cable() { # WHERE PORT-SETTINGS...
	local where=$1
	shift
	ip link add eth0 netns "$where" type veth peer name "to-$where" netns "$OVS_NETNS"
	on "$OVS_NETNS" ip link set "to-$where" up
	ovs_plain "$OVS_NETNS" "to-$where"
	ovs_plain "$where" eth0
	vsctl add-port br0 "to-$where" -- set port "to-$where" "$@"
}
