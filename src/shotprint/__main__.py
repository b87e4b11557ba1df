"""What ``shotprint`` and ``python -m shotprint`` start: the command line; Ctrl-C at any time."""

import sys


def run() -> None:
    """Run the command line; Ctrl-C ends it with one line, while its parts are loaded, too."""
    try:
        from shotprint.cli import main

        main()
    except (KeyboardInterrupt, ImportError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__  # compiled modules make it an ImportError
        if cause is None:
            raise
        print("shotprint: interrupted; nothing half-written is left", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    run()
