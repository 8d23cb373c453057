"""The table of what was measured: medians, how far they vary, the ratio, the bar."""

from dataclasses import dataclass
from statistics import median

WIDTHS = [31, 22, 23, 7, 8, 4]


@dataclass(frozen=True)
class Measured:
    """One number a round."""

    samples: list
    unit: str

    @property
    def median(self):
        return median(self.samples)

    def __str__(self):
        low, high = min(self.samples), max(self.samples)
        text = f"{number(self.median)} {self.unit}"
        return text if low == high else f"{text} ({number(low)}-{number(high)})"


@dataclass(frozen=True)
class Row:
    """What is compared. A bar is the largest that is accepted: of the ratio, as 1/N, or of the function's number."""

    title: str
    ours: Measured | str
    theirs: Measured | None = None
    ratio_bar: int | None = None
    value_bar: float | None = None

    @property
    def ratio(self):
        return self.ours.median / self.theirs.median if self.theirs and isinstance(self.ours, Measured) else None

    @property
    def is_met(self):
        """None where there is no bar, or nothing to hold against it."""
        if not isinstance(self.ours, Measured) or (self.ratio_bar is None and self.value_bar is None):
            return None
        if self.ratio_bar is not None:
            return self.ratio is not None and self.ratio * self.ratio_bar <= 1
        return self.ours.median <= self.value_bar

    def cells(self):
        if self.ratio_bar is not None:
            bar = f"1/{self.ratio_bar}"
        else:
            bar = f"{self.value_bar:g} {self.ours_unit()}" if self.value_bar is not None else ""
        ratio = "" if self.ratio is None else f"1/{number(1 / self.ratio)}"
        met = {None: "", True: "yes", False: "NO"}[self.is_met]
        return [self.title, str(self.ours), str(self.theirs or ""), ratio, bar, met]

    def ours_unit(self):
        return self.ours.unit if isinstance(self.ours, Measured) else ""


def number(value):
    """Three digits that count, and no more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def printed(rows):
    heads = ["median (min-max)", "portcullis", "boto3", "ratio", "bar", "met?"]
    lines = [heads, ["-" * width for width in WIDTHS], *(row.cells() for row in rows)]
    return "\n".join(
        " ".join(cell.ljust(width) for cell, width in zip(line, WIDTHS, strict=True)).rstrip() for line in lines
    )
