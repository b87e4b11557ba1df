"""A small terminal screen: level, last shots, counts, rate of fire."""

from collections import Counter, deque
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from shotprint.live.output import format_message, format_shot, format_span
from shotprint.live.session import HeardShot, Message, Session

N_SHOTS, N_MESSAGES, N_COUNTS = 12, 3, 6
LOWEST_DBFS, METER_WIDTH = -60.0, 50
FALL = 0.8
"""What is left of the meter's peak after each picture, so that a shot is seen for a while."""
PICTURES_A_SECOND = 8


class Screen:
    """Draws a session until it is left; events are given to `add`."""

    def __init__(self, session: Session, top: int, console: Console | None = None) -> None:
        self._session, self._top = session, top
        self._shots: deque[HeardShot] = deque(maxlen=N_SHOTS)
        self._messages: deque[Message] = deque(maxlen=N_MESSAGES)
        self._counts: Counter[str] = Counter()
        self._peak = 0.0
        self._live = Live(
            console=console or Console(),
            get_renderable=self.draw,
            refresh_per_second=PICTURES_A_SECOND,
        )

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def add(self, event: HeardShot | Message) -> None:
        """Show a shot or a message with the next picture."""
        if isinstance(event, Message):
            self._messages.append(event)
        else:
            self._shots.append(event)
            self._counts[event.shot.label or ""] += 1

    def draw(self) -> RenderableType:
        """Return the picture of now."""
        return Group(
            self._draw_meter(),
            self._draw_counts(),
            *(Text(format_shot(event, self._top)) for event in reversed(self._shots)),
            *(Text(format_message(message), style="yellow") for message in self._messages),
        )

    def _draw_meter(self) -> Text:
        self._peak = max(self._session.peak, FALL * self._peak)
        level_dbfs = to_dbfs(self._peak)
        n = round(METER_WIDTH * (1 - level_dbfs / LOWEST_DBFS))
        bar = ("█" * n).ljust(METER_WIDTH, "·")
        heard = format_span(self._session.heard_s)[:-4]
        return Text(
            f"{heard}  {bar} {level_dbfs:5.1f} dBFS", style="red" if n == METER_WIDTH else ""
        )

    def _draw_counts(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        rate_rpm = self._shots[-1].rate_of_fire_rpm if self._shots else None
        guns = [f"{escape(gun)} {n}" for gun, n in self._counts.most_common(N_COUNTS)]
        rate = f"{rate_rpm:.0f} rounds a minute" if rate_rpm else ""
        grid.add_row(f"[bold]{self._counts.total()} shots[/bold]", *guns, rate)
        return grid


def to_dbfs(peak: float) -> float:
    """Return a peak in dB below full scale, within what the meter shows."""
    import math

    return max(LOWEST_DBFS, min(0.0, 20 * math.log10(max(peak, 1e-9))))
