# SPDX-License-Identifier: BSD-2-Clause
"""The results as a picture: how many times as fast as its peer each row is, on one scale
for all, and below them what the switch costs at rest."""
import math
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR = 1180, 430, 430
STEP, HEAD = 22, 30
LEFT, RIGHT = LABEL + 14, LABEL + 14 + BAR
COLOURS = {"aim": "#2e7d32", "ok": "#7cb342", "short": "#d84315", "-": "#90a4ae"}
WORDS = (("aim", "reaches its aim"), ("ok", "reaches what it must"), ("short", "falls short"),
         ("-", "nothing to reach"))
GREY = "#607d8b"


def number(value):
    """Three digits or so."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    return "%.0f" % value if size >= 100 else "%.1f" % value if size >= 10 else "%.2f" % value \
        if size >= 0.1 else "%.2g" % value


def speed(result, value):
    """Times as fast as the peer: of what is better when it is less, the other way round."""
    return 1 / value if result["lower_is_better"] else value


class Canvas:
    """Collects shapes; `y` is where the next line goes."""

    def __init__(self):
        self.parts, self.y = [], 0

    def text(self, x, y, words, anchor="start", size=12, colour="#263238", weight="normal"):
        self.parts.append('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="%s" font-weight="%s">%s</text>'
                          % (x, y, anchor, size, colour, weight, escape(words)))

    def rect(self, x, y, width, height, colour, more=""):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"%s/>'
                          % (x, y, max(0.0, width), height, colour, more))

    def path(self, way, colour="#263238", width=1.0, more=""):
        self.parts.append('<path d="%s" stroke="%s" stroke-width="%.1f" fill="none"%s/>' % (way, colour, width, more))

    def heading(self, words):
        self.text(10, self.y + 20, words, size=13, weight="bold")
        self.y += HEAD

    def svg(self):
        return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
                'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n<rect width="100%%" height="100%%" '
                'fill="white"/>\n%s\n</svg>\n' % (WIDTH, self.y, WIDTH, self.y, "\n".join(self.parts)))


class Scale:
    """Logarithmic: twice as fast is as far from 1 as half as fast."""

    def __init__(self, results):
        values = [1.25, 0.8]
        for r in results:
            values += [speed(r, value) for value in (r["low"], r["high"], r["least"], r["aim"]) if value]
        self.low = math.log2(min(values)) - 0.1
        self.high = math.log2(max(values)) + 0.1

    def place(self, value):
        share = (math.log2(value) - self.low) / (self.high - self.low)
        return LEFT + BAR * min(1.0, max(0.0, share))

    def ticks(self):
        for power in range(math.ceil(self.low), math.floor(self.high) + 1):
            yield 2.0 ** power


def bound(canvas, x, top, dashed):
    canvas.path("M%.1f %.1f v%d" % (x, top, STEP - 2), width=1.5, more=' stroke-dasharray="3,2"' if dashed else "")


def figures(result):
    """What stands beside a bar."""
    text = "%s : %s %s" % (number(result["ours"]), number(result["peer"]), result["unit"]) if "peer" in result \
        else "%s %s" % (number(result["ratio"]), result["unit"])
    return text + (", noisy" if result.get("noisy") else "")


def ratio_row(canvas, scale, result):
    top, one = canvas.y, scale.place(1)
    end = scale.place(speed(result, result["ratio"]))
    canvas.text(LABEL, top + 15, result["title"], anchor="end")
    canvas.rect(min(one, end), top + 4, abs(end - one), STEP - 8, COLOURS[result["verdict"]], ' class="bar"')
    low, high = sorted(scale.place(speed(result, result[side])) for side in ("low", "high"))
    canvas.path("M%.1f %.1f H%.1f" % (low, top + STEP / 2, max(high, low + 1)), width=2)
    for key in ("least", "aim"):
        if result[key]:
            bound(canvas, scale.place(speed(result, result[key])), top + 1, key == "aim")
    canvas.text(RIGHT + 14, top + 15, number(speed(result, result["ratio"])), weight="bold")
    canvas.text(RIGHT + 62, top + 15, figures(result), colour=GREY)
    canvas.y += STEP


def limit_row(canvas, result):
    """One without a peer: how much of what it may cost it does."""
    top, most = canvas.y, 1.25 * result["least"]
    canvas.text(LABEL, top + 15, result["title"], anchor="end")
    canvas.rect(LEFT, top + 4, BAR * min(1.0, result["ratio"] / most), STEP - 8, COLOURS[result["verdict"]],
                ' class="bar"')
    for key in ("least", "aim"):
        bound(canvas, LEFT + BAR * result[key] / most, top + 1, key == "aim")
    canvas.text(RIGHT + 14, top + 15, figures(result), weight="bold")
    canvas.y += STEP


def axis(canvas, scale, top, bottom):
    """Lines behind the bars, with their numbers above."""
    back = []
    for value in scale.ticks():
        x = scale.place(value)
        back.append('<path d="M%.1f %.1f V%.1f" stroke="%s" stroke-width="%s"/>'
                    % (x, top, bottom, "#263238" if value == 1 else "#cfd8dc", "1.5" if value == 1 else "1"))
        canvas.text(x, top - 6, "%g" % value, anchor="middle", size=11, colour=GREY)
    return back


def legend(canvas):
    x = 10
    for verdict, words in WORDS:
        canvas.rect(x, canvas.y + 3, 12, 12, COLOURS[verdict])
        canvas.text(x + 17, canvas.y + 13, words, size=11)
        x += 40 + 7 * len(words)
    for dashed, words in ((False, "must reach"), (True, "aim")):
        canvas.path("M%d %d v14" % (x, canvas.y + 2), width=1.5, more=' stroke-dasharray="3,2"' if dashed else "")
        canvas.text(x + 6, canvas.y + 13, words, size=11)
        x += 24 + 7 * len(words)
    canvas.path("M%d %.1f h22" % (x, canvas.y + 9), width=2)
    canvas.text(x + 28, canvas.y + 13, "middle half of the rounds", size=11)
    canvas.y += 24


def draw(about, results):
    """The picture's text."""
    known = [r for r in results if "ratio" in r]
    compared = [r for r in known if "peer" in r]
    limited = [r for r in known if "peer" not in r and r["least"]]
    plain = [r for r in known if "peer" not in r and not r["least"]]
    missing = [r for r in results if "ratio" not in r]
    canvas = Canvas()
    canvas.text(10, 26, "tvdswitch %s: times as fast as its peers" % about["switchd"], size=18, weight="bold")
    canvas.text(10, 46, "%s; Linux %s; %s" % (about["cpu"], about["kernel"], about["compiler"]), size=11, colour=GREY)
    canvas.text(10, 62, "; ".join("%s %s" % peer for peer in about["peers"].items())
                + "; medians of %d rounds of %d s that took turns" % (about["rounds"], about["seconds"]),
                size=11, colour=GREY)
    canvas.y = 72
    legend(canvas)
    if compared:
        scale = Scale(compared)
        canvas.y += 22
        top, mark, section = canvas.y, len(canvas.parts), None
        for result in compared:
            if result["section"] != section:
                section = result["section"]
                canvas.heading(section)
            ratio_row(canvas, scale, result)
        canvas.parts[mark:mark] = axis(canvas, scale, top, canvas.y + 2)
        canvas.text(RIGHT + 14, top - 6, "times", size=11, colour=GREY)
        canvas.text(RIGHT + 62, top - 6, "this : peer", size=11, colour=GREY)
    if limited:
        canvas.heading("What it costs (shorter is better)")
        for result in limited:
            limit_row(canvas, result)
    section = None
    for result in plain:
        if result["section"] != section:
            section = result["section"]
            canvas.heading(section)
        canvas.text(LABEL, canvas.y + 15, result["title"], anchor="end")
        canvas.text(LEFT, canvas.y + 15, figures(result), weight="bold")
        canvas.y += STEP - 4
    if missing:
        canvas.heading("Not measured")
    for result in missing:
        canvas.text(LABEL, canvas.y + 15, "%s: %s" % (result["section"], result["title"]), anchor="end", colour=GREY)
        canvas.text(LEFT, canvas.y + 15, result["verdict"][:100], colour=GREY)
        canvas.y += STEP - 4
    canvas.y += 12
    return canvas.svg()
