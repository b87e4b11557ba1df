"""shotprint recognises which gun fired from a recording of the shot."""

__version__ = "0.1.0"
