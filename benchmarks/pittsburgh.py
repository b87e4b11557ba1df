"""Write the manifest of the ShotSpotter Pittsburgh set, with its firing positions as groups.

    python -m benchmarks.pittsburgh ../shared/data/shotspotter-cut/shots.csv -o pittsburgh.csv

`docs/likelihood-ratios.md` says what is then done with it.
"""

import argparse
from pathlib import Path

from shotprint.manifest import build_manifest, read_rows, write_manifest

FAR_M = (200, 400)


def main() -> None:
    """Read the set's table of shots, hash its recordings, write the manifest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pittsburgh", description=__doc__)
    parser.add_argument("shots", type=Path, help="the set's shots.csv, beside its recordings")
    parser.add_argument("--output", "-o", type=Path, default=Path("pittsburgh.csv"))
    options = parser.parse_args()
    table, _ = read_rows(
        options.shots, ("recording", "firing_position", "test_id", "firearm", "distance_m")
    )
    rows = [
        {
            "recording": row["recording"],
            "path": str(options.shots.parent / row["recording"]),
            "label": row["firearm"],
            "group": row["firing_position"],
            "position": row["firing_position"],
            "test": row["test_id"],
            "distance": describe_distance(row["distance_m"]),
        }
        for row in table.to_dict("records")
    ]
    manifest, failed = build_manifest(rows)
    if failed:
        raise SystemExit(f"{len(failed)} recordings cannot be read, such as {next(iter(failed))}")
    write_manifest(manifest, options.output)
    print(f"{len(manifest)} recordings from {manifest['position'].nunique()} firing positions")


def describe_distance(distance_m: str) -> str:
    """Return the class of a distance in metres, such as ``200 to 400 m``."""
    near, far = FAR_M
    metres = float(distance_m)
    if metres < near:
        return f"below {near} m"
    return f"{near} to {far} m" if metres < far else f"{far} m and more"


if __name__ == "__main__":
    main()
