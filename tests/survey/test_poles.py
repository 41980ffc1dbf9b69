"""The people at the ends of a dimension: complete in every language, and no item said again."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from acculturate import UsageError, load_instrument
from acculturate.survey import instrument_names, instrument_template
from edited_toy import edited_toy

TEXTS = [(name, code) for name in instrument_names() for code in load_instrument(name).languages]


@pytest.mark.parametrize(("name", "code"), TEXTS)
def test_every_dimension_has_both_ends_in_two_sentences(name: str, code: str):
    instrument = load_instrument(name)
    poles = instrument.languages[code].poles
    assert tuple(poles) == tuple(dimension.key for dimension in instrument.dimensions)
    lines = [line for ends in poles.values() for line in (ends.low, ends.high)]
    assert len(set(lines)) == len(lines)
    for line in lines:
        assert len(re.findall(r"[.。।](?= |$)|。", line)) == 2, line
        assert unicodedata.is_normalized("NFC", line)
        if code == "en":
            assert line.startswith("You ")


@pytest.mark.parametrize("name", instrument_names())
def test_no_pole_says_an_item_again(name: str):
    text = load_instrument(name).languages["en"]
    asked = {
        tuple(words[at : at + 4])
        for wordings in text.wordings.values()
        for words in (re.findall(r"[a-z']+", wording.lower()) for wording in wordings)
        for at in range(len(words) - 3)
    }
    for ends in text.poles.values():
        for line in (ends.low, ends.high):
            words = re.findall(r"[a-z']+", line.lower())
            assert not {tuple(words[at : at + 4]) for at in range(len(words) - 3)} & asked


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\nplanning.", "\nplans.", "languages.en.poles.plans is not known"),
        (
            'company.low = "You are a quiet person who needs few others. Parties tire you."\n',
            "",
            "languages.en.poles.company.low is missing",
        ),
        (
            'low = "You are a quiet person who needs few others. Parties tire you."',
            'low = "You are a sociable person who makes friends easily. Parties give you energy."',
            "languages.en.poles.company is the same at both ends",
        ),
    ],
)
def test_poles_that_do_not_fit(tmp_path: Path, old: str, new: str, message: str):
    with pytest.raises(UsageError) as caught:
        load_instrument(edited_toy(tmp_path, (old, new)))
    assert message in str(caught.value)


def test_a_template_keeps_the_poles(tmp_path: Path):
    filled = instrument_template("vsm13").replace('source = ""', 'source = "somebody"')
    for number in range(200):
        filled = filled.replace('""', f'"Text {number}."', 1)
    path = tmp_path / "own.toml"
    path.write_text(filled, "utf-8")
    assert (
        load_instrument(path).languages["en"].poles == load_instrument("vsm13").language("en").poles
    )
