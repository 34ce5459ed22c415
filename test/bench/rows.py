# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the bench: the one table in which it says what is compared with what."""
from dataclasses import dataclass
from typing import Callable, Optional

from measures import control, frames, guests_tcp, idle, instructions, latency, many_addresses, roundtrip, tcp


@dataclass(frozen=True)
class Row:
    """A figure of ours over the same figure of a peer, measured in the same rounds."""
    key: str
    title: str
    measure: Callable
    figure: str
    ours: str
    peer: Optional[str] = None  # none: the figure itself is what counts
    least: Optional[float] = None  # what the ratio must reach; a row without only informs
    aim: Optional[float] = None
    quick: bool = False  # whether --quick has it


ROWS = [
    # key, title, measure, figure, ours, peer, least, aim, quick
    Row("local-tcp-bridge", "one host: TCP / Linux bridge", tcp, "gbit", "switch", "bridge", 1.0, 1.4, True),
    Row("local-tcp-vde", "one host: TCP / vde_switch -t", tcp, "gbit", "switch", "vde", 8, 12, True),
    Row("local-tcp-ovs", "one host: TCP / OVS userspace", tcp, "gbit", "switch", "ovs", 8, 12, True),
    Row("local-tcp-cpu-vde", "one host: TCP per switch-CPU / vde_switch -t", tcp, "gbit_per_cpu", "switch", "vde"),
    Row("local-tcp-cpu-ovs", "one host: TCP per switch-CPU / OVS userspace", tcp, "gbit_per_cpu", "switch", "ovs"),
    Row("local-frames-vde", "one host: 60 B frames per switch-CPU / vde_switch -t", frames, "kframes_per_cpu",
        "switch", "vde", 1.6, 2.0, True),
    Row("local-frames-ovs", "one host: 60 B frames per switch-CPU / OVS userspace", frames, "kframes_per_cpu",
        "switch", "ovs", 1.8, 2.2, True),
    Row("local-rate-bridge", "one host: 60 B frames/s / Linux bridge", frames, "kframes", "switch", "bridge"),
    Row("local-rtt-bridge", "one host: round trip / Linux bridge", roundtrip, "rtt_us", "switch", "bridge", 1.6, 1.3,
        True),
    Row("local-p50-bridge", "one host: round trip under load, p50 / Linux bridge", latency, "p50_us", "switch",
        "bridge"),
    Row("local-p99-bridge", "one host: round trip under load, p99 / Linux bridge", latency, "p99_us", "switch",
        "bridge"),
    Row("local-p999-bridge", "one host: round trip under load, p99.9 / Linux bridge", latency, "p999_us", "switch",
        "bridge"),

    Row("etherip-tcp-vxlan", "EtherIP: TCP / kernel VXLAN", tcp, "gbit", "etherip", "vxlan", 0.45, 0.55, True),
    Row("etherip-off-tcp-vxlan", "EtherIP, fast off: TCP / kernel VXLAN", tcp, "gbit", "etherip-off", "vxlan"),
    Row("etherip-bpf-tcp-vxlan", "EtherIP, fast bpf: TCP / kernel VXLAN", tcp, "gbit", "etherip-bpf", "vxlan",
        0.6, 0.7, True),
    Row("etherip-tcp-ovs", "EtherIP: TCP / OVS VXLAN", tcp, "gbit", "etherip", "ovs-vxlan", 2.8, 4.5),
    Row("etherip-tcp-vxvde", "EtherIP: TCP / vxvde", tcp, "gbit", "etherip", "vxvde", 2.8, 4.5),
    Row("etherip-tcp-vde-udp", "EtherIP: TCP / VDE over UDP", tcp, "gbit", "etherip", "vde-udp", 2.8, 4.5),
    Row("etherip-tcp-tinc", "EtherIP: TCP / tinc without cipher", tcp, "gbit", "etherip", "tinc", 2.8, 4.5),
    Row("etherip-tcp-cpu-tinc", "EtherIP: TCP per switch-CPU / tinc without cipher", tcp, "gbit_per_cpu", "etherip",
        "tinc"),
    # The peer has the plain wire in both: the ratios to reach are to that.
    Row("udp-offload-tcp-vxlan", "EtherIP in UDP, wire with offload: TCP / kernel VXLAN without", tcp, "gbit",
        "etherip-udp-offload", "vxlan", 1.0, 1.2, True),
    Row("udp-tcp-vxlan", "EtherIP in UDP: TCP / kernel VXLAN", tcp, "gbit", "etherip-udp", "vxlan", 0.63, 0.8, True),
    Row("switch-vxlan-tcp-vxlan", "our VXLAN: TCP / kernel VXLAN", tcp, "gbit", "switch-vxlan", "vxlan"),
    Row("etherip-frames-vxlan", "EtherIP: 60 B frames/s / kernel VXLAN", frames, "kframes", "etherip", "vxlan",
        0.9, 1.1, True),
    Row("etherip-frames-ovs", "EtherIP: 60 B frames/s / OVS VXLAN", frames, "kframes", "etherip", "ovs-vxlan", 6, 7.5),
    Row("etherip-frames-tinc", "EtherIP: 60 B frames/s / tinc without cipher", frames, "kframes", "etherip", "tinc",
        2, 2.5),
    Row("etherip-frames-cpu-tinc", "EtherIP: 60 B frames per switch-CPU / tinc without cipher", frames,
        "kframes_per_cpu", "etherip", "tinc"),
    Row("etherip-off-frames-vxlan", "EtherIP, fast off: 60 B frames/s / kernel VXLAN", frames, "kframes",
        "etherip-off", "vxlan"),
    Row("etherip-bpf-frames-vxlan", "EtherIP, fast bpf: 60 B frames/s / kernel VXLAN", frames, "kframes",
        "etherip-bpf", "vxlan"),
    Row("udp-frames-vxlan", "EtherIP in UDP: 60 B frames/s / kernel VXLAN", frames, "kframes", "etherip-udp", "vxlan"),
    Row("etherip-rtt-vxlan", "EtherIP: round trip / kernel VXLAN", roundtrip, "rtt_us", "etherip", "vxlan", 2.1, 1.7,
        True),
    Row("etherip-bpf-rtt-vxlan", "EtherIP, fast bpf: round trip / kernel VXLAN", roundtrip, "rtt_us", "etherip-bpf",
        "vxlan"),
    Row("udp-rtt-vxlan", "EtherIP in UDP: round trip / kernel VXLAN", roundtrip, "rtt_us", "etherip-udp", "vxlan"),
    Row("etherip-p50-vxlan", "EtherIP: round trip under load, p50 / kernel VXLAN", latency, "p50_us", "etherip",
        "vxlan"),
    Row("etherip-p99-vxlan", "EtherIP: round trip under load, p99 / kernel VXLAN", latency, "p99_us", "etherip",
        "vxlan"),
    Row("etherip-p999-vxlan", "EtherIP: round trip under load, p99.9 / kernel VXLAN", latency, "p999_us", "etherip",
        "vxlan"),

    Row("dot1q-tcp-bridge", "dot1q: TCP / Linux bridge", tcp, "gbit", "dot1q", "vlan", 0.9, 1.2, True),
    Row("dot1q-offload-tcp-bridge", "dot1q, wire with offload: TCP / Linux bridge", tcp, "gbit", "dot1q-offload",
        "vlan-offload", 0.9, 1.2, True),

    # "many" has 10,000 segments, 1,000 ports and 1,000,000 addresses; "few" 1, 2 and 2.
    Row("scale-frames", "10,000 segments, 1,000 ports, 1,000,000 addresses: CPU per frame / 1, 2, 2", many_addresses,
        "ns_per_frame", "many", "few", 1.5, 1.1),
    Row("scale-start", "the same: start-up", control, "startup_s", "many"),
    Row("scale-reload", "the same: reload that adds a segment", control, "reload_s", "many"),
    Row("scale-dump", "the same: fdb show", control, "dump_s", "many"),
    Row("scale-dump-json", "the same: fdb show, JSON", control, "dump_json_s", "many"),
    Row("scale-memory", "the same: memory", control, "rss_mib", "many"),
    Row("memory-million", "memory at 1,000,000 FDB entries", idle, "rss_mib", "million", None, 96, 64),
    Row("memory-ten", "memory at 10 ports", idle, "rss_mib", "ten", None, 16, 8, True),
    Row("idle-ten", "CPU when idle, 10 ports", idle, "idle_percent", "ten", None, 0.05, 0.01, True),

    Row("qemu-tcp-bridge", "QEMU guests on netdev ports: TCP / Linux bridge", guests_tcp, "gbit", "qemu-netdev",
        "qemu-bridge", 0.9, 1.0),

    # A guard for changes of the code; there is nothing to reach.
    Row("parse", "instructions: headers of a frame", instructions, "parse", "pure"),
    Row("learn", "instructions: learning a source", instructions, "learn", "pure"),
    Row("lookup", "instructions: looking up a destination", instructions, "lookup", "pure"),
    Row("push", "instructions: EtherIP header on and off", instructions, "push", "pure"),
    Row("segment", "instructions: a segment cut and summed", instructions, "segment", "pure"),
    Row("merge", "instructions: a segment verified and merged", instructions, "merge", "pure"),
]
