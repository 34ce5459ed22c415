# SPDX-License-Identifier: BSD-2-Clause
"""What is compared: two guests, and something that joins them.

A guest is a network namespace whose interface is eth0. Setups differ in what is
between the two: this switch, or a peer. Each has

    guests   the namespaces of the two guests
    switch   the processes that forward, empty where the kernel does
    build()  which makes it all; afterwards the guests reach each other
"""
import json
import os
import re
import signal
import time

import lab


class Missing(Exception):
    """This version of the switch, or this machine, has not got what a setup needs."""


class Setup:
    """Two guests, 10.0.0.1 and 10.0.0.2."""
    mtu = 1500
    programs = ()  # what must be installed
    known = 1  # addresses at each guest

    def __init__(self, name):
        self.name = name
        self.guests = []
        self.switch = []
        self.processes = []
        self.logs = []
        self.server = None

    # Names of namespaces and files, unique among setups.
    def of(self, role):
        return "%s.%s" % (self.name, role)

    # Between which addresses small frames go.
    @property
    def source(self):
        return self.mac(0)

    @property
    def destination(self):
        return self.mac(1)

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
            self.logs.append(log)
        return process

    def make(self):
        """Builds the setup; it works when it is ready()."""
        self.need()
        self.guests = [lab.namespace(self.of("guest%d" % (number + 1))) for number in range(2)]
        self.build()
        for number in range(2):
            self.join(number)

    def need(self):
        for program in self.programs:
            if not lab.command("sh", "-c", "command -v " + program, check=False):
                raise Missing("there is no %s here" % program)

    def build(self):
        raise NotImplementedError

    def join(self, number):
        """Gives a guest its addresses as soon as it has its interface."""
        where = self.guests[number]
        lab.wait_until(lambda: lab.exists(where, "eth0"), 10, lambda: "a guest gets no interface" + self.said())
        lab.command("ip", "-n", where, "link", "set", "eth0", "address", self.mac(number), "mtu", self.mtu, "up")
        lab.command("ip", "-n", where, "addr", "replace", self.address(number) + "/24", "dev", "eth0")

    def reaches(self):
        """Whether one guest hears the other; afterwards every table on the way knows both."""
        return "1 received" in lab.command("ping", "-q", "-n", "-c", 1, "-W", 1, self.address(1),
                                           where=self.guests[0], check=False)

    def said(self):
        """The last that the switches wrote, for messages."""
        lines = [lab.last_line(os.path.basename(log)) for log in self.logs]
        return "".join("; " + line for line in lines if line)

    def ready(self):
        """Whether figures can be taken from now on."""
        return self.reaches()

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
    v6 = False  # whether the hosts speak IPv6 to each other

    def hosts(self):
        hosts = [self.host("host%d" % (number + 1)) for number in range(2)]
        lab.command("ip", "link", "add", "eth0", "netns", hosts[0], "type", "veth", "peer", "name", "eth0",
                    "netns", hosts[1])
        for number, where in enumerate(hosts):
            if not self.offload:
                self.plain(where)
            if self.v6:
                lab.command("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0", where=where)
            lab.command("ip", "-n", where, "addr", "add", self.outer(number) + ("/64" if self.v6 else "/24"),
                        "dev", "eth0", *(["nodad"] if self.v6 else []))
            lab.command("ip", "-n", where, "link", "set", "eth0", "up")
        return hosts

    def outer(self, number):
        return "2001:db8::%d" % (number + 1) if self.v6 else "192.0.2.%d" % (number + 1)

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


class OvsHost:
    """The part of setups that starts Open vSwitch with its datapath in user space."""
    programs = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl")

    def ovs(self, host):
        folder = os.path.join(lab.RUN, host)
        os.mkdir(folder)
        database, remote = folder + "/conf.db", "unix:%s/db.sock" % folder
        places = {"OVS_RUNDIR": folder, "OVS_LOGDIR": folder, "OVS_DBDIR": folder}
        lab.command("ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema")
        self.start(host, "ovsdb-server", "--remote=p" + remote, "--no-chdir", "-vconsole:off", database,
                   log=host + ".db.log", switch=False, environment=places)
        lab.wait_until(lambda: os.path.exists(folder + "/db.sock"), 10, "ovsdb-server does not start")
        self.vsctl(host, "--no-wait", "init")
        self.start(host, "ovs-vswitchd", "--no-chdir", "-vconsole:off", "--unixctl=" + folder + "/ctl", remote,
                   log=host + ".log", environment=places)

    def vsctl(self, host, *words):
        return lab.command("ovs-vsctl", "--timeout=20", "--db=unix:%s/db.sock" % os.path.join(lab.RUN, host), *words)

    def ovs_bridge(self, host, bridge, *more):
        self.vsctl(host, "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev",
                   "fail-mode=standalone", *more)

    def ovs_guest(self, host, bridge, guest):
        """A TAP of Open vSwitch's own."""
        tap = "tap%d" % guest
        self.vsctl(host, "add-port", bridge, tap, "--", "set", "interface", tap, "type=tap")
        self.plug(host, tap, guest)


class Ovs(OvsHost, Setup):
    """Open vSwitch in user space."""

    def build(self):
        host = self.host()
        self.ovs(host)
        self.ovs_bridge(host, "br0")
        for number in range(2):
            self.ovs_guest(host, "br0", number)


# ---- two hosts ----

class KernelVxlan(TwoHosts):
    """The kernel's bridge and VXLAN; guests on veths."""

    def __init__(self, name, v6=False):
        super().__init__(name)
        self.v6 = v6

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


class OvsVxlan(OvsHost, TwoHosts):
    """Open vSwitch in user space, with its VXLAN: one bridge has the wire and the
    host's address, another the guest and the tunnel."""

    def build(self):
        for number, host in enumerate(self.hosts()):
            self.ovs(host)
            self.ovs_bridge(host, "br-wire", "--", "add-port", "br-wire", "eth0")
            lab.command("ip", "-n", host, "addr", "flush", "dev", "eth0")
            lab.command("ip", "-n", host, "addr", "add", self.outer(number) + "/24", "dev", "br-wire")
            lab.command("ip", "-n", host, "link", "set", "br-wire", "up")
            self.ovs_bridge(host, "br0", "--", "add-port", "br0", "vx0", "--", "set", "interface", "vx0", "type=vxlan",
                            "options:remote_ip=" + self.outer(1 - number), "options:key=5001")
            self.ovs_guest(host, "br0", number)


class VdePlug(TwoHosts):
    """vde_plug between a TAP and a network of VDE's plugins: vxvde, or plain UDP."""
    programs = ("vde_plug",)

    def __init__(self, name, plugin):
        super().__init__(name)
        self.plugin = plugin

    def build(self):
        for number, host in enumerate(self.hosts()):
            url = "vxvde://239.1.2.3" if self.plugin == "vxvde" else "udp://5002->%s:5002" % self.outer(1 - number)
            lab.command("ip", "-n", host, "route", "add", "224.0.0.0/4", "dev", "eth0")
            self.start(host, "vde_plug", "tap://tap0", url, log=host + ".log")
            self.plug(host, "tap0", number)


class Tinc(TwoHosts):
    """tinc as a switch, without cipher and without message authentication."""
    programs = ("tincd",)

    def build(self):
        hosts = self.hosts()
        public = {}
        for number, host in enumerate(hosts):
            folder = os.path.join(lab.RUN, host)
            os.makedirs(folder + "/hosts")
            with open(folder + "/tinc.conf", "w", encoding="ascii") as out:
                out.write("Name = host%d\nConnectTo = host%d\nMode = switch\nDeviceType = tap\nInterface = tap0\n"
                          "AddressFamily = ipv4\n" % (number + 1, 2 - number))
            lab.command("tincd", "-c", folder, "-K", 2048, stdin="\n\n")
            public[number] = lab.read("%s/hosts/host%d" % (host, number + 1))
        for host in hosts:
            for number in range(2):
                with open("%s/%s/hosts/host%d" % (lab.RUN, host, number + 1), "w", encoding="ascii") as out:
                    out.write("Address = %s\nCipher = none\nDigest = none\nMACLength = 0\nCompression = 0\n%s\n"
                              % (self.outer(number), public[number]))
        for number, host in enumerate(hosts):
            self.start(host, "tincd", "-c", os.path.join(lab.RUN, host), "-D", "-d0",
                       "--pidfile=%s/%s.pid" % (lab.RUN, host), log=host + ".log")
            self.plug(host, "tap0", number)

    def ready(self):
        # Until it knows the path's MTU, tinc sends what is long by TCP.
        if not self.reaches():
            return False
        for number, process in enumerate(self.switch):
            process.send_signal(signal.SIGUSR2)
            known = re.findall(r"^ host%d at .* pmtu \d+ \(min (\d+) " % (2 - number),
                               lab.read(self.of("host%d.log" % (number + 1))), re.M)
            if not known or int(known[-1]) < self.mtu + 14:
                return False
        return True


class BridgeVlan(TwoHosts):
    """The kernel's bridge on both hosts, in which the wire is a port for VLAN 102. Without
    VLANs in the kernel, the guests' frames are on the wire as they are."""
    mtu = 1500

    def __init__(self, name, offload=False):
        super().__init__(name)
        self.offload = offload

    def build(self):
        for number, host in enumerate(self.hosts()):
            self.cable(host, "guest", number)
            try:
                lab.command("ip", "-n", host, "link", "add", "br0", "type", "bridge", "vlan_filtering", 1)
                vlans = True
            except lab.Failure:
                lab.command("ip", "-n", host, "link", "add", "br0", "type", "bridge")
                vlans = False
            lab.command("ip", "-n", host, "link", "set", "br0", "up")
            for port, tags in (("eth0", []), ("guest", ["pvid", "untagged"])):
                lab.command("ip", "-n", host, "link", "set", port, "master", "br0")
                if vlans:
                    lab.command("bridge", "-n", host, "vlan", "del", "dev", port, "vid", 1)
                    lab.command("bridge", "-n", host, "vlan", "add", "dev", port, "vid", 102, *tags)


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
            lab.command(lab.BIN + "/switchd", "-t", "-c", path + ".conf", where=host)
        except lab.Failure as why:
            raise Missing("not in this version: " + re.sub(r"^.*?\.conf:\d+: ", "", str(why))) from None

    def serve(self, host):
        """Starts switchd and waits until it answers."""
        process = self.start(host, lab.BIN + "/switchd", "-c", os.path.join(lab.RUN, host) + ".conf", log=host + ".log")

        def answers():
            if process.poll() is not None:
                raise lab.Failure("switchd ended: " + lab.last_line(host + ".log"))
            return self.ctl(host, "status", check=False)
        lab.wait_until(answers, 120, "switchd does not answer")
        return process

    def ctl(self, host, *words, **more):
        return lab.command(lab.BIN + "/switchctl", "-s", os.path.join(lab.RUN, host) + ".sock", *words, **more)

    def tap(self, number, **keys):
        return entry(name="guest%d" % number, type="tap", segment="alpha", ifname="eth0", netns=self.guests[number],
                     mac=self.mac(number), mtu=self.mtu, **keys)


class Switch(Ours, Setup):
    """One segment, two ports."""

    def build(self):
        host = self.host()
        self.configure(host, segments=[entry(name="alpha")], ports=[self.tap(0), self.tap(1)])
        self.serve(host)


class Meeting(Ours, Setup):
    """Two segments of two domains on one host, a guest in each, and what stands between:

    open        a transparent junction that lets everything pass
    controlled  one with rules, of which the connection that is measured needs one
    gateway     an open junction with a gateway, and an IP subnet in each segment
    router      no junction: a guest that routes, with an interface in each"""

    def __init__(self, name, kind):
        super().__init__(name)
        self.kind = kind
        self.routed = kind in ("gateway", "router")

    def address(self, guest):
        return "10.0.%d.%d" % (guest, guest + 1) if self.routed else super().address(guest)

    def gateway(self, side):
        return "10.0.%d.254" % side

    def flows(self):
        """Both entries of the matrix."""
        if self.kind == "controlled":
            rules = entries(entry(filter="arp"), entry(filter="ip", stateful=True))
            return [entry(from_="alpha", to="beta", flow="controlled", allow=rules),
                    entry(from_="beta", to="alpha", flow="controlled", allow=entries(entry(filter="arp")))]
        return [entry(from_=one, to=two, flow="open") for one, two in (("alpha", "beta"), ("beta", "alpha"))]

    def build(self):
        host, names, more = self.host(), ("alpha", "beta"), {}
        ports = [self.tap(number).replace("alpha", names[number], 1) for number in range(2)]
        if self.kind == "router":
            router = self.host("router")
            ports += [entry(name="r%d" % number, type="tap", segment=names[number], ifname="eth%d" % number,
                            netns=router, mtu=self.mtu, indirect=True) for number in range(2)]
        else:
            more["policy"] = self.flows()
        if self.kind == "gateway":
            sides = entries(*(entry(segment=names[side], address=self.gateway(side) + "/24") for side in range(2)))
            more["junctions"] = [entry(name="between", segments='[ "alpha", "beta" ]', type="gateway", gateway=sides)]
        self.configure(host, segments=[entry(name=name, domain=name) for name in names], ports=ports, **more)
        self.serve(host)
        if self.kind == "router":
            for number in range(2):
                lab.command("ip", "-n", router, "addr", "add", self.gateway(number) + "/24", "dev", "eth%d" % number)
            lab.command("sysctl", "-qw", "net.ipv4.ip_forward=1", where=router)

    def join(self, number):
        super().join(number)
        if self.routed:
            lab.command("ip", "-n", self.guests[number], "route", "add", "default", "via", self.gateway(number))


class SwitchWire(Ours, TwoHosts):
    """One segment on two hosts, with the encap and the uplink's keys of its row."""

    def __init__(self, name, encap, uplink=None, offload=False, mtu=1400, v6=False):
        super().__init__(name)
        self.v6 = v6
        self.mtu = mtu
        self.encap = encap
        self.uplink = uplink or {}
        self.offload = offload

    def plain(self, where):
        super().plain(where)
        if self.uplink.get("fast") == "bpf":  # what the accelerator asks for: see switchd.conf(5)
            lab.command("ethtool", "-K", "eth0", "tx", "off", "gro", "on", where=where)

    def accelerated(self):
        """Whether the accelerator works."""
        for number in (1, 2):
            shown = json.loads(self.ctl(self.of("host%d" % number), "-j", "uplink", "show"))[0]["accelerator"]
            if not shown["sends"] or not shown["receives"]:
                raise Missing("no accelerator here: " + shown["why"])
        return True

    def ready(self):
        return self.reaches() and (self.uplink.get("fast") != "bpf" or self.accelerated())

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


class Farm(Ours, TwoHosts):
    """MAC rewriting: guests on two hosts, in one subnet of a farm or in two with a gateway,
    which the papers' own prototype needed no routing guest for, either."""
    mtu = 1500

    def __init__(self, name, across, offload=False):
        super().__init__(name)
        self.across = across
        self.offload = offload

    def address(self, guest):
        return "10.1.%d.%d" % (guest + 1 if self.across else 1, guest + 1)

    def build(self):
        hosts, names = self.hosts(), ("alpha", "beta")
        flows = [entry(from_=one, to=two, flow="open") for one, two in (names, names[::-1])]
        for number, host in enumerate(hosts):
            segments = [entry(name=name, domain=name, encap=entries(
                entry(type="macrewrite", uplink="lan", farm=1, subnet=subnet, gateway="10.1.%d.254" % subnet)))
                        for subnet, name in enumerate(names, 1)]
            port = self.tap(number).replace("alpha", names[number if self.across else 0], 1)
            self.configure(host, uplinks=[entry(name="lan", interface="eth0")], segments=segments, ports=[port],
                           policy=flows, junctions=[entry(name="farm", segments='[ "alpha", "beta" ]', type="gateway")])
        for host in hosts:
            self.serve(host)

    def join(self, number):
        super().join(number)
        lab.command("ip", "-n", self.guests[number], "route", "add", "default", "via",
                    "10.1.%d.254" % (number + 1 if self.across else 1))


class SwitchMany(Ours, Setup):
    """Many segments, each with an encap, many ports, and many addresses at the two
    guests' ports, learned from their frames."""

    def __init__(self, name, segments=1, ports=2, entries=2):
        super().__init__(name)
        self.segments, self.ports, self.known = segments, ports, entries // 2
        self.startup = 0.0
        self.hosts = []

    @property
    def quiet(self):
        """A segment in which nobody speaks, if there is one."""
        return "s1" if self.segments > 1 else "alpha"

    # The addresses are not the guests' own, for which they would do more.
    source, destination = "02:01:00:00:00:00", "02:02:00:00:00:00"

    def build(self):
        self.hosts = [self.host()]
        lab.command("ip", "-n", self.hosts[0], "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
        for interface in ("eth0", "wire"):
            lab.command("ip", "-n", self.hosts[0], "link", "set", interface, "up")
        lab.command("ip", "-n", self.hosts[0], "addr", "add", "192.0.2.1/24", "dev", "eth0")
        self.describe(self.segments)
        begin = time.monotonic()
        self.serve(self.hosts[0])
        self.startup = time.monotonic() - begin

    def describe(self, segments):
        def segment(number):
            return entry(name="alpha" if number == 0 else "s%d" % number, encap=entries(
                entry(type="vxlan", uplink="lan", vni=1 + number, peers="192.0.2.2")), **(room if number == 0 else {}))

        def port(number):
            return entry(name="p%d" % number, type="tap", segment="s%d" % (number % (self.segments - 1) + 1)
                         if self.segments > 1 else "alpha")
        room = {"ageing": 0, "fdb_max": 2 * self.known + 1000, "fdb_port_max": self.known + 500}
        self.configure(self.hosts[0], uplinks=[entry(name="lan", interface="eth0")],
                       segments=[segment(number) for number in range(segments)],
                       ports=[self.tap(0), self.tap(1)] + [port(number) for number in range(2, self.ports)])

    def ready(self):
        if not self.reaches():
            return False
        if self.entries() >= 2 * self.known + 2:  # and the guests
            return True
        for number, first in enumerate((self.source, self.destination)):
            # To the guest itself, whose address is known: nothing is flooded.
            lab.command(lab.TOOLS + "/bench_generate", "-i", "eth0", "-s", first, "-S", self.known,
                        "-d", self.mac(1 - number), "-n", self.known, "-r", 200000, where=self.guests[number])
        return False

    def entries(self):
        return json.loads(self.ctl(self.hosts[0], "-j", "segment", "show", "alpha"))[0]["fdb"]["entries"]

    def toggle(self):
        """Changes the configuration's file: one segment more."""
        self.describe(self.segments + 1)

    def untoggle(self):
        self.describe(self.segments)


class Pure(Setup):
    """No guests: parts of the switch on their own."""
    programs = ("valgrind",)

    def make(self):
        self.need()

    def reaches(self):
        return True


class Attachments(Setup):
    """Guests of QEMU, of which another script makes a lab of its own for all kinds, and
    takes turns itself. `kind` is what attaches this setup's."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "attachments.sh")
    programs = ("qemu-system-x86_64",)
    rates = None  # of the script's one run: Mbit/s of each round by kind

    def __init__(self, name, kind):
        super().__init__(name)
        self.kind = kind

    def make(self):
        if not os.path.exists(self.script):
            raise Missing("not in this version: no attachments.sh")
        self.need()

    def reaches(self):
        return True

    def next_rate(self, rounds, seconds):
        """Mbit/s in the next of the script's rounds."""
        if Attachments.rates is None:
            Attachments.rates = {}
            out = lab.command(self.script, "--rounds", rounds, "--seconds", seconds, "netdev", timeout=900)
            # attachment, median, ratio, round trip, and the rates of all rounds
            for line in re.findall(r"^(bridge|netdev) +\S+ +\S+ +\S+ +(.*)$", out, re.M):
                Attachments.rates[line[0]] = [float(word) for word in line[1].split()]
        if not Attachments.rates.get(self.kind):
            raise lab.Failure("attachments.sh says nothing of " + self.kind)
        return Attachments.rates[self.kind].pop(0)


ETHERIP = {"type": "etherip"}
ETHERIP_UDP = {"type": "etherip", "transport": "udp"}
DOT1Q = {"type": "dot1q", "vid": 102}

# All of them by name; built when a row asks for it.
SETUPS = {
    "switch": Switch,
    "meet-open": lambda name: Meeting(name, "open"),
    "meet-controlled": lambda name: Meeting(name, "controlled"),
    "meet-gateway": lambda name: Meeting(name, "gateway"),
    "meet-router": lambda name: Meeting(name, "router"),
    "few": SwitchMany,
    "many": lambda name: SwitchMany(name, 10000, 1000, 1000000),
    "million": lambda name: SwitchMany(name, 1, 2, 1000000),
    "ten": lambda name: SwitchMany(name, 1, 10, 2),
    "bridge": Bridge,
    "vde": Vde,
    "ovs": Ovs,
    "etherip": lambda name: SwitchWire(name, ETHERIP),
    "etherip-off": lambda name: SwitchWire(name, ETHERIP, {"fast": "off"}),
    "etherip-bpf": lambda name: SwitchWire(name, ETHERIP, {"fast": "bpf"}),
    "etherip-udp": lambda name: SwitchWire(name, ETHERIP_UDP),
    "etherip-udp-offload": lambda name: SwitchWire(name, ETHERIP_UDP, offload=True),
    "switch-vxlan": lambda name: SwitchWire(name, {"type": "vxlan", "vni": 5001}),
    "vxlan": KernelVxlan,
    "etherip6": lambda name: SwitchWire(name, ETHERIP, v6=True),
    "vxlan6": lambda name: KernelVxlan(name, v6=True),
    "ovs-vxlan": OvsVxlan,
    "vxvde": lambda name: VdePlug(name, "vxvde"),
    "vde-udp": lambda name: VdePlug(name, "udp"),
    "tinc": Tinc,
    "dot1q": lambda name: SwitchWire(name, DOT1Q, mtu=1500),
    "dot1q-offload": lambda name: SwitchWire(name, DOT1Q, offload=True, mtu=1500),
    "vlan": BridgeVlan,
    "farm": lambda name: Farm(name, False),
    "farm-across": lambda name: Farm(name, True),
    "pure": Pure,
    "qemu-netdev": lambda name: Attachments(name, "netdev"),
    "qemu-bridge": lambda name: Attachments(name, "bridge"),
    "vlan-offload": lambda name: BridgeVlan(name, offload=True),
}
