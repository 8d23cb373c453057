"""The table of what was measured: medians, how far they vary, the ratio, the bar."""

from dataclasses import dataclass
from statistics import median

WIDTHS = [30, 23, 23, 6, 7, 4]


@dataclass(frozen=True)
class Measured:
    """One number a round, in a unit."""

    samples: list
    unit: str

    @property
    def median(self):
        return median(self.samples)

    def __str__(self):
        scale, unit = (1000, "s") if self.unit == "ms" and self.median >= 1000 else (1, self.unit)
        low, middle, high = (number(each / scale) for each in (min(self.samples), self.median, max(self.samples)))
        return f"{middle} {unit}" + (f" ({low}-{high})" if len(self.samples) > 1 else "")


@dataclass(frozen=True)
class Bar:
    """The largest that is accepted: of our number over theirs, as 1/N; or of our number, as it is."""

    ratio: int | None = None
    value: float | None = None
    unit: str = ""

    def __str__(self):
        return f"1/{self.ratio}" if self.ratio else f"{self.value:g} {self.unit}"

    def is_met(self, ours, theirs):
        if self.ratio:
            return ours.median * self.ratio <= theirs.median
        return ours.median <= self.value


@dataclass(frozen=True)
class Row:
    """Ours beside theirs; where ours could not be measured, the word that says so."""

    title: str
    ours: Measured | str
    theirs: Measured | None = None
    bar: Bar | None = None

    @property
    def is_met(self):
        """None where there is no bar, or nothing to hold against it."""
        return self.bar.is_met(self.ours, self.theirs) if self.bar and isinstance(self.ours, Measured) else None

    def cells(self):
        met = {None: "", True: "yes", False: "NO"}[self.is_met]
        return [self.title, str(self.ours), str(self.theirs or ""), self.ratio(), str(self.bar or ""), met]

    def ratio(self):
        if self.theirs is None or self.theirs.unit != self.ours.unit:
            return ""
        times = self.theirs.median / self.ours.median
        return f"1/{number(times)}" if times >= 1 else f"{number(1 / times)} x"


def number(value):
    """Three digits, and no more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def printed(rows):
    heads = ["median (min-max)", "portcullis", "boto3", "ratio", "bar", "met?"]
    lines = [heads, ["-" * width for width in WIDTHS], *(row.cells() for row in rows)]
    return "\n".join(
        " ".join(cell.ljust(width) for cell, width in zip(line, WIDTHS, strict=True)).rstrip() for line in lines
    )
