"""What shotprint raises when the input, not the program, is at fault.

Every message is one line that says what was found, what was expected and how to mend it.
The command line prints it without a traceback and ends with exit code 2 (see `cli`).
"""


class ShotprintError(Exception):
    """Nothing can be done as asked: wrong usage, a wrong file, a missing extra."""


class RecordingError(ShotprintError):
    """One recording cannot be used; the others can, so the run goes on without it."""


class OutputError(ShotprintError):
    """What is done cannot be kept: the run ends, whatever recording it was at."""


class MissingExtraError(ShotprintError):
    """An optional dependency is not installed.

    Parameters
    ----------
    extra : the extra of shotprint that brings it, such as ``train``
    purpose : what needs it, such as ``training``
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs packages that are not installed; "
            f"install them with: pip install 'shotprint[{extra}]'"
        )
