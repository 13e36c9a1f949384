"""Plots as SVG: panels of lines over named places, with a logarithmic scale, each point told by its number."""

import html
import math

WIDTH, HEIGHT, COLUMNS = 520, 330, 2  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 64, 18, 64, 44
HEAD, FOOT = 92, 30
# Told apart by eyes of every kind (Okabe and Ito), and by their marks.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
STYLE = """text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #222 }
.title { font-size: 19px; font-weight: 600 } .panel { font-size: 14px; font-weight: 600 } .soft { fill: #666 }
.value { font-size: 10.5px; paint-order: stroke; stroke: #fff; stroke-width: 3px }
.grid { stroke: #e4e4e4 } .axis { stroke: #999 } .line { fill: none; stroke-width: 2.2 }"""


class Panel:
    """`places`: what stands below, from left to right; `lines`: {name: a value or None for each place}."""

    def __init__(self, title, unit, places, lines):
        self.title, self.unit, self.places, self.lines = title, unit, places, lines
        values = [value for line in lines.values() for value in line if value]
        self.low = 10 ** math.floor(math.log10(min(values, default=1) / 1.5))  # room for a number below
        self.high = 10 ** math.ceil(math.log10(max(values, default=10) * 1.3))

    def x(self, place):
        return LEFT + (place + 0.5) * (WIDTH - LEFT - RIGHT) / len(self.places)

    def y(self, value):
        share = math.log10(value / self.low) / math.log10(self.high / self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def draw(self, colours):
        parts = [text(LEFT, 24, self.title, "panel"), text(LEFT, 42, self.unit, "soft")]
        tick = self.low
        while tick <= self.high * 1.001:
            y = self.y(tick)
            parts.append('<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>' % (LEFT, WIDTH - RIGHT, y, y))
            parts.append(text(LEFT - 8, y + 4, format(tick, ",g"), "soft", "end"))
            tick *= 10
        parts.append('<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>' % (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, HEIGHT - BOTTOM))
        parts += [text(self.x(place), HEIGHT - BOTTOM + 18, name, "", "middle") for place, name in enumerate(self.places)]
        for number, (name, values) in enumerate(self.lines.items()):
            parts += self.line(colours[name], number, values)
        for place in range(len(self.places)):
            parts += self.numbers(colours, place)
        return parts

    def line(self, colour, number, values):
        points = [(self.x(place), self.y(value)) for place, value in enumerate(values) if value]
        parts = [mark(x, y, number, colour) for x, y in points]
        if len(points) > 1:
            parts.insert(0, '<polyline class="line" stroke="%s" points="%s"/>'
                         % (colour, " ".join("%.1f,%.1f" % point for point in points)))
        return parts

    def numbers(self, colours, place):
        """Above its point, that of the lowest below, and beside it where the next point above is close. None over another."""
        here = sorted(((values[place], colours[name]) for name, values in self.lines.items() if values[place]), reverse=True)
        x, parts, last, above = self.x(place), [], 0, 0
        for rank, (value, colour) in enumerate(here):
            y = self.y(value)
            if 0 < rank == len(here) - 1:
                parts.append(text(x, y + 18, short(value), "value", "middle", colour))
            elif y - above > 26:
                parts.append(text(x, y - 9, short(value), "value", "middle", colour))
            else:
                last = max(y + 4, last + 12)
                parts.append(text(x + 9, last, short(value), "value", "start", colour))
            above = y
        return parts


def mark(x, y, number, colour):
    shapes = ('<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{c}"/>',
              '<rect x="{a:.1f}" y="{b:.1f}" width="8" height="8" fill="{c}"/>',
              '<path d="M{x:.1f} {b:.1f}l5 9h-10z" fill="{c}"/>',
              '<path d="M{x:.1f} {b:.1f}l5 4l-5 5l-5-5z" fill="{c}"/>')
    return shapes[number % len(shapes)].format(x=x, y=y, a=x - 4, b=y - 4, c=colour)


def text(x, y, words, kind="", anchor="start", colour=None):
    style = ' style="fill:%s"' % colour if colour else ""
    return '<text x="%.1f" y="%.1f" class="%s" text-anchor="%s"%s>%s</text>' % (x, y, kind, anchor, style, html.escape(words))


def short(value):
    if value >= 100:
        return format(value, ",.0f")
    return "%.3g" % value


def write(path, title, subtitle, note, panels):
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = dict(zip(names, COLOURS))
    rows = -(-len(panels) // COLUMNS)
    width, height = COLUMNS * WIDTH, HEAD + rows * HEIGHT + FOOT
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">' % (width, height, width, height),
             "<title>%s</title><style>%s</style>" % (html.escape(title), STYLE),
             '<rect width="%d" height="%d" fill="#fff"/>' % (width, height),
             text(24, 34, title, "title"), text(24, 54, subtitle, "soft")]
    x = 30
    for number, name in enumerate(names):
        parts += [mark(x, 76, number, colours[name]), text(x + 12, 80, name)]
        x += 40 + 8 * len(name)
    for number, panel in enumerate(panels):
        parts.append('<g transform="translate(%d %d)">' % (number % COLUMNS * WIDTH, HEAD + number // COLUMNS * HEIGHT))
        parts += [*panel.draw(colours), "</g>"]
    parts += [text(24, height - 10, note, "soft"), "</svg>"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")
