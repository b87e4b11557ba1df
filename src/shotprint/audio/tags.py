"""When a recording says that it was made: what its tags claim, which anybody can write."""

from shotprint.audio.sources import PathLike

TIME_TAGS = ("com.apple.quicktime.creationdate", "creation_time", "date")
"""The most exact first: Apple's has the time zone."""


def read_stated_time(path: PathLike) -> str | None:
    """Return the time of recording that the tags state, as they state it; None: they state none.

    A broadcast WAV file states date and time of day apart; they are joined.
    """
    import av

    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            places = [container.metadata, *(each.metadata for each in container.streams)]
    except (av.FFmpegError, ValueError):
        return None
    tags: dict[str, str] = {}
    for place in places:
        for name, value in place.items():
            if value.strip():
                tags.setdefault(name.lower(), value.strip())
    found = next((tags[name] for name in TIME_TAGS if name in tags), None)
    if found is not None and "-" not in found and "date" in tags and found != tags["date"]:
        return f"{tags['date']} {found}"
    return found
