# SPDX-License-Identifier: BSD-2-Clause
# Collects "@syscall name ..." from comments into one table of unique names:
# SYSCALL(name) for each. "@syscall-sanitize name ..." marks what only sanitizer
# builds make.
function emit(kind, name) {
	if (name !~ /^[a-z_0-9]+$/ || (kind, name) in seen)
		return
	seen[kind, name] = 1
	printf "%s(%s)\n", kind, name
}
{
	n = split($0, word, /[ \t]+/)
	kind = ""
	for (i = 1; i <= n; i++) {
		if (word[i] == "@syscall")
			kind = "SYSCALL"
		else if (word[i] == "@syscall-sanitize")
			kind = "SYSCALL_SANITIZE"
		else if (kind != "" && word[i] ~ /^[a-z_0-9]+$/)
			emit(kind, word[i])
		else
			kind = ""
	}
}
