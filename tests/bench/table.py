"""What was measured, beside each other and beside what we want."""


class Row:
    """Prints cells of these widths; the first `left` of them begin at the left."""

    def __init__(self, widths, left):
        self.widths, self.left = widths, left

    def show(self, *cells):
        print(" ".join(cell.ljust(width) if index < self.left else cell.rjust(width)
                       for index, (cell, width) in enumerate(zip(cells, self.widths))).rstrip(), flush=True)


class Table:
    """Prints each row as it comes. "times" is how many times better the first server is than the second."""

    WIDTHS = (42, 21, 10, 10, 7, 10, 8, 12)

    def __init__(self, names):
        self.missed = 0
        self._line("measure", "", *names, "times", "goal", "reached", "client's CPU")
        self._line(*("-" * width for width in self.WIDTHS))

    def rate(self, what, unit, values, goal=None, clients=()):
        self._row(what, unit, values, self._ratio(*values), goal, "x %g" % goal if goal else "", clients)

    def cost(self, what, unit, values, goal=None):
        times = None if None in values else self._ratio(*reversed(values))
        self._row(what, unit, values, times, goal, "x %g" % goal if goal else "")

    def below(self, what, unit, values, most=None):
        reached = values[0] < most if most else None
        times = None if None in values else self._ratio(*reversed(values))
        self._row(what, unit, values, times, most, "< %g" % most if most else "", reached=reached)

    @staticmethod
    def _ratio(one, other):
        return one / other if other else None

    def _row(self, what, unit, values, times, goal, wanted, clients=(), reached=None):
        if goal and reached is None:
            reached = times is not None and times >= goal
        self.missed += reached is False
        self._line(what, unit, *(number(value) for value in values), "-" if times is None else "%.1f" % times, wanted,
                   "" if reached is None else "yes" if reached else "no",
                   " / ".join("%.0f %%" % (share * 100) for share in clients))

    def _line(self, *cells):
        left = 2
        print(" ".join(cell.ljust(width) if index < left or index > 4 else cell.rjust(width)
                       for index, (cell, width) in enumerate(zip(cells, self.WIDTHS))).rstrip(), flush=True)


def number(value):
    if value is None:
        return "-"
    return format(value, ",.0f") if value >= 1000 else "%.1f" % value if value >= 10 else "%.3g" % value
