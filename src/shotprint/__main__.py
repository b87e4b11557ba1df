"""``python -m shotprint``: the same as ``shotprint``."""

from shotprint.cli import main

if __name__ == "__main__":
    main()
