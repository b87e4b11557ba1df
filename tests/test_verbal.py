"""Words for likelihood ratios."""

import math

import pytest

from shotprint.errors import ShotprintError
from shotprint.likelihood import read_scale


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1, "no support for either"),
        (1.9, "no support for either"),
        (2, "weak support for H1"),
        (9.99, "weak support for H1"),
        (10, "moderate support for H1"),
        (100, "moderately strong support for H1"),
        (1e3, "strong support for H1"),
        (1e4, "very strong support for H1"),
        (1e6, "extremely strong support for H1"),
        (0.1, "moderate support for H2"),
        (0.6, "no support for either"),
        (float("inf"), "extremely strong support for H1"),
        (float("nan"), ""),
    ],
)
def test_the_published_scale(ratio, words):
    assert read_scale().describe(math.log10(ratio)) == words


def test_a_laboratory_has_its_own_words(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text('name = "ours"\nstep = [{from = 1, words = "nil"}, {from = 5, words = "some"}]')
    scale = read_scale(path)
    assert scale.name == "ours"
    assert [scale.describe(llr) for llr in (0.5, 0.7, -2)] == ["nil", "some for H1", "some for H2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name =",
        'name = "x"',
        'name = "x"\nstep = []',
        'name = "x"\nstep = [{from = 2, words = "a"}]',
        'name = "x"\nstep = [{from = 1, words = "a"}, {from = 1, words = "b"}]',
        'name = "x"\nstep = [{from = 1, words = ""}]',
        'name = "x"\nstep = [{from = 1}]',
        'name = "x"\nstep = [{from = 1, words = "a", more = 2}]',
        'name = "x"\nmore = 1\nstep = [{from = 1, words = "a"}]',
        'name = "x"\nstep = {from = 1, words = "a"}',
        'name = "x"\nstep = ["a"]',
    ],
)
def test_a_scale_that_is_none_says_what_to_write(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ShotprintError, match=r"bad\.toml .*write name = "):
        read_scale(path)


def test_a_missing_scale_is_one_line(tmp_path):
    with pytest.raises(ShotprintError, match=r"none\.toml cannot be read"):
        read_scale(tmp_path / "none.toml")
