"""shotprint recognises which gun fired from a recording of the shot."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shotprint.errors import ShotprintError
    from shotprint.notebook import Picture, Recognition, Recognizer

__version__ = "0.1.0"
__all__ = ["Picture", "Recognition", "Recognizer", "ShotprintError", "__version__"]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: the command line pays for nothing else."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "shotprint.errors" if name == "ShotprintError" else "shotprint.notebook"
    return getattr(import_module(module), name)
