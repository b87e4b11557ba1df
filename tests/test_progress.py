"""The progress bar: only on a terminal, and with a rate where one is asked for."""

import io

import pytest

from shotprint.progress import show_progress


class Screen(io.StringIO):
    """Standard error that is, or is not, a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "unit", "expected"),
    [(False, "recordings", False), (True, None, False), (True, "recordings", True)],
)
def test_a_rate_is_shown_on_a_terminal(
    is_terminal: bool, unit: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", screen := Screen(is_terminal))
    monkeypatch.setenv("COLUMNS", "120")
    items = show_progress(range(30), total=30, description="recognising", unit=unit)
    assert list(items) == list(range(30))
    assert ("recordings/s" in screen.getvalue()) is expected
    assert ("30/30" in screen.getvalue()) is is_terminal
