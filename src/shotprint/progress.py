"""A progress bar on a terminal, silence in a pipe; always on standard error."""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

T = TypeVar("T")


def show_progress(
    items: Iterable[T], *, total: int | None, description: str, unit: str | None = None
) -> Iterator[T]:
    """Yield `items`, drawing a bar with the time left while standard error is a terminal.

    Parameters
    ----------
    total : the number of items, None where it is not known
    description : what is done, such as ``packing``
    unit : what the items are, to show how many are done in a second; None: not shown
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        *([_make_rate_column(unit)] if unit else []),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items, total=total, description=description)


def _make_rate_column(unit: str) -> "ProgressColumn":
    """Return a column such as ``76.2 recordings/s``."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed or 0.0
            return Text(f"{rate:.1f} {unit}/s")

    return Rate()
