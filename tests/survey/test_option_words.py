from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from acculturate.errors import UsageError
from acculturate.survey import (
    LabelKind,
    all_forms,
    balanced_forms,
    crossed_forms,
    draw_forms,
    instrument_names,
    load_instrument,
    select_forms,
)
from acculturate.survey.instrument import DATA
from edited_toy import edited_toy

VSM13 = load_instrument("vsm13")
LANGUAGES = [
    (name, code) for name in instrument_names() for code in load_instrument(name).languages
]


def test_a_form_shows_no_options_and_its_answers_are_their_words():
    form = balanced_forms(load_instrument("toy"), "tuning", labels="words")[1]
    assert form.text == "How likely are you to act on the spur of the moment?" or form.text
    assert "Always" not in form.text
    assert form.labels == ("Always", "Often", "Sometimes", "Rarely", "Never")
    assert form.options == (0, 1, 2, 3, 4)
    assert (form.order, form.word_set, form.cue) == ("unlisted", 0, "Answer:")


@pytest.mark.parametrize(("name", "code"), LANGUAGES)
def test_every_language_has_words_of_its_own_for_both_splits(name: str, code: str):
    instrument = load_instrument(name)
    tuning, held_out = (
        all_forms(instrument, (code,), split, "words", words=split)
        for split in ("tuning", "held-out")
    )
    assert not {f.word_set for f in tuning} & {f.word_set for f in held_out}
    assert not {f.labels for f in tuning} & {f.labels for f in held_out}
    assert not {f.frame for f in tuning} & {f.frame for f in held_out}
    shown = [(f.text, f.labels) for f in (*tuning, *held_out)]
    assert len(set(shown)) == len(shown)
    for form in (*tuning, *held_out):
        # An answer that begins another one would be counted with it.
        assert not [a for a in form.labels for b in form.labels if a != b and b.startswith(a)]


def test_a_questionnaire_in_words_asks_each_item_once_with_one_set_of_words():
    forms = balanced_forms(VSM13, "tuning", labels="words")
    assert [form.item for form in forms] == [item.id for item in VSM13.items]
    assert len({(form.frame, form.word_set) for form in forms}) == 1
    assert len({form.wording for form in forms}) == 10


def test_more_forms_rotate_words_frames_and_wordings():
    pool = all_forms(VSM13, split="tuning", labels="words", words="tuning")
    forms = select_forms(pool, 9 * 24)
    assert len(set(forms)) == len(forms)
    for item in VSM13.items:
        asked = [form for form in forms if form.item == item.id]
        assert set(Counter(form.word_set for form in asked).values()) == {3}
        assert set(Counter(form.wording for form in asked).values()) == {3}


def test_drawn_forms_are_balanced_over_kinds_of_labels_and_sets_of_words():
    """Of two kinds of labels one has two orders and the other none, and three sets of words."""
    pool = all_forms(VSM13, split="tuning", labels=("digits", "words"), words="tuning")
    forms = draw_forms(pool, 6 * 48, np.random.default_rng(0))
    assert len(set(forms)) == len(forms) == 6 * 48
    for item in VSM13.items:
        asked = [form for form in forms if form.item == item.id]
        assert Counter(form.order for form in asked) == {"forward": 3, "reversed": 3, "unlisted": 6}
        assert Counter(form.word_set for form in asked) == {None: 6, 0: 2, 1: 2, 2: 2}
    assert set(Counter(form.questionnaire for form in forms).values()) == {24}


@pytest.mark.parametrize("kinds", [("words", "digits"), ("letters", "digits", "words")])
@pytest.mark.parametrize("name", ["vsm13", "inglehart-welzel", "toy"])
def test_a_step_of_a_mixed_pool_asks_whole_questionnaires(name: str, kinds: tuple[LabelKind, ...]):
    """Items with ten options too, whose letters are the digits of others."""
    instrument = load_instrument(name)
    items = [item.id for item in instrument.items]
    languages = list(instrument.languages)[:2]
    pool = all_forms(instrument, languages, "tuning", kinds, words="tuning")
    met = set()
    for seed in range(40):
        forms = draw_forms(pool, 2 * len(items), np.random.default_rng(seed))
        asked: dict[object, list[str]] = {}
        for form in forms:
            asked.setdefault(form.questionnaire, []).append(form.item)
        assert list(asked.values()) == [items, items]
        met |= {(form.language, form.label_kind) for form in forms}
    assert met == {(code, kind) for code in languages for kind in kinds}
    with pytest.raises(UsageError) as caught:
        draw_forms(pool, len(items), np.random.default_rng(0))
    assert f"multiple of {2 * len(items)}" in (caught.value.hint or "")


def test_one_set_of_words_is_asked_unless_more_are_wanted():
    """As a printed survey has one."""
    assert {form.word_set for form in all_forms(VSM13, labels="words")} == {0}
    sets = {f.word_set for f in all_forms(VSM13, labels="words", words="tuning")}
    assert sets == {0, 1, 2}


def test_words_can_be_new_where_nothing_else_is():
    forms = crossed_forms(VSM13, "tuning", "tuning", labels="words", words="held-out")
    assert {form.word_set for form in forms} == {3}
    assert {form.split for form in forms} == {"held-out"}
    assert {form.wording for form in forms} == set(range(10))


def test_an_instrument_without_words_answers_with_its_labels(tmp_path: Path):
    text = (DATA / "toy.toml").read_text("utf-8")
    begin, end = text.index("# Answers in words"), text.index("[languages.en.frames]")
    text = text[:begin] + text[end:]
    path = tmp_path / "own.toml"
    path.write_text(
        "\n".join(
            line.partition(", words =")[0] + (" }" if ", words =" in line else "")
            for line in text.split("\n")
        ),
        "utf-8",
    )
    instrument = load_instrument(path)
    tuning, held_out = (
        all_forms(instrument, split=s, labels="words") for s in ("tuning", "held-out")
    )
    assert {f.labels for f in tuning} == {f.labels for f in held_out}
    assert tuning[0].text == "How often do you plan your day?"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["Yes", "Perhaps", "No"]', '["Yes", "No"]', "words.agreement[2] has 2 answers"),
        ('\n  ["Yes", "Perhaps", "No"],', "", "has 1 sets of words and frequency has 2"),
        (
            'words = "A short survey.\\n{question}"',
            'words = "{question}{options}"',
            "words does not",
        ),
        ('["Yes", "Perhaps", "No"]', '["Yes", "Yes", "No"]', 'repeats "Yes"'),
        ('["Yes", "Perhaps", "No"]', '["Yes", "Yes, often", "No"]', 'begins like "Yes"'),
    ],
)
def test_words_that_do_not_fit(tmp_path: Path, old: str, new: str, message: str):
    with pytest.raises(UsageError) as caught:
        load_instrument(edited_toy(tmp_path, (old, new)))
    assert message in str(caught.value)
