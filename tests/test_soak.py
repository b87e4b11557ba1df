"""Every file counts once, whatever happens to it, to the disk, to the clock or to the run."""

import collections
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks into /proc")
def test_every_file_counts_once(tmp_path: Path) -> None:
    from benchmarks.soak import format_page, soak_folder
    from benchmarks.soaking.folder import ERRORS, GONE

    soak, outcomes = soak_folder(tmp_path / "soak", 200, 7, 4, None)
    page = format_page(soak, outcomes)
    assert not soak.violations, page
    # That faults were there: runs were ended and went on, files changed, and all kinds came by.
    assert outcomes[0].n_done < 100 < outcomes[-1].n_done
    assert {outcome.exit_code for outcome in outcomes} >= {-9, 1}, page
    assert soak.faults["steps of rewritten files"], page
    made = collections.Counter(entry.role for entry in soak.entries.values())
    for role in ("sound", "twin", "rewritten", "growing"):
        assert soak.fates[role] == {"answer": made[role]}, page
    for role in ERRORS:
        assert soak.fates[role] == {"error": made[role]}, page
    assert sum(soak.fates[role].total() for role in GONE) > 0, page
