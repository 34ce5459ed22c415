# SPDX-License-Identifier: BSD-2-Clause
"""From samples to ratios, and from these to a table, JSON and a picture."""
import json
import os
import statistics

import measures
import picture
from picture import number

# Others' processor time, as a share of a core, from which a sample counts as disturbed.
DISTURBED = 0.10


def spread(values):
    """Median, lower and upper quartile; with few values the quartiles are close to the ends."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def judge(row, samples, failures):
    """What a row says, as a dictionary. samples: (measure, setup) -> one sample a round, or None."""
    result = {"key": row.key, "section": row.section, "title": row.title, "least": row.least, "aim": row.aim,
              "unit": measures.UNITS[row.figure], "lower_is_better": row.figure in measures.LOWER}
    for setup in (row.ours, row.peer):
        if setup in failures:
            return dict(result, verdict=failures[setup])
    ours = samples[row.measure, row.ours]
    peer = samples[row.measure, row.peer] if row.peer else ours
    rounds = [(a, b) for a, b in zip(ours, peer)
              if a and b and row.figure in a["figures"] and row.figure in b["figures"]]
    if not rounds:
        why = [sample["error"] for sample in ours + peer if sample and "error" in sample]
        return dict(result, verdict="not measured: " + (why[0] if why else "no such figure"))
    values = [[sample["figures"][row.figure] for sample in side] for side in zip(*rounds)]
    result["ours"] = spread(values[0])[0]
    if row.peer:
        result["peer"] = spread(values[1])[0]
        compared = [a / b for a, b in zip(*values) if b]
    else:
        compared = values[0]
    if not compared:
        return dict(result, verdict="not measured: the peer did nothing")
    middle, low, high = spread(compared)
    result.update(ratio=middle, low=low, high=high, least_seen=min(compared), most_seen=max(compared),
                  rounds=len(compared),
                  disturbed=sum(max(s["others"] for s in pair) > DISTURBED for pair in rounds))
    result["verdict"], result["noisy"] = _verdict(result)
    return result


def _verdict(result):
    """A word for where the ratio is, and whether the spread leaves that open."""
    if result["least"] is None:
        return "-", False
    sign = -1 if result["lower_is_better"] else 1
    least, aim, ratio = sign * result["least"], sign * result["aim"], sign * result["ratio"]
    ends = sorted([sign * result["low"], sign * result["high"]])
    word = "aim" if ratio >= aim else "ok" if ratio >= least else "short"
    claimed = [bound for bound in (least, aim) if ends[0] < bound <= ends[1]]
    return word, bool(claimed)


def table(results, out):
    """The table on the screen."""
    lines = [("measure", "ours", "peer", "unit", "ratio", "spread", "least", "aim", "verdict")]
    section = None
    for r in results:
        if r["section"] != section:
            section = r["section"]
            lines.append((section,))
        verdict = r["verdict"]
        if r.get("noisy"):
            verdict += ", noisy"
        if r.get("disturbed"):
            verdict += " (%d of %d disturbed)" % (r["disturbed"], r["rounds"])
        known = "ratio" in r
        lines.append((r["title"], number(r.get("ours")), number(r.get("peer")), r["unit"] if known else "",
                      number(r.get("ratio") if "peer" in r else None),
                      "%s..%s" % (number(r["low"]), number(r["high"])) if known else "-",
                      number(r["least"]), number(r["aim"]), verdict))
    widths = [max(len(line[column]) for line in lines if len(line) > 1) for column in range(8)]
    for line in lines:
        if len(line) == 1:
            print("\n" + line[0], file=out)
            continue
        cells = [line[0].ljust(widths[0])]
        cells += [line[c].ljust(widths[c]) if c == 3 else line[c].rjust(widths[c]) for c in range(1, 8)]
        print("  ".join(cells + [line[8]]).rstrip(), file=out)


def write_json(path, about, results, samples, failures):
    """Everything, every sample too."""
    flat = [{"measure": measure.__name__, "setup": setup, "rounds": rounds}
            for (measure, setup), rounds in samples.items()]
    with open(path, "w", encoding="utf-8") as out:
        json.dump(dict(about, rows=results, samples=flat, failures=failures), out, indent=1)
        out.write("\n")


def write_all(folder, about, results, samples, failures):
    write_json(os.path.join(folder, "bench.json"), about, results, samples, failures)
    with open(os.path.join(folder, "bench.svg"), "w", encoding="utf-8") as out:
        out.write(picture.draw(about, results))
