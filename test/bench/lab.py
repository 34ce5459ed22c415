# SPDX-License-Identifier: BSD-2-Clause
"""Namespaces and processes of the bench, and how much of the machine they used.

Everything happens in network, mount and process namespaces of the bench's own,
as an ordinary user also in a user namespace, so that the kernel takes all of it
down when the bench ends, for whatever reason: see test/lab/lab.sh, whose
conventions these are.
"""
import os
import resource
import signal
import subprocess
import sys
import time

BIN = os.path.abspath(os.environ.get("TVD_BIN") or
                      os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/bin"))
TOOLS = os.path.join(os.path.dirname(BIN), "bench")  # generate and pingpong
RUN = "/run/bench"
CORES = sorted(os.sched_getaffinity(0))


class Failure(Exception):
    """Something could not be set up or measured; the text says what."""


# ---- outside: enter the namespaces ----

def enter():
    """Runs this program anew in namespaces of its own. Returns inside of them."""
    if os.environ.get("TVD_BENCH_INSIDE"):
        # Whatever starts with SIGINT ignored cannot be stopped by Ctrl-C.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(128 + number))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        command("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
        os.makedirs("/run/netns")
        os.makedirs(RUN)
        command("ip", "link", "set", "lo", "up")
        return
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        sys.exit("bench: /dev/net/tun is missing, or closed to this user: Debian has it with mode 0666")
    # The processes of the whole machine stay visible through this: see Watch.
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(proc, True)
    environment = dict(os.environ, TVD_BENCH_INSIDE=str(proc),
                       PATH=os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin")
    child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare"] + _namespaces()
                             + [sys.executable, "-B"] + sys.argv, env=environment, pass_fds=[proc])

    stopped = []

    def end(number, _):
        stopped.append(number)
        child.kill()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    status = child.wait()
    if stopped:
        sys.exit("bench: interrupted; everything it started is gone")
    sys.exit(status)


def _namespaces():
    """Which namespaces can be had: as root plain ones, else inside a user namespace."""
    for kind in ["-nm", "-Urnm"] if os.getuid() == 0 else ["-Urnm"]:
        for more in (["-pf", "--mount-proc", "--kill-child"], []):
            tried = subprocess.run(["unshare", kind] + more + ["true"], capture_output=True, text=True, check=False)
            if tried.returncode == 0:
                return [kind] + more
    sys.exit("bench: this machine lets us make no namespaces: " + tried.stderr.strip())


# ---- inside ----

def command(*words, where=None, check=True, timeout=60, stdin=None):
    """Runs a command, in a network namespace if one is named, and returns what it printed."""
    words = [str(word) for word in words]
    try:
        done = subprocess.run(_inside(where) + words, capture_output=True, text=True, timeout=timeout,
                              input=stdin, check=False)
    except subprocess.TimeoutExpired:
        raise Failure("%s did not end" % " ".join(words[:3])) from None
    except FileNotFoundError:
        raise Failure("there is no %s here" % words[0]) from None
    if check and done.returncode != 0:
        why = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Failure("%s: %s" % (" ".join(words[:3]), why[-1] if why else "status %d" % done.returncode))
    return done.stdout


def start(where, *words, log, environment=None):
    """Starts a program that ends with the bench. Its output goes to a file in RUN."""
    with open(os.path.join(RUN, log), "ab") as output:
        # A pipe that nobody writes to: some programs end when their input does.
        return subprocess.Popen(_inside(where) + ["setpriv", "--pdeathsig", "KILL"] + [str(word) for word in words],
                                stdin=subprocess.PIPE, stdout=output, stderr=output,
                                env=dict(os.environ, **(environment or {})))


def stop(process):
    """Ends a program that start() started, in order if it can."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _inside(where):
    return ["nsenter", "--net=/run/netns/" + where, "--"] if where else []


def namespace(name):
    """Makes a network namespace in which nothing speaks by itself."""
    command("ip", "netns", "add", name)
    command("sh", "-c", "ip link set lo up; cd /proc/sys/net/ipv6/conf/default && echo 1 >disable_ipv6", where=name)
    return name


def wait_until(test, seconds, what):
    """Polls until the test holds."""
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise Failure(what() if callable(what) else what)
        time.sleep(0.02)


def exists(where, interface):
    """Whether a namespace has an interface."""
    return bool(command("ip", "-n", where, "-o", "link", "show", "dev", interface, check=False))


def read(log):
    """What a program has written so far."""
    with open(os.path.join(RUN, log), encoding="utf-8", errors="replace") as text:
        return text.read()


def last_line(log):
    """The end of a program's output, for messages."""
    return (read(log).strip().splitlines() or [""])[-1]


# ---- processor time ----

def _run_time(folder):
    """Nanoseconds on a processor of all threads of the process /proc/PID is of."""
    total = 0
    try:
        for task in os.listdir(folder + "/task"):
            try:
                with open("%s/task/%s/schedstat" % (folder, task), encoding="ascii") as line:
                    total += int(line.read().split()[0])
            except (OSError, IndexError):
                pass
    except OSError:
        pass
    return total


def cpu_ns(pids):
    """Nanoseconds that processes have had on a processor so far."""
    return sum(_run_time("/proc/%d" % pid) for pid in pids)


def pin(pids, cores):
    """Keeps all threads of processes on some cores."""
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            try:
                os.sched_setaffinity(int(task), cores)
            except OSError:
                pass


class Watch:
    """What share of the machine others took between begin() and end().

    It is what all processors did, less what our own processes did, less the
    kernel's threads for packets, which work for us. With a process namespace
    "our own" are the processes that are visible here; without one others' are
    visible too, and nothing can be said."""

    def __init__(self):
        self.machine = "/proc/self/fd/" + os.environ["TVD_BENCH_INSIDE"]
        self.packets = []
        self.blind = os.getpid() != 1
        for pid in os.listdir(self.machine):
            if pid.isdigit():
                try:
                    with open("%s/%s/comm" % (self.machine, pid), encoding="ascii", errors="replace") as name:
                        if name.read().startswith("ksoftirqd/"):
                            self.packets.append("%s/%s" % (self.machine, pid))
                except OSError:
                    pass
        self.before = None

    def _now(self):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = used.ru_utime + used.ru_stime + sum(
            _run_time("/proc/" + pid) for pid in os.listdir("/proc") if pid.isdigit()) / 1e9
        ours += sum(_run_time(folder) for folder in self.packets) / 1e9
        with open("/proc/stat", encoding="ascii") as lines:
            ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in lines.readline().split()[1:9]]
        # user nice system idle iowait irq softirq steal
        return time.monotonic(), ours, sum(ticks) - ticks[3] - ticks[4]

    def begin(self):
        self.before = self._now()

    def end(self):
        """Others' processor time as a share of one core."""
        now = self._now()
        wall, ours, busy = (after - before for after, before in zip(now, self.before))
        return 0.0 if self.blind or wall <= 0 else max(0.0, (busy - ours) / wall)
