"""Rules of clips; where onsets are found and clips stand is tested with those who use them."""

import pytest

from shotprint.clips import ClipRule
from shotprint.errors import ShotprintError


def test_a_rule_has_a_view_for_each_length() -> None:
    rule = ClipRule(1.0, 0.1, 8, 0.3, short_length_s=0.25)
    assert rule.views == (ClipRule(1.0, 0.1, 8, 0.3), ClipRule(0.25, 0.1, 8, 0.3))
    assert ClipRule().views == (ClipRule(),)


@pytest.mark.parametrize("short_length_s", [-0.5, 0.1, 1.0, 2.0])
def test_a_second_clip_holds_the_onset_and_is_shorter(short_length_s: float) -> None:
    with pytest.raises(ShotprintError, match=r"between the onset at 0\.1 s .* 1\.0 s"):
        ClipRule(1.0, 0.1, short_length_s=short_length_s)


def test_whole_recordings_have_no_second_clip() -> None:
    with pytest.raises(ShotprintError, match="expected 0 s"):
        ClipRule(0.0, 0.0, short_length_s=0.5)
