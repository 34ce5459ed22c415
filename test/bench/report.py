# SPDX-License-Identifier: BSD-2-Clause
"""From samples to ratios, and from these to a table, JSON and a picture."""
import json
import os
import statistics
from xml.sax.saxutils import escape

import measures

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
    result = {"key": row.key, "title": row.title, "least": row.least, "aim": row.aim,
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


def number(value):
    """Three digits or so."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    return "%.0f" % value if size >= 100 else "%.1f" % value if size >= 10 else "%.2f" % value \
        if size >= 0.1 else "%.2g" % value


def table(results, out):
    """The table on the screen."""
    lines = [("measure", "ours", "peer", "unit", "ratio", "spread", "least", "aim", "verdict")]
    for r in results:
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
    widths = [max(len(line[column]) for line in lines) for column in range(8)]
    for line in lines:
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


WIDTH, LABEL, BAR, STEP = 1060, 480, 360, 26
COLOURS = {"aim": "#2e7d32", "ok": "#7cb342", "short": "#d84315", "-": "#78909c"}


def write_svg(path, about, results):
    """A bar for each row. Its scale is its own: a dashed line is where the row's aim is,
    a plain line what it must reach; rows without show their peer, 1.0, as dashed line.
    Rows that have neither are in the table only."""
    rows = [r for r in results if "ratio" in r and ("peer" in r or r["aim"])]
    height = 80 + STEP * len(rows)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">'
             % (WIDTH, height), '<rect width="100%" height="100%" fill="white"/>',
             '<text x="10" y="22" font-size="16">tvdswitch %s: ratios to peers</text>' % escape(about["switchd"]),
             '<text x="10" y="40" fill="#555">%s; Linux %s; %d rounds; dashed: aim, solid: at least; '
             'longer is better</text>' % (escape(about["cpu"]), escape(about["kernel"]), about["rounds"])]
    for index, r in enumerate(rows):
        top = 56 + index * STEP
        aim = r["aim"] if r["aim"] else 1.0

        def place(value, aim=aim, lower=r["lower_is_better"]):
            share = (aim / value if value else 1.5) if lower else value / aim
            return LABEL + BAR / 1.5 * min(1.5, max(0.0, share))
        parts.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (LABEL - 8, top + 14, escape(r["title"])))
        parts.append('<rect x="%d" y="%d" width="%.1f" height="16" fill="%s"/>'
                     % (LABEL, top + 2, place(r["ratio"]) - LABEL, COLOURS[r["verdict"]]))
        low, high = sorted([place(r["low"]), place(r["high"])])
        parts.append('<path d="M%.1f %d H%.1f" stroke="black" stroke-width="2"/>' % (low, top + 10, high))
        for bound, dash in ((r["least"], ""), (aim, ' stroke-dasharray="3,2"')):
            if bound:
                parts.append('<path d="M%.1f %d v20" stroke="black"%s/>' % (place(bound), top, dash))
        text = number(r["ratio"]) + ("" if "peer" in r else " " + r["unit"])
        if r.get("noisy"):
            text += " (noisy)"
        parts.append('<text x="%d" y="%d">%s</text>' % (LABEL + BAR + 12, top + 14, escape(text)))
    parts.append("</svg>")
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(parts) + "\n")


def write_all(folder, about, results, samples, failures):
    write_json(os.path.join(folder, "bench.json"), about, results, samples, failures)
    write_svg(os.path.join(folder, "bench.svg"), about, results)
