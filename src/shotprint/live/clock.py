"""When was a sample heard? By counting samples, held to the time at which they arrived."""

WINDOW_S = 60.0
JUMP_S = 1.0


class Clock:
    """Tells the time of any moment of a stream.

    Sound cannot arrive before it is heard. So the earliest origin that the newest sample of any
    block allows is the best; that of each minute replaces the one before, for the crystal of a
    sound card is wrong by seconds a day. Where blocks come later than this by more than `JUMP_S`,
    the source stalled and time goes on from there.

    Times are of `time.monotonic`, which no setting of the machine's clock changes.
    """

    def __init__(self) -> None:
        self._origin_s: float | None = None
        self._least_s = float("inf")
        self._window_end_s = 0.0

    def add(self, end_s: float, arrival_s: float) -> None:
        """Note that the sample at `end_s` of the stream arrived at `arrival_s`."""
        origin_s = arrival_s - end_s
        self._least_s = min(self._least_s, origin_s)
        if self._origin_s is None or not 0 <= origin_s - self._origin_s <= JUMP_S:
            self._origin_s = self._least_s = origin_s
            self._window_end_s = end_s + WINDOW_S
        elif end_s >= self._window_end_s:
            self._origin_s, self._least_s = self._least_s, float("inf")
            self._window_end_s = end_s + WINDOW_S

    def tell(self, moment_s: float) -> float | None:
        """Return when a moment of the stream was heard; None: nothing arrived yet."""
        return None if self._origin_s is None else self._origin_s + moment_s
