#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast this switch is beside others: ratios, from rounds in which all take turns.

bench.py [--quick] [--only PATTERN] [--rounds N] [--seconds N] [--list]

rows.py says what is compared, setups.py builds it, measures.py measures it,
report.py judges it. Status 0 if something could be measured; no figure fails.
"""
import argparse
import datetime
import os
import platform
import re
import sys
import time

import lab
import measures
import report
import rows
import setups

QUICK = 112  # seconds within which --quick takes its samples
RETRIES = 2  # how often a sample that others disturbed is taken again


def arguments():
    parser = argparse.ArgumentParser(prog="./run bench", description="Compares this switch with its peers.")
    parser.add_argument("--quick", action="store_true", help="the most important rows, in two minutes")
    parser.add_argument("--only", metavar="PATTERN", type=lambda text: re.compile(text, re.I),
                        help="rows whose key or title has this regular expression")
    parser.add_argument("--rounds", type=int, help="how often each is measured (default 7, quick 3)")
    parser.add_argument("--seconds", type=int, help="how long each time (default 3, quick 1)")
    parser.add_argument("--output", metavar="FOLDER", default=os.path.join(lab.BIN, "../bench"),
                        help="where bench.json and bench.svg go (default build/bench)")
    parser.add_argument("--list", action="store_true", help="print the rows and their keys")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)  # only judge the arguments
    try:
        given = parser.parse_args()
    except re.error as why:
        parser.error("--only: %s" % why)
    if given.rounds is None:
        given.rounds = 3 if given.quick else 7
    if given.seconds is None:
        given.seconds = 1 if given.quick else 3
    given.deadline = time.monotonic() + QUICK if given.quick else None
    if given.rounds < 1 or given.seconds < 1:
        parser.error("at least one round of one second")
    if not chosen(given):
        parser.error("no row is called like that; --list lists them")
    return given


def chosen(given):
    if given.only:
        return [row for row in rows.ROWS if given.only.search(row.key) or given.only.search(row.title)]
    return [row for row in rows.ROWS if row.quick or not given.quick]


def say(text):
    """Progress: on a terminal one line that changes."""
    if sys.stderr.isatty():
        print("\r\033[K" + text[:100], end="" if text else "\r", file=sys.stderr, flush=True)


def first_line(*words):
    try:
        return lab.command(*words).strip().splitlines()[0]
    except (lab.Failure, IndexError):
        return "not here"


def about(given):
    """What figures depend on."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        cpu = re.search(r"^(?:model name|Model|CPU part)\s*: (.*)$", lines.read(), re.M)
    with open("/proc/meminfo", encoding="ascii") as lines:
        memory = int(lines.readline().split()[1]) // 1024
    compiler = "unknown"
    try:
        with open(os.path.join(lab.BIN, "../CMakeCache.txt"), encoding="utf-8") as cache:
            text = cache.read()
        compiler = "%s, %s" % (first_line(re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", text, re.M)[1], "--version"),
                               re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", text, re.M)[1])
    except (OSError, TypeError):
        pass
    peers = {name: first_line("dpkg-query", "-W", "-f", "${Version}", name)
             for name in ("iperf3", "vde2", "vdeplug", "openvswitch-switch", "tinc")}
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "switchd": first_line(lab.BIN + "/switchd", "-V").split()[-1], "compiler": compiler,
            "cpu": "%s, %d cores" % (cpu[1] if cpu else platform.machine(), len(lab.CORES)), "memory_mib": memory,
            "kernel": platform.release(), "peers": peers,
            "rounds": given.rounds, "seconds": given.seconds}


def print_about(facts):
    print("tvdswitch %s; %s" % (facts["switchd"], facts["compiler"]))
    print("%s, %d MiB; Linux %s" % (facts["cpu"], facts["memory_mib"], facts["kernel"]))
    print(", ".join("%s %s" % peer for peer in facts["peers"].items()))
    print("%d round%s of %d s\n" % (facts["rounds"], "" if facts["rounds"] == 1 else "s", facts["seconds"]),
          flush=True)


def build(names):
    """Makes all setups that are needed. What cannot be made is told by its rows."""
    made, failures = {}, {}

    def attempt(name, setup, work):
        try:
            work()
            made[name] = setup
        except setups.Missing as why:
            failures[name] = str(why)
        except lab.Failure as why:
            failures[name] = "%s failed: %s" % (name, why)
        if name in failures:
            made.pop(name, None)
            setup.stop()
    for name in names:
        say("building %s" % name)
        setup = setups.SETUPS[name](name)
        attempt(name, setup, setup.make)
    # Some take their time; they take it together.
    for name, setup in list(made.items()):
        say("waiting for %s" % name)
        attempt(name, setup, lambda setup=setup: lab.wait_until(
            setup.ready, 30, lambda: "the guests do not reach each other" + setup.said()))
    return made, failures


def sample(watch, measure, setup, seconds, retries):
    """One sample; again, a few times, if others used the machine meanwhile. The least
    disturbed one counts."""
    best = None
    for _ in range(1 + retries):
        try:
            # So that every table on the way knows both, and what was queued is gone.
            lab.wait_until(setup.reaches, 5, "the guests reach each other no more")
            watch.begin()
            figures = measure(setup, seconds)
        except (lab.Failure, OSError, KeyError, ValueError) as why:
            return {"error": "%s: %s" % (measure.__name__, why), "figures": {}, "others": 0.0}
        others = 0.0 if measure in measures.STEADY else watch.end()
        taken = {"figures": figures, "others": round(others, 3)}
        if best is None or taken["others"] < best["others"]:
            best = taken
        if best["others"] <= report.DISTURBED:
            break
    return best


def take_turns(given, jobs, made, samples):
    """All rounds, in each of which every job has a turn. With a deadline there are no
    more rounds than fit, and samples are taken again only while there is time. Returns
    the number of rounds."""
    watch = lab.Watch()
    begin = time.monotonic()
    longest = 0.0
    for turn in range(given.rounds):
        started = time.monotonic()
        if given.deadline and turn and started + longest > given.deadline:
            say("")
            print("only %d rounds fit into the time\n" % turn)
            return turn
        for done, (measure, name) in enumerate(jobs):
            if turn >= measures.ROUNDS.get(measure, given.rounds):
                continue
            say("round %d of %d: %s, %s" % (turn + 1, given.rounds, measure.__name__, name))
            retries = 0 if measure in measures.SINGLE else RETRIES
            if given.deadline:
                share = (turn + done / len(jobs)) / given.rounds
                late = time.monotonic() - begin > share * (given.deadline - begin)
                retries = 0 if late else min(1, retries)
            samples[measure, name].append(sample(watch, measure, made[name], given.seconds, retries))
        longest = max(longest, time.monotonic() - started)
    say("")
    return given.rounds


def list_rows(listed):
    width = max(len(row.key) for row in listed)
    section = None
    try:
        for row in listed:
            if row.section != section:
                section = row.section
                print(section)
            print("  %-*s  %s" % (width, row.key, row.title))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor at the end


def main():
    given = arguments()
    wanted = chosen(given)
    if given.check:
        return 0
    if given.list:
        list_rows(wanted if given.only or given.quick else rows.ROWS)
        return 0
    os.makedirs(given.output, exist_ok=True)
    # It may be below /run, which enter() covers.
    output = "/proc/self/fd/%d" % os.open(given.output, os.O_RDONLY | os.O_DIRECTORY)
    lab.enter()
    facts = about(given)
    print_about(facts)
    names = dict.fromkeys(name for row in wanted for name in (row.ours, row.peer) if name)
    made, failures = build(names)
    jobs = list(dict.fromkeys((row.measure, name) for row in wanted for name in (row.ours, row.peer)
                              if name in made))
    jobs.sort(key=lambda job: measures.ORDER.index(job[0]))  # stable: what is compared, in turns
    samples = {job: [] for row in wanted for job in ((row.measure, row.ours), (row.measure, row.peer))}
    facts["rounds"] = take_turns(given, jobs, made, samples)
    results = [report.judge(row, samples, failures) for row in wanted]
    report.table(results, sys.stdout)
    report.write_all(output, facts, results, samples, failures)
    print("\nall samples: %s/bench.json, a picture: bench.svg" % os.path.relpath(given.output))
    return 0 if any("ratio" in result for result in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except lab.Failure as failure:
        sys.exit("bench: %s" % failure)
