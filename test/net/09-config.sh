#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Hundreds of broken configurations: each is refused with file and line. No
# traffic; here because it needs the program and not much more.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"

cat >"$LAB/valid.conf" <<'END'
host = "hostA";
control = "/run/lab/hostA.sock";
user = "";
log_level = "info";
ids = "own";
seccomp = true;
uplinks = (
  { name = "lan"; interface = "eth0"; address = "192.0.2.1"; }
);
segments = (
  { name = "alpha"; id = 1; domain = "alpha"; ageing = 300; fdb_max = 8192; fdb_port_max = 1000;
    tags = "drop"; isolated = false; storm = 1000;
    encap = ( { type = "etherip"; uplink = "lan"; group = "239.192.0.1"; ttl = 1; oversize = "clip";
                nibbles = "rfc"; clamp_mss = true; relay = false; } ); },
  { name = "beta"; id = 2; domain = "beta"; }
);
ports = (
  { name = "vm1"; type = "tap"; segment = "alpha"; ifname = "eth0"; netns = "vm1";
    mac = "52:54:00:00:00:01"; mtu = 1400; state = "open"; },
  { name = "vm2"; type = "tap"; segment = "beta"; ifname = "tap2"; isolated = true; }
);
END
check "the valid configuration is accepted" "$TVD_BIN/switchd" -t -c "$LAB/valid.conf"
if out=$("$PYTHON" "$LAB_TOP/test/net/mutate.py" "$TVD_BIN/switchd" "$LAB/valid.conf"); then
	pass "all are refused with file and line: $(tail -n 1 <<<"$out")"
else
	flunk "all are refused with file and line" "$out"
fi
check_not "a file that is not there" "$TVD_BIN/switchd" -t -c "$LAB/nothing.conf"
lab_end
