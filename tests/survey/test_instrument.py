import json
import re
import shutil
import tomllib
import unicodedata
from pathlib import Path

import pytest

from acculturate.errors import UsageError
from acculturate.survey import instrument as instruments
from acculturate.survey import instrument_names, instrument_template, load_instrument
from acculturate.survey.instrument import DATA

TOY = (DATA / "toy.toml").read_text(encoding="utf-8")

# Construct and scale of every item of VSM 2013, with words that its wordings must be about.
VSM13 = {
    "m01": ("importance", ("home", "household", "family", "all your hours", "you live with")),
    "m02": ("importance", ("respect", "look up to", "think well", "esteem")),
    "m03": ("importance", ("well", "good", "praise", "achieve", "acknowledged")),
    "m04": (
        "importance",
        ("secur", "keeping", "losing", "last", "dismissed", "steady", "fear for your position"),
    ),
    "m05": ("importance", ("colleague", "people", "co-worker", "team", "workmates")),
    "m06": ("importance", ("interest", "bore", "curious", "fascinates", "never dull")),
    "m07": ("importance", ("boss", "superior", "manager", "leader", "those above you")),
    "m08": (
        "importance",
        (
            "area",
            "place",
            "neighbourhood",
            "where you live",
            "part of the country",
            "region",
            "live somewhere",
        ),
    ),
    "m09": ("importance", ("famil", "friend", "relatives", "close to you")),
    "m10": ("importance", ("promot", "higher", "upwards", "better post", "ladder", "rank")),
    "m11": ("importance", ("fun", "enjoy", "amusement", "good time", "pleasure")),
    "m12": ("importance", ("moder", "modest", "with little", "wishes down", "restraint")),
    "m13": ("importance", ("friend",)),
    "m14": (
        "importance",
        ("thrift", "sparing", "economical", "saving", "wasting", "careful use", "spending low"),
    ),
    "m15": ("frequency", ("nerv", "on edge")),
    "m16": ("frequency", ("happ", "glad")),
    "m17": ("hindrance", ("people", "others", "somebody", "how things are")),
    "m18": ("health", ("health", "how well")),
    "m19": ("pride", ("proud", "pride")),
    "m20": ("occurrence", ("scared", "fear", "afraid", "not dare")),
    "m21": ("agreement", ("manage", "lead a team", "leading people")),
    "m22": ("agreement", ("results",)),
    "m23": ("agreement", ("two bosses",)),
    "m24": ("agreement", ("rule",)),
}
ENDS = {
    "importance": ("Extremely", "Hardly or not"),
    "frequency": ("Always", "Never"),
    "hindrance": ("Yes, always", "No, never"),
    "health": ("Very good", "Very poor"),
    "pride": ("Very proud", "Not at all proud"),
    "occurrence": ("Never", "Always"),
    "agreement": ("Strongly agree", "Strongly disagree"),
}
FORMULAS = {
    "pdi": {"m07": 35, "m02": -35, "m20": 25, "m23": -25},
    "idv": {"m04": 35, "m01": -35, "m09": 35, "m06": -35},
    "mas": {"m05": 35, "m03": -35, "m08": 35, "m10": -35},
    "uai": {"m18": 40, "m15": -40, "m21": 25, "m24": -25},
    "lto": {"m13": 40, "m14": -40, "m19": 25, "m22": -25},
    "ivr": {"m12": 35, "m11": -35, "m17": 40, "m16": -40},
}


def test_vsm13_is_the_questionnaire_of_the_manual():
    vsm = load_instrument("vsm13")
    assert {item.id: item.scale for item in vsm.items} == {
        item: scale for item, (scale, _) in VSM13.items()
    }
    assert {dimension.key: dimension.weights for dimension in vsm.dimensions} == FORMULAS
    assert {dimension.midpoint for dimension in vsm.dimensions} == {50}
    assert vsm.variants["cat"].key == "mas"
    assert vsm.variants["cat"].weights == {"m05": 35, "m03": -35, "m08": 25, "m10": -25}
    assert any("matched samples" in warning for warning in vsm.warnings)
    assert any("not comparable" in warning for warning in vsm.warnings)


def test_vsm13_scales_run_in_the_manuals_direction():
    labels = load_instrument("vsm13").languages["en"].labels
    for scale, (first, last) in ENDS.items():
        assert len(labels[scale]) == 5
        assert labels[scale][0].startswith(first)
        assert labels[scale][-1].startswith(last)


@pytest.mark.parametrize("item", VSM13)
def test_every_wording_is_about_its_construct(item: str):
    wordings = load_instrument("vsm13").languages["en"].wordings[item]
    assert len(wordings) == 14
    for wording in wordings:
        assert any(word in wording.lower() for word in VSM13[item][1]), wording
        assert wording.endswith("?")
        if item <= "m10":
            places = "job", "look for work", "work to be ideal", "work you would like best"
            assert any(part in wording for part in places)
        elif item <= "m14":
            assert any(
                part in wording
                for part in (
                    "private life",
                    "work",
                    "personal life",
                    "At home",
                    "own life",
                    "your own",
                )
            )


def test_splits_share_no_wording_and_no_frame():
    for name in instrument_names():
        text = load_instrument(name).languages["en"]
        assert set(text.wordings_of("tuning")) & set(text.wordings_of("held-out")) == set()
        tuning, held_out = text.frames_of("tuning"), text.frames_of("held-out")
        assert len(tuning) >= 3
        assert held_out
        assert not set(tuning) & set(held_out)


SCRIPTS = {"ar": "ARABIC", "es": "LATIN", "hi": "DEVANAGARI", "zh": "CJK"}


TRANSLATED = ("vsm13", "inglehart-welzel")


@pytest.mark.parametrize("name", TRANSLATED)
@pytest.mark.parametrize("code", SCRIPTS)
def test_every_language_has_the_structure_of_english(name: str, code: str):
    languages = load_instrument(name).languages
    assert set(languages) == {"en", *SCRIPTS}
    text, english = languages[code], languages["en"]
    assert text.direction == ("rtl" if code == "ar" else "ltr")
    assert not text.validated
    assert [(frame.key, frame.held_out) for frame in text.frames] == [
        (frame.key, frame.held_out) for frame in english.frames
    ]
    assert [frame.letters_template is None for frame in text.frames] == [
        frame.letters_template is None for frame in english.frames
    ]
    assert 1 <= len(text.held_out_wordings) <= len(english.held_out_wordings)
    assert set(text.wordings) == set(english.wordings)
    # Scales that are one another's reverse in English are so here.
    if name == "vsm13":
        assert text.labels["occurrence"] == text.labels["frequency"][::-1]
        assert english.labels["occurrence"] == english.labels["frequency"][::-1]


@pytest.mark.parametrize("name", TRANSLATED)
@pytest.mark.parametrize("code", SCRIPTS)
def test_every_language_is_in_its_own_script(name: str, code: str):
    text = load_instrument(name).languages[code]
    shown = [
        *(wording for wordings in text.wordings.values() for wording in wordings),
        *(label for labels in text.labels.values() for label in labels),
        *(frame.template for frame in text.frames),
        text.answer_cue,
    ]
    wordings = [line for lines in text.wordings.values() for line in lines]
    assert len(set(wordings)) == len(wordings)
    for line in shown:
        assert unicodedata.is_normalized("NFC", line), line
        letters = line.replace("{question}", "").replace("{options}", "").replace("\n", "")
        names = [unicodedata.name(letter) for letter in letters if letter.isalpha()]
        assert all(name.startswith(SCRIPTS[code]) for name in names), line
    marks = {"ar": "؟", "zh": "？"}
    assert all(wording.endswith(marks.get(code, "?")) for wording in wordings)


def test_a_language_file_counts_and_its_faults_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(DATA, tmp_path / "data")
    before = load_instrument("vsm13")
    monkeypatch.setattr(instruments, "DATA", tmp_path / "data")
    assert load_instrument("vsm13") == before
    path = tmp_path / "data" / "vsm13" / "ar.toml"
    arabic = path.read_text(encoding="utf-8")
    path.write_text(arabic.replace("دائمًا", "كل حين"), encoding="utf-8")
    assert load_instrument("vsm13").fingerprint != before.fingerprint
    path.write_text(arabic.replace("m24 = [", "m25 = ["), encoding="utf-8")
    with pytest.raises(UsageError, match=r"languages\.ar\.wordings\.m25 is not known"):
        load_instrument("vsm13")


def test_a_users_file_is_one_file(tmp_path: Path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "xx.toml").write_text("anything", encoding="utf-8")
    (tmp_path / "toy.toml").write_text(TOY, encoding="utf-8")
    assert load_instrument(tmp_path / "toy.toml") == load_instrument("toy")


def test_a_template_in_another_script_loads_once_filled(tmp_path: Path):
    filled = instrument_template("vsm13", "ar")
    assert 'direction = "rtl"' in filled
    for number in range(400):
        filled = filled.replace('""', f'"نص {number}"', 1)
    path = tmp_path / "عربي.toml"
    path.write_text(filled, encoding="utf-8")
    text = load_instrument(path).languages["ar"]
    assert text.frames == load_instrument("vsm13").languages["ar"].frames


def test_toy_needs_no_code():
    toy = load_instrument("toy")
    assert len(toy.items) == 4
    assert {scale.options for scale in toy.scales.values()} == {3, 5}


def test_the_page_about_the_format_shows_a_file_that_loads(tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs" / "instruments.md").read_text(encoding="utf-8")
    path = tmp_path / "page.toml"
    path.write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert load_instrument(path).dimensions[1].midpoint == 50


def test_fingerprint_changes_with_the_file(tmp_path: Path):
    path = tmp_path / "toy.toml"
    path.write_text(TOY, encoding="utf-8")
    same = load_instrument(path).fingerprint
    path.write_text(TOY.replace("Often", "Frequently"), encoding="utf-8")
    assert load_instrument(path).fingerprint != same


def test_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path):
    path = tmp_path / "toy.toml"
    path.write_bytes(TOY.replace("\n", "\r\n").encode("utf-8-sig"))
    assert load_instrument(str(path)).key == "toy"


# What the surveys mean by the first and the last answer of each item.
IW_ENDS = {
    "a008": ("Very happy", "Not happy at all"),
    "a165": ("Most people deserve trust", "One has to be careful"),
    "e018": ("It would be good", "It would be bad"),
    "e025": ("I have done it", "I would never do it"),
    "f063": ("1 of 10: not important", "10 of 10: very important"),
    "f118": ("1 of 10: never", "10 of 10: always"),
    "f120": ("1 of 10: never", "10 of 10: always"),
    "g006": ("Very proud", "Not proud at all"),
    "y002": ("Order", "More say"),
    "y003": ("Clearly obedience", "Clearly determination"),
}


def test_inglehart_welzel_asks_in_the_surveys_direction():
    instrument = load_instrument("inglehart-welzel")
    assert instrument.aggregate == "distance"
    assert [item.id for item in instrument.items] == list(IW_ENDS)
    assert any("Y002 and Y003" in warning for warning in instrument.warnings)
    text = instrument.languages["en"]
    for item in instrument.items:
        for shown, start in zip(
            (text.labels[item.scale][0], text.labels[item.scale][-1]), IW_ENDS[item.id], strict=True
        ):
            assert shown.startswith(start)
        assert len(text.wordings[item.id]) == 3


def test_portraits_of_values_name_no_gender_and_each_value_has_its_items():
    instrument = load_instrument("portrait-values")
    sizes = {dimension.key: 2 for dimension in instrument.dimensions} | {"un": 3}
    assert len(sizes) == 10
    for key, size in sizes.items():
        assert sum(item.id.startswith(key) for item in instrument.items) == size
    for wordings in instrument.languages["en"].wordings.values():
        assert len(wordings) == 3
        for wording in wordings:
            words = set(wording.lower().replace(".", " ").replace(",", " ").split())
            assert not words & {"he", "she", "him", "his", "her", "himself", "herself", "man"}


# What a user can get wrong: text replaced, its replacement, words the message and hint must hold.
FAULTS = {
    "not TOML": ("[scales]", "[scales", "not valid TOML", "line"),
    "duplicate id": ("plans = { scale", "whims = { scale", "not valid TOML", "once"),
    "no items": ("[items]", "[itemz]", "itemz", "items"),
    "no scale": ('scale = "agreement"', 'scale = "agreemnt"', "agreemnt", "agreement"),
    "scale without options": ("{ options = 3 }", "{}", "scales.agreement.options is missing", ""),
    "too many options": ("options = 3", "options = 27", "is 27", "less than or equal to 26"),
    "options as text": ("options = 3", 'options = "3"', "'3'", "whole number"),
    "weight for no item": ("whims = 12.5", "wimms = 12.5", "wimms", "whims"),
    "weight as text": ("whims = 12.5", 'whims = "much"', "planning.weights.whims", "number"),
    "weight not finite": ("whims = 12.5", "whims = nan", "nan", "finite"),
    "no weight at all": ("crowd = -50", "crowd = 0", "weigh nothing", "weight"),
    "aggregate": ("[scales]", 'aggregate = "max"\n[scales]', '"max"', "mean, sum, distance"),
    "range of one": ("[dimensions.company]", "[dimensions.company]\nrange = [1]", "[1.0]", "two"),
    "range reversed": (
        "[dimensions.company]",
        "[dimensions.company]\nrange = [1, -1]",
        "company.range is [1.0, -1.0]",
        "two numbers",
    ),
    "variant of nothing": ('dimension = "company"', 'dimension = "comp"', "comp", "company"),
    "wrong number of labels": ('["Agree", "Undecided",', '["Agree",', "2 labels", "option"),
    "empty label": ('"Undecided"', '" "', "labels.agreement[2] is empty", "Fill"),
    "repeated label": ('"Undecided"', '"Agree"', "repeats", "different"),
    "label for no scale": ("agreement = [", "agrement = [", "agrement", "agreement"),
    "wordings missing": ("alone = [\n", "alone2 = [\n", "alone2", "alone"),
    "unequal wordings": (
        '  "Is being on your own a pleasure for you?",\n',
        "",
        "3 wordings",
        "same",
    ),
    "wording twice": ("Do you enjoy an empty house?", "Do you like to be alone?", "repeats", ""),
    "wording on two lines": ("Do you like to be alone?", "Do you\\nlike it?", "line break", "one"),
    "nothing held out": ("held_out_wordings = 1", "held_out_wordings = 0", "0 of 4", "Hold out"),
    "all held out": ("held_out_wordings = 1", "held_out_wordings = 4", "4 of 4", "tuning"),
    "no held-out frame": ("held_out = true, ", "", "no held-out frame", "held_out = true"),
    "no question": (
        "diary asks for one number.\\n{options}\\n{question}",
        "{options}",
        "{question}",
        "",
    ),
    "letters without a question": (
        'Give one letter.\\n{options}\\n{question}"',
        'Give one letter.\\n{options}"',
        "survey.letters has {question} 0 times",
        "once",
    ),
    "options twice": ("A short survey. Give one number.", "{options}", "{options} 2 times", "once"),
    "direction": ('"ltr"', '"up"', '"up"', "ltr"),
    "flag": ("validated = false", 'validated = "no"', "validated", "true or false"),
    "unknown key": ("answer_cue =", "answercue =", "answercue", "answer_cue"),
    "a table missing": ("[languages.en.labels]", "[languages.en.frames2]", "frames2", "frames"),
    "text instead of table": ("frequency = { options = 5 }", 'frequency = "5"', "not a table", ""),
    "list expected": (
        'warnings = ["A toy: its scores mean nothing."]',
        'warnings = ""',
        "list",
        "",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str, tmp_path: Path):
    old, new, message, hint = FAULTS[fault]
    assert old in TOY
    path = tmp_path / "mine.toml"
    path.write_text(TOY.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_instrument(path)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert "mine.toml" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"# nothing", "scales is missing"),
        (b"\xff\xfek\0e\0y\0", "zero bytes"),
        (b"key = 'caf\xe9'", "not UTF-8 (line 1)"),
        (b"#" * 2_000_001, "2,000,001 bytes"),
        (b"a = " + b"[" * 5000, "not valid TOML"),
        (b"a = " + b"1" * 5000, "not valid TOML"),
        (b"key = 1", ""),
    ],
)
def test_a_broken_file_is_named(raw: bytes, message: str, tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_bytes(raw)
    with pytest.raises(UsageError) as caught:
        load_instrument(path)
    assert message in str(caught.value)
    assert caught.value.hint


def test_paths_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "folder.toml").mkdir()
    for path, message in (
        (tmp_path / "none.toml", "does not exist"),
        (tmp_path / "folder.toml", "is a directory"),
        (tmp_path / ("x" * 300 + ".toml"), "cannot be read"),
        (Path("/dev/null"), "not an ordinary file"),
    ):
        with pytest.raises(UsageError, match=message):
            load_instrument(path)


@pytest.mark.parametrize(
    ("name", "hint"), [("vsm2013", "vsm13"), ("zzz", "toy, vsm13"), ("", "toy")]
)
def test_an_unknown_name_gets_the_nearest_or_the_list(name: str, hint: str):
    with pytest.raises(UsageError) as caught:
        load_instrument(name)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("name", instrument_names())
def test_an_unfilled_template_names_its_first_empty_field(name: str, tmp_path: Path):
    path = tmp_path / "my.toml"
    path.write_text(instrument_template(name), encoding="utf-8")
    with pytest.raises(UsageError, match=r"languages\.en\.source is empty"):
        load_instrument(path)


def test_a_template_filled_with_one_wording_serves_both_splits(tmp_path: Path):
    filled = instrument_template("vsm13").replace('source = ""', 'source = "somebody"')
    for number in range(200):
        filled = filled.replace('""', f'"Text {number}."', 1) if '[""' in filled else filled
        filled = filled.replace(', ""', f', "Text {number}, again."', 1)
    assert "construct" in filled
    path = tmp_path / "my.toml"
    path.write_text(filled, encoding="utf-8")
    mine, vsm = load_instrument(path), load_instrument("vsm13")
    assert (mine.items, mine.scales, mine.dimensions) == (vsm.items, vsm.scales, vsm.dimensions)
    assert mine.variants == vsm.variants
    text = mine.languages["en"]
    assert text.held_out_wordings == ()
    assert text.wordings_of("tuning") == text.wordings_of("held-out") == (0,)
    assert text.frames == vsm.languages["en"].frames
    assert any("one wording" in warning for warning in mine.warnings)
    assert vsm.warnings[-1].startswith("The wordings (en, ar")  # the others are not in this file
    assert set(vsm.warnings[:-1]) <= set(mine.warnings)


def test_the_template_gives_every_construct_beside_its_field():
    template = instrument_template("vsm13")
    for item in load_instrument("vsm13").items:
        assert f'# {item.construct}\n{item.id} = [""]' in template
    assert tomllib.loads(template)["key"] == "vsm13-own"


def test_odd_names_survive_the_template(tmp_path: Path):
    odd = (
        TOY.replace("plans = ", '"pläne \\"x\\"" = ')
        .replace("plans", "pläne")
        .replace("pläne = -12.5", '"pläne \\"x\\"" = -12.5')
    )
    path = tmp_path / "odd.toml"
    path.write_text(odd, encoding="utf-8")
    ids = [item.id for item in load_instrument(path).items]
    assert ids[0] == 'pläne "x"'
    assert list(tomllib.loads(instrument_template(str(path)))["items"]) == ids


@pytest.mark.parametrize("name", instrument_names())
def test_a_template_in_any_language_loads_once_filled(name: str, tmp_path: Path):
    """Of a language that we have, frames are ours; of any other, all is to be written, with ours beside it."""
    filled = instrument_template(name, "en", "de")
    parsed = tomllib.loads(filled)["languages"]
    assert list(parsed) == ["en", "de"]
    ours, blank = parsed["en"]["frames"], parsed["de"]["frames"]
    assert [*ours] == [*blank]
    for key, frame in ours.items():
        assert (
            json.dumps(frame["template"], ensure_ascii=False) in filled.split("[languages.de]")[1]
        )
        assert blank[key]["template"] == ""
    head, end = filled.split("[languages.de]")
    written = {
        "template": "{question} {options}",
        "letters": "{options} {question}",
        "words": "{question}",
    }
    end = re.sub(
        f'({"|".join(written)}) = ""', lambda m: f'{m[1]} = "{written[m[1]]} {m.start()}"', end
    )
    filled = head + "[languages.de]" + end
    for number in range(600):
        filled = filled.replace('""', f'"Text {number}."', 1)
    path = tmp_path / "my.toml"
    path.write_text(filled, encoding="utf-8")
    assert [*load_instrument(path).languages] == ["en", "de"]


def test_what_is_no_language_code_is_refused():
    with pytest.raises(UsageError, match='"Deutsch" is no language code') as caught:
        instrument_template("vsm13", "Deutsch")
    assert "de" in (caught.value.hint or "")
