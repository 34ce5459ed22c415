# SPDX-License-Identifier: BSD-2-Clause
# Counts test cases in CTest's LastTest.log: a case for each TAP line of a test,
# one for a test that writes none. A test that failed without a failed case (it
# crashed, or took too long) has one more, failed. Prints "passed failed skipped",
# and on stderr what failed and what was skipped.
#
#	awk -v suite=NAME -f count.awk LastTest.log

function tell(what) {
	print suite " " name ": " what >"/dev/stderr"
}

/^[0-9]+\/[0-9]+ Testing: / {
	name = $3
	ok = bad = skip = output = 0
	next
}
/^Output:$/ { output = 1; next }
/^<end of output>$/ { output = 0; next }
output && /^1\.\.0 # SKIP/ { skip++; tell("skipped" substr($0, 12)); next }
output && /^(not )?ok .*# SKIP/ { skip++; tell($0); next }
output && /^ok / { ok++; next }
output && /^not ok / { bad++; tell($0); next }
!output && /^Test (Passed|Failed)\.$/ {
	if ($2 == "Failed." && !bad) {
		bad = 1
		tell("ended badly or took too long")
	}
	if (!ok && !bad && !skip)
		ok = 1
	passed += ok
	failed += bad
	skipped += skip
	tests++
}
END {
	if (!tests) {
		failed++
		name = "all"
		tell("no test ran")
	}
	print passed + 0, failed + 0, skipped + 0
}
