"""What a run of the bench has to say: one figure a line, each beside the promise it was made against."""

import json


class Figure:
    """`verdict`: met, missed, missing (promised, and not measured), told (nothing was promised)."""

    def __init__(self, row, name, measured, unit, bound, limit, verdict, detail):
        self.row, self.name, self.measured, self.unit = row, name, measured, unit
        self.bound, self.limit, self.verdict, self.detail = bound, limit, verdict, detail

    @property
    def promise(self):
        return f"{self.bound} {number(self.limit)}" if self.bound else ""

    @property
    def text(self):
        return "-" if self.measured is None else f"{number(self.measured)} {self.unit}".strip()


def number(value):
    """Three figures, which is more than a busy machine gives."""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class Sheet:
    def __init__(self, said):
        self.figures = []
        self.said = said  # called with each figure as it comes
        self.row = ""

    def add(self, *rest):
        self.figures.append(Figure(self.row, *rest))
        self.said(self.figures[-1])

    def at_most(self, name, measured, limit, unit="", detail=""):
        """A promised figure that may be `limit` and not more."""
        self.add(name, measured, unit, "at most", limit, "met" if measured <= limit else "missed", detail)

    def at_least(self, name, measured, limit, unit="", detail=""):
        """A promised figure that may be `limit` and not less."""
        self.add(name, measured, unit, "at least", limit, "met" if measured >= limit else "missed", detail)

    def told(self, name, measured, unit="", detail=""):
        """A figure that nothing was promised about."""
        self.add(name, measured, unit, "", None, "told", detail)

    def missing(self, name, why, bound="", limit=None):
        """A promise that could not be measured: it counts as not kept."""
        self.add(name, None, "", bound, limit, "missing", why.strip().splitlines()[0] if why.strip() else "")

    @property
    def is_good(self):
        return all(figure.verdict in ("met", "told") for figure in self.figures)

    def json(self, seconds):
        keys = ("row", "name", "measured", "unit", "bound", "limit", "verdict", "detail")
        return json.dumps({
            "ok": self.is_good, "seconds": round(seconds),
            "figures": [{key: getattr(figure, key) for key in keys} for figure in self.figures],
        }, indent=2)

    def show(self, screen, seconds):
        marks = {"met": "met", "missed": "MISSED", "missing": "MISSING", "told": ""}
        screen.table(
            ["row", "what", "measured", "promised", "", ""],
            [
                ["" if place and self.figures[place - 1].row == figure.row else figure.row,
                 figure.name, figure.text, figure.promise, marks[figure.verdict], figure.detail]
                for place, figure in enumerate(self.figures)
            ],
            alignment="<<>><<",
        )
        counts = {verdict: sum(figure.verdict == verdict for figure in self.figures) for verdict in marks}
        promised = len(self.figures) - counts["told"]
        screen.say()
        screen.say(
            f"{counts['met']} of {promised} promises met" + "".join(
                f", {counts[verdict]} {verdict}" for verdict in ("missed", "missing") if counts[verdict])
            + f", in {seconds // 60:.0f} min {seconds % 60:02.0f} s")
