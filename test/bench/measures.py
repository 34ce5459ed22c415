# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: functions of a setup and of the seconds to take, which return
figures by name. UNITS has all names."""
import json
import os
import re
import socket
import threading
import time

import lab

# Where a load and what it loads shall not share a core. On one core they do.
FIRST, LAST = lab.CORES[0], lab.CORES[-1]


def _iperf_server(setup):
    """iperf3 -s in the second guest, started once."""
    if setup.server is None:
        setup.server = setup.start(setup.guests[1], "iperf3", "-s", "-4", log=setup.of("iperf3.log"), switch=False)
        lab.wait_until(lambda: "5201" in lab.command("ss", "-Hltn", where=setup.guests[1]), 10,
                       "iperf3 does not listen")


def tcp(setup, seconds):
    """One TCP stream from the first guest to the second."""
    _iperf_server(setup)
    before = lab.cpu_ns(setup.pids)
    # cubic: BBR, the default of some machines, paces fast paths and hides differences.
    out = json.loads(lab.command("iperf3", "-c", setup.address(1), "-t", seconds, "-C", "cubic", "-J",
                                 where=setup.guests[0], timeout=seconds + 30))
    used = lab.cpu_ns(setup.pids) - before
    received = out["end"]["sum_received"]
    figures = {"gbit": received["bits_per_second"] / 1e9,
               "retransmits": out["end"]["sum_sent"].get("retransmits", 0)}
    if used:
        figures["gbit_per_cpu"] = received["bytes"] * 8 / used
    return figures


def _received(setup):
    link = json.loads(lab.command("ip", "-s", "-j", "-n", setup.guests[1], "link", "show", "dev", "eth0"))
    return link[0]["stats64"]["rx"]["packets"]


def frames(setup, seconds, sources=1, destinations=1, rate=0):
    """60-byte frames from the first guest to the second, as many as can be sent, or at a
    rate, from one core; what forwards them is on another one."""
    lab.pin(setup.pids, {LAST})
    try:
        before = lab.cpu_ns(setup.pids)
        arrived = _received(setup)
        out = json.loads(lab.command("taskset", "-c", FIRST, lab.TOOLS + "/bench_generate", "-i", "eth0",
                                     "-s", setup.source, "-d", setup.destination, "-S", sources, "-D", destinations,
                                     "-t", seconds, "-r", rate, where=setup.guests[0], timeout=seconds + 30))
        time.sleep(0.02)  # what is queued still comes
        arrived = _received(setup) - arrived
        used = lab.cpu_ns(setup.pids) - before
    finally:
        lab.pin(setup.pids, lab.CORES)
    if not arrived:
        raise lab.Failure("no frame arrives")
    # What a full TAP refuses is no loss: the generator is told, and goes on.
    figures = {"kframes": arrived / out["seconds"] / 1e3, "loss": max(0.0, 1 - arrived / out["sent"]),
               "refused": out["refused"] / (out["sent"] + out["refused"])}
    if used:
        figures["kframes_per_cpu"] = arrived * 1e6 / used
        figures["ns_per_frame"] = used / arrived
    return figures


STEADY_RATE = 50000  # which no peer loses anything of


def at_rate(setup, seconds):
    """The same at a rate that every peer forwards: what is lost of it."""
    return {"loss": frames(setup, seconds, rate=STEADY_RATE)["loss"]}


def many_addresses(setup, seconds):
    """The same, through all addresses that the setup has made known."""
    return frames(setup, seconds, setup.known, setup.known)


def _pingpong(setup, seconds, gap, prefix):
    serve = setup.start(setup.guests[1], *prefix, lab.TOOLS + "/bench_pingpong", "serve", setup.address(1), 7,
                        log=setup.of("pingpong.log"), switch=False)
    try:
        lab.wait_until(lambda: ":7 " in lab.command("ss", "-Hlun", where=setup.guests[1]), 10, "no pingpong")
        return json.loads(lab.command(*prefix, lab.TOOLS + "/bench_pingpong", setup.address(1), 7, seconds, gap,
                                      where=setup.guests[0], timeout=seconds + 30))
    finally:
        setup.processes.remove(serve)
        serve.kill()
        serve.wait()


def roundtrip(setup, seconds):
    """One UDP packet to and fro, with everything on one core: what waking an idle
    virtual core costs is not the switch's."""
    lab.pin(setup.pids, {LAST})
    try:
        out = _pingpong(setup, seconds, 0, ["taskset", "-c", LAST])
    finally:
        lab.pin(setup.pids, lab.CORES)
    return {"rtt_us": out["p50"], "rtt_p99_us": out["p99"], "lost": out["lost"]}


def latency(setup, seconds):
    """Round trips while the same guests also have a TCP stream of 1 Gbit/s, wherever
    the scheduler puts everything."""
    _iperf_server(setup)
    load = setup.start(setup.guests[0], "iperf3", "-c", setup.address(1), "-t", seconds + 1, "-C", "cubic", "-b", "1G",
                       log=setup.of("load.log"), switch=False)
    try:
        time.sleep(0.5)  # until it has its rate
        out = _pingpong(setup, seconds, 100, [])
    finally:
        load.wait()
        setup.processes.remove(load)
    return {"p50_us": out["p50"], "p99_us": out["p99"], "p999_us": out["p999"], "lost": out["lost"]}


def idle(setup, seconds):
    """Processor time of a switch with nothing to do, and its memory."""
    before = lab.cpu_ns(setup.pids)
    time.sleep(seconds)
    used = lab.cpu_ns(setup.pids) - before
    return {"idle_percent": used / seconds / 1e7, "rss_mib": memory(setup.pids)}


def memory(pids):
    """Resident memory of processes, in MiB."""
    total = 0
    for pid in pids:
        with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as lines:
            total += next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total / 1024


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def control(setup, _seconds):
    """How long the switch took to start; how long a reload takes that adds a segment,
    and one that removes it again; and what lists the forwarding database, all counters, and
    peers (each segment has one)."""
    host = setup.hosts[0]
    figures = {"startup_s": setup.startup, "rss_mib": memory(setup.pids)}
    setup.toggle()
    figures["reload_s"] = timed(lambda: setup.ctl(host, "reload", timeout=120))
    setup.untoggle()
    figures["reload_back_s"] = timed(lambda: setup.ctl(host, "reload", timeout=120))
    figures["dump_s"] = timed(lambda: setup.ctl(host, "fdb", "show", timeout=120))
    figures["dump_json_s"] = timed(lambda: setup.ctl(host, "-j", "fdb", "show", timeout=120))
    figures["dump_one_s"] = timed(lambda: setup.ctl(host, "fdb", "show", "segment", setup.quiet))
    figures["metrics_s"] = timed(lambda: setup.ctl(host, "metrics"))
    figures["peers_s"] = timed(lambda: setup.ctl(host, "peer", "show"))
    return figures


class Client:
    """A client of the control socket that asks without starting a program for it."""

    def __init__(self, setup):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(os.path.join(lab.RUN, setup.of("host")) + ".sock")

    def ask(self, request):
        """Milliseconds until all of the answer was there."""
        begin = time.monotonic()
        self.socket.sendall(json.dumps({"do": request}).encode() + b"\n")
        line = b""  # the last that has begun
        while not line.endswith(b"\n") or not line.startswith(b'{"ok"'):
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise lab.Failure("no answer to " + request)
            line = (line + piece).rstrip(b"\n").rsplit(b"\n", 1)[-1] + (b"\n" if piece.endswith(b"\n") else b"")
        if not line.startswith(b'{"ok":true'):
            raise lab.Failure("%s: %s" % (request, line.decode()))
        return (time.monotonic() - begin) * 1e3


def _loaded(setup):
    """TCP as fast as it goes, and small frames as fast as they can be sent, from the first
    guest to the second, until they are stopped."""
    _iperf_server(setup)
    load = [setup.start(setup.guests[0], "iperf3", "-c", setup.address(1), "-t", 600, "-C", "cubic",
                        log=setup.of("load.log"), switch=False),
            setup.start(setup.guests[0], lab.TOOLS + "/bench_generate", "-i", "eth0", "-s", setup.source,
                        "-d", setup.destination, "-S", setup.known, "-D", setup.known, "-t", 600,
                        log=setup.of("load.log"), switch=False)]
    time.sleep(0.5)  # until it is there
    return load


def _ask_for(setup, seconds, requests, enough=lambda: True):
    """How long answers take, one request after the other, under load."""
    load = _loaded(setup)
    taken, client, end = [], Client(setup), time.monotonic() + seconds
    try:
        while time.monotonic() < end or not enough():
            for request in requests:
                taken.append(client.ask(request))
                time.sleep(0.001)
    finally:
        client.socket.close()
        for process in load:
            process.kill()
            process.wait()
            setup.processes.remove(process)
    taken.sort()
    return {"answer_p50_ms": taken[len(taken) // 2], "answer_p99_ms": taken[len(taken) * 99 // 100],
            "answer_max_ms": taken[-1], "answers": len(taken)}


def answers(setup, seconds):
    """How long requests take while guests use all that the switch can do."""
    return _ask_for(setup, seconds, ("status", "port.show", "fdb.show", "metrics"))


def answers_beside(setup, seconds):
    """The same of `status`, while another client has all lists made, and reloads."""
    stop, once = threading.Event(), threading.Event()
    failed = []

    def others():
        client = Client(setup)
        try:
            while not stop.is_set():
                for request in ("metrics", "fdb.show", "segment.show", "encap.show", "port.show", "peer.show"):
                    client.ask(request)
                for change in (setup.toggle, setup.untoggle):
                    change()
                    client.ask("reload")
                once.set()
        except (lab.Failure, OSError) as why:
            failed.append(why)
        finally:
            once.set()
            client.socket.close()

    thread = threading.Thread(target=others)
    thread.start()
    try:
        figures = _ask_for(setup, seconds, ("status",), once.is_set)
    finally:
        stop.set()
        thread.join()
    if failed:
        raise lab.Failure(str(failed[0]))
    return figures


PARTS = ("parse", "learn", "lookup", "push", "segment", "merge", "known")


def instructions(_setup, _seconds):
    """Instructions a frame of the pure parts of forwarding: no noise, so that one more shows."""
    figures = {}
    for part in PARTS:
        out = lab.command("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=work",
                          "--log-fd=1", lab.TOOLS + "/bench_instructions", part, 200, timeout=120)
        figures[part] = (int(re.search(r"Collected : (\d+)", out)[1])
                         / int(re.search(r'"frames": (\d+)', out)[1]))
    return figures


def guests_tcp(setup, seconds):
    """One TCP stream between guests of QEMU."""
    return {"gbit": setup.next_rate(ROUNDS[guests_tcp], seconds) / 1000}


UNITS = {"gbit": "Gbit/s", "gbit_per_cpu": "Gbit/CPU-s", "kframes": "kframes/s", "kframes_per_cpu": "kframes/CPU-s",
         "ns_per_frame": "ns CPU/frame", "loss": "share", "rtt_us": "us", "p50_us": "us", "p99_us": "us",
         "p999_us": "us", "idle_percent": "% CPU", "rss_mib": "MiB", "startup_s": "s", "reload_s": "s", "dump_s": "s",
         "dump_json_s": "s", "dump_one_s": "s", "metrics_s": "s", "peers_s": "s",
         "answer_p50_ms": "ms", "answer_p99_ms": "ms", "answer_max_ms": "ms",
         **dict.fromkeys(PARTS, "instructions")}
LOWER = {"ns_per_frame", "loss", "rtt_us", "p50_us", "p99_us", "p999_us", "idle_percent", "rss_mib", "startup_s",
         "reload_s", "dump_s", "dump_json_s", "dump_one_s", "metrics_s", "peers_s",
         "answer_p50_ms", "answer_p99_ms", "answer_max_ms",
         *PARTS}
# In which order the measures of a round are taken.
ORDER = [tcp, frames, at_rate, roundtrip, latency, answers, idle, many_addresses, control, answers_beside, instructions,
         guests_tcp]
# Those that take long and say the same each time are not taken in every round.
ROUNDS = {idle: 3, control: 2, instructions: 1, guests_tcp: 3}
# Those to which it is all one what else the machine does.
STEADY = {instructions}
# Those that cannot be taken again.
SINGLE = {instructions, guests_tcp}
