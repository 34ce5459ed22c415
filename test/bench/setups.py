# SPDX-License-Identifier: BSD-2-Clause
"""What is compared: two guests, and something that joins them.

A guest is a network namespace whose interface is eth0. Setups differ in what is
between the two: this switch, or a peer. Each has

    guests   the namespaces of the two guests
    switch   the processes that forward, empty where the kernel does
    build()  which makes it all; afterwards the guests reach each other
"""
import os
import re
import time

import lab

BIN = os.environ.get("TVD_BIN") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/bin")


class Missing(Exception):
    """This version of the switch, or this machine, has not got what a setup needs."""


class Setup:
    """Two guests, 10.0.0.1 and 10.0.0.2."""
    mtu = 1500
    programs = ()  # what must be installed

    def __init__(self, name):
        self.name = name
        self.guests = []
        self.switch = []
        self.processes = []
        self.server = None

    # Names of namespaces and files, unique among setups.
    def of(self, role):
        return "%s.%s" % (self.name, role)

    @property
    def pids(self):
        return [process.pid for process in self.switch]

    def mac(self, guest):
        return "52:54:00:00:00:%02x" % (guest + 1)

    def address(self, guest):
        return "10.0.0.%d" % (guest + 1)

    def start(self, where, *words, log, switch=True, **more):
        process = lab.start(where, *words, log=log, **more)
        self.processes.append(process)
        if switch:
            self.switch.append(process)
        return process

    def make(self):
        """Builds the setup, and believes that it works when guests reach each other."""
        for program in self.programs:
            if not lab.command("sh", "-c", "command -v " + program, check=False):
                raise Missing("there is no %s here" % program)
        self.guests = [lab.namespace(self.of("guest%d" % (number + 1))) for number in range(2)]
        self.build()
        for number in range(2):
            self.join(number)
        lab.wait_until(self.reaches, 20, "the guests do not reach each other")

    def build(self):
        raise NotImplementedError

    def join(self, number):
        """Gives a guest its addresses as soon as it has its interface."""
        where = self.guests[number]
        lab.wait_until(lambda: lab.exists(where, "eth0"), 10, "a guest gets no interface")
        lab.command("ip", "-n", where, "link", "set", "eth0", "address", self.mac(number), "mtu", self.mtu, "up")
        lab.command("ip", "-n", where, "addr", "replace", self.address(number) + "/24", "dev", "eth0")

    def reaches(self):
        """Whether one guest hears the other; afterwards every table on the way knows both."""
        return "1 received" in lab.command("ping", "-q", "-n", "-c", 1, "-W", 1, self.address(1),
                                           where=self.guests[0], check=False)

    def stop(self):
        for process in self.processes:
            lab.stop(process)
        self.processes, self.switch, self.server = [], [], None

    # Pieces of labs.

    def host(self, name="host"):
        return lab.namespace(self.of(name))

    def cable(self, where, interface, guest):
        """A veth from a guest to an interface on a host."""
        lab.command("ip", "link", "add", "eth0", "netns", self.guests[guest], "type", "veth",
                    "peer", "name", interface, "netns", where)
        lab.command("ip", "-n", where, "link", "set", interface, "up")

    def plug(self, where, tap, guest):
        """Moves a TAP that a program on a host holds into a guest."""
        lab.wait_until(lambda: lab.exists(where, tap), 10, "no TAP appears")
        lab.command("ip", "-n", where, "link", "set", tap, "netns", self.guests[guest], "name", "eth0")


class TwoHosts(Setup):
    """Guests on two hosts, and between these a wire like a plain NIC's: without
    segmentation offloads, neither for TCP and UDP nor for what is in tunnels."""
    mtu = 1400  # the same for all, so that each one's outer packets fit 1500
    offload = False

    def hosts(self):
        hosts = [self.host("host%d" % (number + 1)) for number in range(2)]
        lab.command("ip", "link", "add", "eth0", "netns", hosts[0], "type", "veth", "peer", "name", "eth0",
                    "netns", hosts[1])
        for number, where in enumerate(hosts):
            if not self.offload:
                self.plain(where)
            lab.command("ip", "-n", where, "addr", "add", self.outer(number) + "/24", "dev", "eth0")
            lab.command("ip", "-n", where, "link", "set", "eth0", "up")
        return hosts

    def outer(self, number):
        return "192.0.2.%d" % (number + 1)

    def plain(self, where):
        features = lab.command("ethtool", "-k", "eth0", where=where)
        names = re.findall(r"^\s*(tx-\S*segmentation|tx-gso-\S+): on$", features, re.M)
        words = ["tso", "off", "gso", "off"]
        for name in names:
            if name.endswith("segmentation"):
                words += [name, "off"]
        lab.command("ethtool", "-K", "eth0", *words, where=where)


# ---- one host ----

class Bridge(Setup):
    """The kernel's bridge; guests on veths."""

    def build(self):
        host = self.host()
        lab.command("ip", "-n", host, "link", "add", "br0", "type", "bridge")
        lab.command("ip", "-n", host, "link", "set", "br0", "up")
        for number in range(2):
            self.cable(host, "guest%d" % number, number)
            lab.command("ip", "-n", host, "link", "set", "guest%d" % number, "master", "br0")


class Vde(Setup):
    """vde_switch with TAPs of its own, its fastest way."""
    programs = ("vde_switch",)

    def build(self):
        host = self.host()
        self.start(host, "vde_switch", "-s", os.path.join(lab.RUN, self.of("ctl")), "-t", "tap0", "-t", "tap1",
                   log=self.of("log"))
        for number in range(2):
            self.plug(host, "tap%d" % number, number)


# ---- two hosts ----

class KernelVxlan(TwoHosts):
    """The kernel's bridge and VXLAN; guests on veths."""

    def build(self):
        for number, host in enumerate(self.hosts()):
            def ip(*words, where=host):
                lab.command("ip", "-n", where, *words)
            ip("link", "add", "br0", "type", "bridge")
            ip("link", "add", "vx0", "type", "vxlan", "id", 5001, "remote", self.outer(1 - number), "dstport", 4789,
               "dev", "eth0")
            ip("link", "set", "vx0", "master", "br0", "up")
            ip("link", "set", "br0", "up")
            self.cable(host, "guest", number)
            ip("link", "set", "guest", "master", "br0")


# ---- this switch ----

def entry(**keys):
    """An object of the configuration."""
    def value(item):
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, int):
            return str(item)
        return item if item.startswith(("(", "[", "{")) else '"%s"' % item
    return "{ %s }" % " ".join("%s = %s;" % (key.rstrip("_"), value(item)) for key, item in keys.items())


def entries(*items):
    return "(" + ",\n  ".join(items) + ")"


class Ours:
    """The part of our setups that starts switchd."""

    def configure(self, host, **parts):
        """Writes a configuration, and asks switchd whether this version takes it."""
        path = os.path.join(lab.RUN, host)
        text = 'host = "%s"; control = "%s.sock"; run_dir = "%s.run"; log_level = "warn";\n' % (
            host.replace(".", "-"), path, path)
        for key, items in parts.items():
            text += "%s = %s;\n" % (key, entries(*items))
        with open(path + ".conf", "w", encoding="ascii") as out:
            out.write(text)
        try:
            lab.command(BIN + "/switchd", "-t", "-c", path + ".conf", where=host)
        except lab.Failure as why:
            raise Missing("not in this version: " + re.sub(r"^.*?\.conf:\d+: ", "", str(why))) from None

    def serve(self, host):
        """Starts switchd and waits until it answers."""
        process = self.start(host, BIN + "/switchd", "-c", os.path.join(lab.RUN, host) + ".conf", log=host + ".log")

        def answers():
            if process.poll() is not None:
                raise lab.Failure("switchd ended: " + lab.last_line(host + ".log"))
            return self.ctl(host, "status", check=False)
        lab.wait_until(answers, 120, "switchd does not answer")
        return process

    def ctl(self, host, *words, **more):
        return lab.command(BIN + "/switchctl", "-s", os.path.join(lab.RUN, host) + ".sock", *words, **more)

    def tap(self, number, **keys):
        return entry(name="guest%d" % number, type="tap", segment="alpha", ifname="eth0", netns=self.guests[number],
                     mac=self.mac(number), mtu=self.mtu, **keys)


class Switch(Ours, Setup):
    """One segment, two ports."""

    def build(self):
        host = self.host()
        self.configure(host, segments=[entry(name="alpha")], ports=[self.tap(0), self.tap(1)])
        self.serve(host)


class SwitchWire(Ours, TwoHosts):
    """One segment on two hosts, with the encap and the uplink's keys of its row."""

    def __init__(self, name, encap, uplink=None, offload=False):
        super().__init__(name)
        self.encap = encap
        self.uplink = uplink or {}
        self.offload = offload

    def build(self):
        hosts = self.hosts()
        for number, host in enumerate(hosts):
            keys = dict(self.encap)
            if keys["type"] != "dot1q":
                keys["peers"] = self.outer(1 - number)
            self.configure(host, uplinks=[entry(name="lan", interface="eth0", **self.uplink)],
                           segments=[entry(name="alpha", id=1, encap=entries(entry(uplink="lan", **keys)))],
                           ports=[self.tap(number)])
        for host in hosts:
            self.serve(host)


ETHERIP = {"type": "etherip"}

# All of them by name; built when a row asks for it.
SETUPS = {
    "switch": Switch,
    "bridge": Bridge,
    "vde": Vde,
    "etherip": lambda name: SwitchWire(name, ETHERIP),
    "etherip-off": lambda name: SwitchWire(name, ETHERIP, {"fast": "off"}),
    "etherip-bpf": lambda name: SwitchWire(name, ETHERIP, {"fast": "bpf"}),
    "vxlan": KernelVxlan,
}
