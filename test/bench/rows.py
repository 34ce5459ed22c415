# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the bench: the one table in which it says what is compared with what."""
from dataclasses import dataclass, replace
from typing import Callable, Optional

from measures import (answers, answers_beside, at_rate, control, frames, guests_tcp, idle, instructions,
                      latency, many_addresses, roundtrip, tcp)


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
    section: str = ""


def section(title, *rows):
    return [replace(row, section=title) for row in rows]


ROWS = [
    # key, title, measure, figure, ours, peer, least, aim, quick
    *section(
        "One host",
        Row("local-tcp-bridge", "TCP / Linux bridge", tcp, "gbit", "switch", "bridge", 1.0, 1.4, True),
        Row("local-tcp-vde", "TCP / vde_switch -t", tcp, "gbit", "switch", "vde", 8, 12, True),
        Row("local-tcp-ovs", "TCP / OVS userspace", tcp, "gbit", "switch", "ovs", 8, 12, True),
        Row("local-tcp-cpu-vde", "TCP per switch-CPU / vde_switch -t", tcp, "gbit_per_cpu", "switch", "vde"),
        Row("local-tcp-cpu-ovs", "TCP per switch-CPU / OVS userspace", tcp, "gbit_per_cpu", "switch", "ovs"),
        Row("local-frames-vde", "60 B frames per switch-CPU / vde_switch -t", frames, "kframes_per_cpu",
            "switch", "vde", 1.6, 2.0, True),
        Row("local-frames-ovs", "60 B frames per switch-CPU / OVS userspace", frames, "kframes_per_cpu",
            "switch", "ovs", 1.8, 2.2, True),
        Row("local-rate-bridge", "60 B frames/s / Linux bridge", frames, "kframes", "switch", "bridge"),
        Row("local-loss", "60 B frames lost of 50,000/s", at_rate, "loss", "switch", None, 0.0001, 0),
        Row("local-loss-bridge", "the same, Linux bridge", at_rate, "loss", "bridge"),
        Row("local-rtt-bridge", "round trip / Linux bridge", roundtrip, "rtt_us", "switch", "bridge", 1.6, 1.3, True),
        Row("local-p50-bridge", "round trip under load, p50 / Linux bridge", latency, "p50_us", "switch", "bridge"),
        Row("local-p99-bridge", "round trip under load, p99 / Linux bridge", latency, "p99_us", "switch", "bridge"),
        Row("local-p999-bridge", "round trip under load, p99.9 / Linux bridge", latency, "p999_us", "switch",
            "bridge")),

    *section(
        "Two hosts, EtherIP",
        Row("etherip-tcp-vxlan", "TCP / kernel VXLAN", tcp, "gbit", "etherip", "vxlan", 0.45, 0.55, True),
        Row("etherip-off-tcp-vxlan", "TCP, fast off / kernel VXLAN", tcp, "gbit", "etherip-off", "vxlan"),
        Row("etherip-bpf-tcp-vxlan", "TCP, fast bpf / kernel VXLAN", tcp, "gbit", "etherip-bpf", "vxlan",
            0.6, 0.7, True),
        Row("etherip6-tcp-vxlan6", "TCP over IPv6 / kernel VXLAN over IPv6", tcp, "gbit", "etherip6", "vxlan6"),
        Row("etherip-tcp-ovs", "TCP / OVS VXLAN", tcp, "gbit", "etherip", "ovs-vxlan", 2.8, 4.5),
        Row("etherip-tcp-vxvde", "TCP / vxvde", tcp, "gbit", "etherip", "vxvde", 2.8, 4.5),
        Row("etherip-tcp-vde-udp", "TCP / VDE over UDP", tcp, "gbit", "etherip", "vde-udp", 2.8, 4.5),
        Row("etherip-tcp-tinc", "TCP / tinc without cipher", tcp, "gbit", "etherip", "tinc", 2.8, 4.5),
        Row("etherip-tcp-cpu-tinc", "TCP per switch-CPU / tinc without cipher", tcp, "gbit_per_cpu", "etherip",
            "tinc"),
        Row("etherip-frames-vxlan", "60 B frames/s / kernel VXLAN", frames, "kframes", "etherip", "vxlan",
            0.9, 1.1, True),
        Row("etherip-off-frames-vxlan", "60 B frames/s, fast off / kernel VXLAN", frames, "kframes", "etherip-off",
            "vxlan"),
        Row("etherip-bpf-frames-vxlan", "60 B frames/s, fast bpf / kernel VXLAN", frames, "kframes", "etherip-bpf",
            "vxlan"),
        Row("etherip-frames-ovs", "60 B frames/s / OVS VXLAN", frames, "kframes", "etherip", "ovs-vxlan", 6, 7.5),
        Row("etherip-frames-tinc", "60 B frames/s / tinc without cipher", frames, "kframes", "etherip", "tinc",
            2, 2.5),
        Row("etherip-frames-cpu-tinc", "60 B frames per switch-CPU / tinc without cipher", frames, "kframes_per_cpu",
            "etherip", "tinc"),
        Row("etherip-loss", "60 B frames lost of 50,000/s", at_rate, "loss", "etherip", None, 0.0001, 0),
        Row("etherip-loss-vxlan", "the same, kernel VXLAN", at_rate, "loss", "vxlan"),
        Row("etherip-rtt-vxlan", "round trip / kernel VXLAN", roundtrip, "rtt_us", "etherip", "vxlan", 2.1, 1.7, True),
        Row("etherip-bpf-rtt-vxlan", "round trip, fast bpf / kernel VXLAN", roundtrip, "rtt_us", "etherip-bpf",
            "vxlan"),
        Row("etherip-p50-vxlan", "round trip under load, p50 / kernel VXLAN", latency, "p50_us", "etherip", "vxlan"),
        Row("etherip-p99-vxlan", "round trip under load, p99 / kernel VXLAN", latency, "p99_us", "etherip", "vxlan"),
        Row("etherip-p999-vxlan", "round trip under load, p99.9 / kernel VXLAN", latency, "p999_us", "etherip",
            "vxlan")),

    # The peer has the plain wire in both: the ratios to reach are to that.
    *section(
        "Two hosts, in UDP",
        Row("udp-offload-tcp-vxlan", "EtherIP, wire with offload: TCP / kernel VXLAN without", tcp, "gbit",
            "etherip-udp-offload", "vxlan", 1.0, 1.2, True),
        Row("udp-tcp-vxlan", "EtherIP: TCP / kernel VXLAN", tcp, "gbit", "etherip-udp", "vxlan", 0.63, 0.8, True),
        Row("udp-frames-vxlan", "EtherIP: 60 B frames/s / kernel VXLAN", frames, "kframes", "etherip-udp", "vxlan"),
        Row("udp-rtt-vxlan", "EtherIP: round trip / kernel VXLAN", roundtrip, "rtt_us", "etherip-udp", "vxlan"),
        Row("switch-vxlan-tcp-vxlan", "VXLAN: TCP / kernel VXLAN", tcp, "gbit", "switch-vxlan", "vxlan")),

    *section(
        "Two hosts, dot1q",
        Row("dot1q-tcp-bridge", "TCP / Linux bridge", tcp, "gbit", "dot1q", "vlan", 0.9, 1.2, True),
        Row("dot1q-offload-tcp-bridge", "wire with offload: TCP / Linux bridge", tcp, "gbit", "dot1q-offload",
            "vlan-offload", 0.9, 1.2, True),
        Row("dot1q-frames-bridge", "60 B frames/s / Linux bridge", frames, "kframes", "dot1q", "vlan"),
        Row("dot1q-rtt-bridge", "round trip / Linux bridge", roundtrip, "rtt_us", "dot1q", "vlan")),

    # The peer is the same switch with both guests in one subnet.
    *section(
        "Two hosts, MAC rewriting",
        Row("farm-tcp", "across subnets: TCP / same segment", tcp, "gbit", "farm-across", "farm", 0.95, 1.0),
        Row("farm-rtt", "across subnets: round trip / same segment", roundtrip, "rtt_us", "farm-across", "farm"),
        Row("farm-tcp-dot1q", "TCP / the same as a VLAN", tcp, "gbit", "farm", "dot1q")),

    # The peer is the same switch with both guests in one segment.
    *section(
        "One host, between two domains",
        Row("open-tcp", "open junction: TCP / same segment", tcp, "gbit", "meet-open", "switch", 0.95, 1.0),
        Row("controlled-tcp", "controlled: TCP / same segment", tcp, "gbit", "meet-controlled", "switch", 0.95, 1.0),
        Row("gateway-tcp", "gateway: TCP / same segment", tcp, "gbit", "meet-gateway", "switch", 0.95, 1.0),
        Row("router-tcp", "a guest that routes: TCP / same segment", tcp, "gbit", "meet-router", "switch"),
        Row("open-rtt", "open junction: round trip / same segment", roundtrip, "rtt_us", "meet-open", "switch"),
        Row("controlled-rtt", "controlled: round trip / same segment", roundtrip, "rtt_us", "meet-controlled",
            "switch"),
        Row("gateway-rtt", "gateway: round trip / same segment", roundtrip, "rtt_us", "meet-gateway", "switch"),
        Row("router-rtt", "a guest that routes: round trip / same segment", roundtrip, "rtt_us", "meet-router",
            "switch")),

    *section(
        "Guests of QEMU",
        Row("qemu-tcp-bridge", "on netdev ports: TCP / Linux bridge", guests_tcp, "gbit", "qemu-netdev",
            "qemu-bridge", 0.9, 1.0)),

    # "many" has 10,000 segments, 1,000 ports and 1,000,000 addresses; "few" 1, 2 and 2.
    *section(
        "10,000 segments, 1,000 ports, 1,000,000 addresses",
        Row("scale-frames", "CPU per frame / 1, 2 and 2 of them", many_addresses, "ns_per_frame", "many", "few",
            1.5, 1.1),
        Row("scale-start", "start-up", control, "startup_s", "many"),
        Row("scale-reload", "reload that adds a segment", control, "reload_s", "many"),
        Row("scale-dump", "fdb show", control, "dump_s", "many"),
        Row("scale-dump-json", "fdb show, JSON", control, "dump_json_s", "many"),
        Row("scale-dump-one", "fdb show of a segment without stations", control, "dump_one_s", "many"),
        Row("scale-metrics", "metrics", control, "metrics_s", "many"),
        Row("scale-peers", "peer show", control, "peers_s", "many"),
        Row("scale-memory", "memory", control, "rss_mib", "many")),

    # Requests while guests use all that the switch can do; in "many" beside a client that has
    # all lists made, and reloads, all the time.
    *section(
        "Answers to requests at full load",
        Row("answer-p50", "status, port show, fdb show, metrics: p50", answers, "answer_p50_ms", "switch"),
        Row("answer-p99", "the same, p99", answers, "answer_p99_ms", "switch"),
        Row("answer-max", "the same, the slowest", answers, "answer_max_ms", "switch", None, 100, 20, True),
        Row("answer-many-p50", "10,000 segments, beside lists and reloads: p50", answers_beside, "answer_p50_ms",
            "many"),
        Row("answer-many-p99", "the same, p99", answers_beside, "answer_p99_ms", "many"),
        Row("answer-many-max", "the same, the slowest", answers_beside, "answer_max_ms", "many", None, 100, 50)),

    *section(
        "At rest",
        Row("memory-million", "memory at 1,000,000 FDB entries", idle, "rss_mib", "million", None, 96, 64),
        Row("memory-ten", "memory at 10 ports", idle, "rss_mib", "ten", None, 16, 8, True),
        Row("idle-ten", "CPU when idle, 10 ports", idle, "idle_percent", "ten", None, 0.05, 0.01, True)),

    # A guard for changes of the code; there is nothing to reach.
    *section(
        "Instructions of the pure parts, for a frame",
        Row("parse", "its headers read", instructions, "parse", "pure"),
        Row("learn", "its source learned", instructions, "learn", "pure"),
        Row("lookup", "its destination looked up", instructions, "lookup", "pure"),
        Row("push", "EtherIP header on and off", instructions, "push", "pure"),
        Row("known", "let through by an established connection, headers read", instructions, "known", "pure"),
        Row("segment", "a segment cut and summed", instructions, "segment", "pure"),
        Row("merge", "a segment verified and merged", instructions, "merge", "pure")),
]
