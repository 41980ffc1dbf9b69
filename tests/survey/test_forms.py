from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acculturate.errors import UsageError
from acculturate.survey import (
    Instrument,
    all_forms,
    balanced_forms,
    draw_forms,
    fingerprint,
    instrument_names,
    load_instrument,
)
from acculturate.survey.forms import ORDERS, SPLITS
from acculturate.survey.instrument import DATA

VSM13 = load_instrument("vsm13")


def test_a_form_word_for_word():
    first, second = (form for form in balanced_forms(load_instrument("toy"), "tuning", 8)[:2])
    assert first.text == (
        "Answer with the number of one option.\n"
        "1. Always\n2. Often\n3. Sometimes\n4. Rarely\n5. Never\n"
        "How often do you plan your day?"
    )
    assert first.labels == second.labels == ("1", "2", "3", "4", "5")
    assert first.options == (0, 1, 2, 3, 4)
    assert second.options == (4, 3, 2, 1, 0)
    assert "1. Never\n2. Rarely" in second.text
    assert first.cue == "Answer:"


@pytest.mark.parametrize("name", instrument_names())
def test_all_forms_are_different_and_tuning_comes_first(name: str):
    instrument = load_instrument(name)
    forms = all_forms(instrument)
    assert len({form.text for form in forms}) == len(forms)
    splits = [form.split for form in forms]
    assert splits == sorted(splits, reverse=True)
    text = instrument.languages["en"]
    assert len(forms) == 2 * len(instrument.items) * sum(
        len(text.wordings_of(split)) * len(text.frames_of(split)) for split in SPLITS
    )
    for form in forms:
        assert form.text == form.text.strip()
        assert "{" not in form.text


def test_tuning_and_held_out_forms_share_no_wording_and_no_frame():
    by_split = {split: balanced_forms(VSM13, split) for split in SPLITS}
    for part in ("wording", "frame"):
        tuning, held_out = ({getattr(form, part) for form in by_split[split]} for split in SPLITS)
        assert not tuning & held_out


def test_shown_labels_map_back_to_the_items_own_options():
    scales = {item.id: item.scale for item in VSM13.items}
    for form in all_forms(VSM13):
        own = VSM13.languages["en"].labels[scales[form.item]]
        for label, option in zip(form.labels, form.options, strict=True):
            assert f"\n{label}. {own[option]}" in form.text


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(instrument_names()), split=st.sampled_from(SPLITS), data=st.data())
def test_balanced_forms_are_balanced(name: str, split, data: st.DataObject):
    instrument = load_instrument(name)
    text = instrument.languages["en"]
    wordings, frames = text.wordings_of(split), text.frames_of(split)
    times = data.draw(st.integers(1, len(wordings) * len(frames)))
    count = times * 2 * len(instrument.items)
    forms = balanced_forms(instrument, split, count)
    assert len(set(forms)) == len(forms) == count
    assert set(forms) <= set(all_forms(instrument))
    assert set(Counter((form.item, form.order) for form in forms).values()) == {times}
    assert {form.wording for form in forms} <= set(wordings)
    asked = {
        order: Counter(form.frame for form in forms if form.order == order) for order in ORDERS
    }
    for used in asked.values():  # whole questionnaires, as evenly over the frames as they can be
        assert all(uses % len(instrument.items) == 0 for uses in used.values())
        assert len(used) == min(times, len(frames))
        assert max(used.values()) - min(used.values()) <= len(instrument.items)


def test_the_default_asks_a_questionnaire_an_order_and_rotates_its_wordings():
    forms = balanced_forms(VSM13, "tuning")
    assert len(forms) == 48
    assert set(Counter(form.wording for form in forms).values()) == {4, 6}  # 48 over ten wordings
    for order in ORDERS:
        assert len({form.frame for form in forms if form.order == order}) == 1
    for forward, backward in zip(forms[::2], forms[1::2], strict=True):
        assert (forward.item, forward.order, backward.order) == (
            backward.item,
            "forward",
            "reversed",
        )
        assert (forward.wording, forward.frame) == (backward.wording, backward.frame)


@pytest.mark.parametrize("count", [0, -48, 47, 49, 2928, 10**9])
def test_a_count_that_cannot_be_balanced(count: int):
    with pytest.raises(UsageError) as caught:
        balanced_forms(VSM13, "tuning", count)
    assert str(count) in str(caught.value)
    assert "multiple of 48, at most 2880" in (caught.value.hint or "")


@pytest.mark.parametrize("name", instrument_names())
@pytest.mark.parametrize("split", SPLITS)
def test_letters_differ_from_digits_in_labels_and_what_the_frame_calls_them(name: str, split):
    instrument = load_instrument(name)
    for code in instrument.languages:
        digits, letters = (
            balanced_forms(instrument, split, None, code, kind) for kind in ("digits", "letters")
        )
        for one, other in zip(digits, letters, strict=True):
            shown = {"labels": other.labels, "text": other.text, "label_kind": "letters"}
            assert replace(one, **shown) == other
            count = len(other.labels)
            assert other.labels == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:count])
            assert one.labels == (other.labels if count > 9 else tuple("123456789"[:count]))
            lines = other.text.splitlines()
            for label in other.labels:
                assert sum(line.startswith(f"{label}. ") for line in lines) == 1
        assert not any("number" in form.text for form in letters)


def test_a_scale_of_ten_has_letters_in_every_form(tmp_path: Path):
    toy = (DATA / "toy.toml").read_text(encoding="utf-8")
    ten = str([f"{number} of 10" for number in range(1, 11)]).replace("'", '"')
    path = tmp_path / "ten.toml"
    text = toy.replace("agreement = { options = 3 }", "agreement = { options = 10 }")
    for three in ('["Agree", "Undecided", "Disagree"]', '["Yes", "Perhaps", "No"]'):
        text = text.replace(three, ten)
    path.write_text(text.replace('"1 of 10"', '"Just 1 of 10"'), encoding="utf-8")
    instrument = load_instrument(path)
    for form in all_forms(instrument):
        ten_options = form.item in ("crowd", "alone")
        assert form.labels == tuple("ABCDEFGHIJ" if ten_options else "12345")
        assert ("letter" in form.text, "number" in form.text) == (ten_options, not ten_options)
    pool = all_forms(instrument, split="tuning")
    assert len(draw_forms(pool, 8, np.random.default_rng(0))) == 8


def test_a_frame_without_words_for_letters_serves_both():
    assert "These are the possible answers:\nA. Extremely" in next(
        form.text for form in all_forms(VSM13, labels="letters") if form.frame == "survey"
    )


def test_a_pool_of_both_kinds_of_labels_has_them_rotate():
    pool = (*POOL, *all_forms(VSM13, split="tuning", labels="letters"))
    forms = draw_forms(pool, 96, np.random.default_rng(0))
    assert Counter(form.labels[0] for form in forms) == {"1": 48, "A": 48}


def test_labels_that_do_not_exist():
    with pytest.raises((UsageError, TypeError), match="runes"):  # TypeError where types are checked
        all_forms(VSM13, labels="runes")  # pyright: ignore[reportArgumentType]


POOL = all_forms(VSM13, split="tuning")


def test_the_pool_of_a_split_is_all_its_forms():
    assert tuple(form for form in all_forms(VSM13) if form.split == "tuning") == POOL
    assert all_forms(VSM13, split="held-out") == all_forms(VSM13)[len(POOL) :]


@settings(max_examples=30, deadline=None)
@given(times=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_drawn_forms_are_balanced(times: int, seed: int):
    forms = draw_forms(POOL, times * 48, np.random.default_rng(seed))
    assert len(set(forms)) == len(forms) == times * 48
    assert set(forms) <= set(POOL)
    assert set(Counter((form.item, form.order) for form in forms).values()) == {times}
    assert [form.item for form in forms] == sorted(form.item for form in forms)
    wordings = Counter(form.wording for form in forms)
    assert len(wordings) == 10
    # 24 items over ten wordings, in two orders each time.
    assert max(wordings.values()) - min(wordings.values()) <= 2 * times
    for order in ORDERS:
        frames = Counter(form.frame for form in forms if form.order == order)
        assert len(frames) == min(times, 6)
        assert all(uses % 24 == 0 for uses in frames.values())
        assert max(frames.values()) - min(frames.values()) <= 24
    if times == 1:
        for forward, backward in zip(forms[::2], forms[1::2], strict=True):
            assert (forward.order, backward.order) == ("forward", "reversed")
            assert (forward.wording, forward.frame) == (backward.wording, backward.frame)


def test_a_draw_is_the_states_own_and_many_cover_the_pool():
    rng = np.random.default_rng(3)
    draws = [draw_forms(POOL, 48, rng) for _ in range(600)]
    assert draws[0] == draw_forms(POOL, 48, np.random.default_rng(3))
    assert len({fingerprint(forms) for forms in draws}) == 600
    drawn = Counter(form for forms in draws for form in forms)
    assert set(drawn) == set(POOL)
    assert max(drawn.values()) < 32  # 600/60 expected
    assert set(draw_forms(POOL, len(POOL), rng)) == set(POOL)


def test_a_pool_of_two_languages_has_them_rotate():
    toy = load_instrument("toy")
    other = replace(toy.languages["en"], code="xx", answer_cue="Reply:")
    both = replace(toy, languages={**toy.languages, "xx": other})
    pool = all_forms(both, ("en", "xx"), "tuning")
    for times in (2, 4, 18):
        forms = draw_forms(pool, times * 8, np.random.default_rng(times))
        assert len(set(forms)) == len(forms) == times * 8
        assert set(Counter(form.language for form in forms).values()) == {times * 4}
    assert len({form.language for form in draw_forms(pool, 8, np.random.default_rng(0))}) == 1


@pytest.mark.parametrize(
    ("pool", "count", "message", "hint"),
    [
        (POOL, 47, "47 tuning forms", "multiple of 48, at most 2880"),
        (POOL, 0, "0 tuning forms", "multiple of 48"),
        (POOL, 2928, "2928 tuning forms", "at most 2880"),
        ((), 48, "0 splits", "one split"),
        (all_forms(VSM13), 48, "2 splits", "one split"),
        (POOL[1:], 48, "119 forms of m01", "every wording"),
    ],
)
def test_a_pool_that_cannot_be_drawn_from(pool, count: int, message: str, hint: str):
    with pytest.raises(UsageError, match=message) as caught:
        draw_forms(pool, count, np.random.default_rng(0))
    assert hint in (caught.value.hint or "")


def test_an_unknown_language():
    for ask in (
        lambda: all_forms(VSM13, ("en", "xx")),
        lambda: balanced_forms(VSM13, "tuning", language="xx"),
    ):
        with pytest.raises(UsageError, match="xx"):
            ask()


def test_a_question_that_looks_like_a_template_is_plain_text():
    toy = load_instrument("toy")
    text = toy.languages["en"]
    odd = replace(text, wordings={**text.wordings, "plans": ("{options} \\1 {x}?",) * 4})
    instrument: Instrument = replace(toy, languages={"en": odd})
    form = balanced_forms(instrument, "tuning")[0]
    assert form.text.endswith("5. Never\n{options} \\1 {x}?")


def test_right_to_left_and_other_scripts_are_plain_text():
    toy = load_instrument("toy")
    arabic = replace(
        toy.languages["en"],
        code="ar",
        direction="rtl",
        labels={
            "frequency": ("دائما", "غالبا", "أحيانا", "نادرا", "أبدا"),
            "agreement": ("ا", "ب", "ج"),
        },
        answer_cue="الجواب:",
    )
    both = replace(toy, languages={**toy.languages, "ar": arabic})
    forms = all_forms(both, ("en", "ar"))
    assert len(forms) == 2 * len(all_forms(toy))
    assert [form.split for form in forms] == sorted((form.split for form in forms), reverse=True)
    assert "1. دائما" in balanced_forms(both, "tuning", language="ar")[0].text


@pytest.mark.parametrize("code", ["ar", "es", "hi", "zh"])
def test_every_language_of_vsm13_asks_the_same_forms(code: str):
    """In wordings of its own, of which English has more."""
    english, other = all_forms(VSM13), all_forms(VSM13, (code,))
    assert len({form.text for form in other}) == len(other)
    places = [
        [(f.item, f.frame, f.order, f.split, f.labels, f.options) for f in forms]
        for forms in (english, other)
    ]
    assert list(dict.fromkeys(places[0])) == list(dict.fromkeys(places[1]))
    for form in other:
        lines = form.text.splitlines()
        assert all(any(line.startswith(f"{n}. ") for line in lines) for n in form.labels)
    assert len(balanced_forms(VSM13, "tuning", language=code)) == 48
    pool = all_forms(VSM13, ("en", code), "tuning")
    drawn = Counter(form.language for form in draw_forms(pool, 96, np.random.default_rng(1)))
    assert drawn == {"en": 48, code: 48}


def test_digits_of_another_script_are_plain_text():
    toy = load_instrument("toy")
    text = toy.languages["en"]
    numbers = {"frequency": tuple("١٢٣٤٥"), "agreement": tuple("१२३")}
    frames = tuple(replace(frame, template="٣ ३ " + frame.template) for frame in text.frames)
    odd = replace(text, labels=numbers, frames=frames, direction="rtl")
    form = balanced_forms(replace(toy, languages={"en": odd}), "tuning")[1]
    assert form.text.startswith("٣ ३ ")
    assert "\n1. ٥\n2. ٤\n" in form.text
    assert form.labels == ("1", "2", "3", "4", "5")


def test_fingerprint_covers_what_is_shown_and_what_it_stands_for():
    forms = balanced_forms(VSM13, "tuning")
    assert fingerprint(forms) == fingerprint(balanced_forms(VSM13, "tuning"))
    assert len(fingerprint(forms)) == 64
    for changed in (
        replace(forms[0], text=forms[0].text + "!"),
        replace(forms[0], cue="A:"),
        replace(forms[0], options=(4, 3, 2, 1, 0)),
    ):
        assert fingerprint((changed, *forms[1:])) != fingerprint(forms)
    assert fingerprint(forms[::-1]) != fingerprint(forms)


def test_as_many_forms_as_items_are_the_usual_way_one_order_and_no_balance(vsm13: Instrument):
    usual = balanced_forms(vsm13, "tuning", 24)
    assert [form.item for form in usual] == [item.id for item in vsm13.items]
    assert {form.order for form in usual} == {"forward"} and len({f.frame for f in usual}) == 1
    assert set(usual) < set(balanced_forms(vsm13, "tuning"))
