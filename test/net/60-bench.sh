#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The bench itself: that it measures, says what it cannot, and leaves nothing behind.
# No figure is judged here. It makes its own namespaces, inside of this lab's.

# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
lab_begin "$@"
bench() {
	"$LAB_TOP/test/bench/bench.py" --rounds 1 --seconds 1 --output "$LAB/out" "$@"
}

check "TCP, small frames, round trips, idle" bench --only '^(local-(tcp|rtt|rate)-bridge|idle-ten)$'
rows() {
	json "$1" <"$LAB/out/bench.json"
}
check "each row has its figure" rows "len(d['rows']) == 4 and all(r['ours'] >= 0 and r['ratio'] >= 0 for r in d['rows'])"
check "the picture has a bar for each" "$PYTHON" -c 'import sys, xml.etree.ElementTree as tree
bars = [e for e in tree.parse(sys.argv[1]).iter() if e.get("class") == "bar"]
sys.exit(len(bars) != 4)' "$LAB/out/bench.svg"

# ---- interrupted ----

runs() { # NAME-REGEX
	cat /proc/[0-9]*/comm 2>/dev/null | finds -xE "$1"
}
gone() {
	! runs 'switchd|iperf3|unshare|bench.py'
}
env --default-signal=INT "$LAB_TOP/test/bench/bench.py" --only local-tcp-bridge --rounds 100 --output "$LAB/out2" >/dev/null 2>"$LAB/bench.err" &
LAB_CHILDREN+=($!)
check "it starts programs" wait_until 40 runs iperf3
kill -INT "${LAB_CHILDREN[-1]}"
check "when it is interrupted, they are gone" wait_until 40 gone
check "and it says so" wait_until 5 grep -q interrupted "$LAB/bench.err"

check_not "a row that is not there" bench --only 'no such row'
check_not "no pattern" bench --only '('
lab_end
