# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the bench: the one table in which it says what is compared with what."""
from dataclasses import dataclass
from typing import Callable, Optional

import measures


@dataclass(frozen=True)
class Row:
    """A figure of ours over the same figure of a peer, measured in the same rounds."""
    key: str
    title: str
    measure: Callable
    figure: str
    ours: str
    peer: str
    least: Optional[float] = None  # what the ratio must reach; a row without only informs
    aim: Optional[float] = None
    quick: bool = False  # whether --quick has it


ROWS = [
    # key               title                                          measure       figure ours      peer
    Row("local-bridge", "one host: TCP / Linux bridge", measures.tcp, "gbit", "switch", "bridge", 1.0, 1.4, True),
    Row("local-vde", "one host: TCP / vde_switch -t", measures.tcp, "gbit", "switch", "vde", 8, 12, True),
    Row("etherip-vxlan", "EtherIP: TCP / kernel VXLAN", measures.tcp, "gbit", "etherip", "vxlan", 0.45, 0.55, True),
    Row("etherip-off-vxlan", "EtherIP, fast off: TCP / kernel VXLAN", measures.tcp, "gbit", "etherip-off", "vxlan"),
    Row("etherip-bpf-vxlan", "EtherIP, fast bpf: TCP / kernel VXLAN", measures.tcp, "gbit", "etherip-bpf", "vxlan",
        0.6, 0.7),
]
