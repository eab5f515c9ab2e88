# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""The plot of scripts/accuracy as SVG: how errors are distributed, and delay over time against
truth. Standard library only.
"""

import math

WIDTH, HEIGHT, PAD = 960, 400, 60
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


class Panel:
    """A plot area with axes; x and y map values to pixels."""

    def __init__(self, left, width, title, x_title, y_title):
        self.box = (left + PAD, PAD / 2, width - PAD - 10, HEIGHT - 1.5 * PAD)
        self.parts = []
        x, y, w, h = self.box
        self.parts.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" class="frame"/>')
        self.text(x + w / 2, y - 8, title, "middle", "title")
        self.text(x + w / 2, y + h + 36, x_title, "middle")
        self.parts.append(f'<text transform="translate({x - 44},{y + h / 2}) rotate(-90)" '
                          f'text-anchor="middle">{y_title}</text>')

    def text(self, x, y, text, anchor="start", kind="label"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
                          f'class="{kind}">{text}</text>')

    def scale(self, x_range, y_range, x_ticks, y_ticks):
        x, y, w, h = self.box
        self.x = lambda v: x + w * (v - x_range[0]) / (x_range[1] - x_range[0])
        self.y = lambda v: y + h - h * (v - y_range[0]) / (y_range[1] - y_range[0])
        for v, label in x_ticks:
            self.parts.append(f'<line x1="{self.x(v):.1f}" y1="{y}" x2="{self.x(v):.1f}" '
                              f'y2="{y + h}" class="grid"/>')
            self.text(self.x(v), y + h + 16, label, "middle")
        for v, label in y_ticks:
            self.parts.append(f'<line x1="{x}" y1="{self.y(v):.1f}" x2="{x + w}" '
                              f'y2="{self.y(v):.1f}" class="grid"/>')
            self.text(x - 5, self.y(v) + 4, label, "end")

    def line(self, points, colour):
        at = " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in points)
        self.parts.append(f'<polyline points="{at}" stroke="{colour}" class="curve"/>')

    def dots(self, points, colour):
        for a, b in points:
            self.parts.append(f'<circle cx="{self.x(a):.1f}" cy="{self.y(b):.1f}" r="2" '
                              f'fill="{colour}"/>')

    def legend(self, names):
        x, y = self.box[0] + 8, self.box[1] + 16
        for i, name in enumerate(names):
            self.parts.append(f'<rect x="{x}" y="{y + 16 * i - 8}" width="10" height="10" '
                              f'fill="{COLOURS[i % len(COLOURS)]}"/>')
            self.text(x + 15, y + 16 * i + 1, name)


def ns_text(ns):
    for limit, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= limit:
            return f"{ns / limit:g} {unit}"
    return f"{ns:g} ns"


def distribution(curves):
    """How many errors are larger than a value, both axes by powers of ten."""
    panel = Panel(0, WIDTH / 2, "error against truth, gaps apart", "error is larger than",
                  "share of samples")
    top = max((max(map(abs, errors), default=1) for _, errors in curves), default=1)
    decades = max(3, math.ceil(math.log10(max(top, 10))))
    least = max((len(errors) for _, errors in curves), default=10)
    floor = -max(2, math.ceil(math.log10(max(least, 10))))
    panel.scale((0, decades), (floor, 0), [(d, ns_text(10 ** d)) for d in range(decades + 1)],
                [(d, f"{100 * 10 ** d:g} %") for d in range(floor, 1)])
    for i, (_, errors) in enumerate(curves):
        ordered = sorted(max(abs(e), 1) for e in errors)
        n = len(ordered)
        step = max(1, n // 500)
        chosen = list(range(0, n, step)) + list(range(max(0, n - 200), n))
        points = [(math.log10(ordered[k]), math.log10((n - k) / n)) for k in sorted(set(chosen))]
        panel.line(points, COLOURS[i % len(COLOURS)])
    panel.legend([name for name, _ in curves])
    return panel


def over_time(points):
    """(time ns, true ns, reported ns) of one case."""
    panel = Panel(WIDTH / 2, WIDTH / 2, "forward delay over time, clocks' offset off", "time, ms", "delay, us")
    begin = points[0][0]
    at = [((t - begin) / 1e6, true / 1e3, said / 1e3) for t, true, said in points]
    values = [v for _, a, b in at for v in (a, b)]
    lo, hi = min(values), max(values)
    margin = 0.05 * (hi - lo) or 1
    lo, hi, end = lo - margin, hi + margin, at[-1][0] or 1
    ticks = lambda a, b: [(a + (b - a) * i / 4, f"{a + (b - a) * i / 4:.4g}") for i in range(5)]
    panel.scale((0, end), (lo, hi), ticks(0, end), ticks(lo, hi))
    panel.line([(t, true) for t, true, _ in at], COLOURS[0])
    panel.dots([(t, said) for t, _, said in at], COLOURS[1])
    panel.legend(["true", "reported"])
    return panel


def svg(curves, points):
    panels = [distribution(curves)] + ([over_time(points)] if points else [])
    body = "\n".join(part for panel in panels for part in panel.parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" \
viewBox="0 0 {WIDTH} {HEIGHT}">
<style>text {{ font: 11px sans-serif; fill: #222 }} .title {{ font-weight: bold; font-size: 13px }}
.frame {{ fill: none; stroke: #888 }} .grid {{ stroke: #ddd }}
.curve {{ fill: none; stroke-width: 1.5 }}</style>
<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>
{body}
</svg>
"""
