"""One measured figure, its target and the baseline's."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure of the page.

    Attributes
    ----------
    target : the worst value that is good enough
    target_ratio : how many times as good as the baseline's way it must be
    baseline, way : the same of the other way, and which way that is
    """

    what: str
    value: float
    unit: str
    more_is_better: bool = False
    target: float | None = None
    target_ratio: float | None = None
    baseline: float | None = None
    way: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as good as the baseline's way."""
        if self.baseline is None:
            return None
        ratio = self.value / self.baseline
        return ratio if self.more_is_better else 1 / ratio

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None: there is none."""
        if self.target_ratio is not None and self.ratio is not None:
            return self.ratio >= self.target_ratio
        if self.target is None:
            return None
        return self.value >= self.target if self.more_is_better else self.value <= self.target


def format_table(rows: Sequence[Row], other: str = "the baseline's way") -> str:
    """Return a table; `other`: what the figures beside ours are of."""
    head = f"| what | measured | target | met | {other} | ratio |\n|---|---|---|---|---|---|\n"
    return head + "\n".join(map(format_row, rows))


def format_row(row: Row) -> str:
    """Return a row of the page's table."""
    cells = [row.what, f"{format_figure(row.value)} {row.unit}", "", "", "", ""]
    if row.target is not None:
        cells[2] = f"{'≥' if row.more_is_better else '≤'} {row.target:g} {row.unit}"
    if row.target_ratio is not None:
        cells[2] = f"≥ {row.target_ratio:g} ×"
    if row.is_met is not None:
        cells[3] = "yes" if row.is_met else "**no**"
    if row.baseline is not None and row.ratio is not None:
        cells[4] = f"{format_figure(row.baseline)} {row.unit}, {row.way}"
        cells[5] = f"{format_figure(row.ratio)} ×"
    return f"| {' | '.join(cells)} |"


def format_figure(value: float) -> str:
    """Return a number with two or three significant digits, never as a power of ten."""
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{decimals}f}"
