# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: functions of a setup and of the seconds to take, which return
figures by name. Higher is better unless LOWER has the name."""
import json

import lab

LOWER = {"rtt_us"}


def tcp(setup, seconds):
    """One TCP stream from the first guest to the second."""
    if setup.server is None:
        setup.server = setup.start(setup.guests[1], "iperf3", "-s", "-4", log=setup.of("iperf3.log"), switch=False)
        lab.wait_until(lambda: "5201" in lab.command("ss", "-Hltn", where=setup.guests[1]), 10,
                       "iperf3 does not listen")
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


UNITS = {"gbit": "Gbit/s", "gbit_per_cpu": "Gbit/CPU-s"}
# In which order the measures of a round are taken.
ORDER = [tcp]
