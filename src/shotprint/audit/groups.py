"""Groups that keep clips with shared sound together."""

from collections.abc import Sequence

from shotprint.audit.pairs import Pair


def propose_groups(
    recordings: Sequence[str], known: Sequence[str], pairs: Sequence[Pair]
) -> list[str]:
    """Return a group for each clip: known groups, joined where a pair connects them.

    Parameters
    ----------
    recordings, known : name and known group of each clip; a clip without group (empty) is one
        of its own

    Returns
    -------
    The name of each clip's group: that of its known group that comes first by name, else of the
    first recording
    """
    given = [group or recording for group, recording in zip(known, recordings, strict=True)]
    parent = {group: group for group in given}

    def find(group: str) -> str:
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    for pair in pairs:
        one, two = sorted((find(given[pair.first]), find(given[pair.second])))
        parent[two] = one
    return [find(group) for group in given]


def find_joined(known: Sequence[str], proposed: Sequence[str]) -> dict[str, list[str]]:
    """Return proposed group → the known groups that it joins, where there are several."""
    members: dict[str, set[str]] = {}
    for old, new in zip(known, proposed, strict=True):
        members.setdefault(new, set()).add(old)
    return {new: sorted(old) for new, old in members.items() if len(old) > 1}
