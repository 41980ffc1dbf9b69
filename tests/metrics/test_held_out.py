"""Rows of the held-out table: what is asked in each, and what its numbers are."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from acculturate.metrics import (
    Comparison,
    ComparisonSettings,
    compare,
    compare_answers,
    form_sets,
    mean_distance,
    measure_extremes,
    rank_target,
    rows_by_order,
)
from acculturate.metrics.held_out import HEADLINE, TUNING, make_row
from acculturate.metrics.measure import measure
from acculturate.model import Answers, FakeModel, SoftPrompt
from acculturate.survey import Scoring, all_forms, balanced_forms, crossed_forms, load_countries
from acculturate.survey.selection import limit_forms


@pytest.fixture(scope="module")
def sets(vsm13):
    tuning = balanced_forms(vsm13, "tuning")
    return {one.key: one for one in form_sets(vsm13, tuning, "en", ["ar", "zh"])}


@pytest.fixture(scope="module")
def prompt():
    rng = np.random.default_rng(3)
    return SoftPrompt(rng.normal(size=(2, 16)), "front", "fake")


@pytest.fixture(scope="module")
def asked(vsm13, prompt, sets) -> Comparison:
    target = load_countries()["China"].vector(vsm13)
    question = ComparisonSettings(Scoring(vsm13), target)
    return compare(FakeModel(), prompt, sets["held-out"].forms, question)


def test_each_set_is_new_in_what_it_says(sets, vsm13):
    for key, new_words, new_frames in (
        ("wordings", True, False),
        ("frames", False, True),
        ("held-out", True, True),
        ("shuffled", True, True),
        ("letters", True, True),
        ("ar", True, True),
    ):
        for form in sets[key].forms:
            known = all_forms(vsm13, (form.language,), "tuning")  # all that a search may ask
            worded, framed = ({f.wording for f in known}, {f.frame for f in known})
            assert (form.wording not in worded) == new_words
            assert (form.frame not in framed) == new_frames
            assert form.split == "held-out"
    listed = "wordings", "held-out", "shuffled", "letters", "ar", "zh"
    few = dict.fromkeys((*listed, "words-wordings", "words-held-out", "words-all-new"), 96)
    every_wording = dict.fromkeys(
        ("frames", "words-tuning", "words-frames", "words-option-words"), 240
    )
    asked = few | every_wording | {"tuning": 48}
    assert {key: len(one.forms) for key, one in sets.items()} == asked
    assert {f.labels[0] for f in sets["letters"].forms} == {"A"}
    assert {f.language for f in sets["zh"].forms} == {"zh"}


def test_shuffled_options_are_in_no_order_that_was_tuned(sets):
    for form in sets["shuffled"].forms:
        steps = np.abs(np.diff(form.options))
        assert sorted(form.options) == list(range(5))
        assert steps.min() > 1
        lines = form.text.split("\n")
        assert len([line for line in lines if line[:2] in ("1.", "2.", "3.", "4.", "5.")]) == 5


def test_two_options_have_no_other_order(vsm13):
    two = replace(
        vsm13, scales={key: replace(scale, options=2) for key, scale in vsm13.scales.items()}
    )
    keys = [one.key for one in form_sets(two, balanced_forms(two, "tuning"), "en")]
    labelled = [key for key in keys if not key.startswith("words-")]
    assert labelled == ["tuning", "wordings", "frames", "held-out", "letters"]


def test_drawing_shuffled_forms_anew_keeps_both_orders(vsm13, sets):
    """A model that answers by place alone: its scores hang on the order, not on drawing forms anew."""
    forms = sets["shuffled"].forms
    p = np.zeros((1, len(forms), 5))
    p[0, np.arange(len(forms)), [form.options[0] for form in forms]] = 1
    answers = Answers(forms, p)
    target = load_countries()["China"].vector(vsm13)
    made = compare_answers(answers, answers, ComparisonSettings(Scoring(vsm13), target))
    assert np.ptp(made.samples[0], axis=0).max() == 0


def test_crossed_forms_of_one_split_are_its_forms(vsm13):
    assert crossed_forms(vsm13, "held-out", "held-out") == all_forms(vsm13, split="held-out")
    assert crossed_forms(vsm13, "tuning", "tuning") == all_forms(vsm13, split="tuning")


def test_an_instrument_with_one_wording_has_no_new_ones(toy):
    from dataclasses import replace

    text = toy.languages["en"]
    one = {item: words[:1] for item, words in text.wordings.items()}
    single = replace(toy, languages={"en": replace(text, wordings=one, held_out_wordings=())})
    keys = [s.key for s in form_sets(single, balanced_forms(single, "tuning"), "en")]
    labelled = [key for key in keys if not key.startswith("words-")]
    assert labelled == ["tuning", "held-out", "shuffled", "letters"]


NEW = {  # wordings, frames, option words
    "tuning": (False, False, False),
    "wordings": (True, False, False),
    "frames": (False, True, False),
    "option-words": (False, False, True),
    "held-out": (True, True, False),
    "all-new": (True, True, True),
}


@pytest.mark.parametrize(("labels", "prefix"), [("words", ""), ("digits", "words-")])
def test_words_are_new_in_what_a_row_says_whatever_was_tuned_on(vsm13, labels, prefix):
    known = all_forms(vsm13, split="tuning", labels="words")
    seen = [{f.wording for f in known}, {f.frame for f in known}, {f.word_set for f in known}]
    tuning = balanced_forms(vsm13, "tuning", labels=labels)
    by_key = {each.key: each.forms for each in form_sets(vsm13, tuning, "en", ["hi"])}
    for key, new in NEW.items():
        for form in by_key[prefix + key]:
            levels = form.wording, form.frame, form.word_set
            assert new == tuple(x not in known for x, known in zip(levels, seen, strict=True))
    assert {form.answer_kind for form in by_key["hi"]} == (
        {("hi", "digits")} if labels == "digits" else {("hi", f"words {n}") for n in seen[2]}
    )


def test_a_run_tuned_by_words_or_letters_is_asked_by_other_labels_too(vsm13):
    for labels, wanted in (
        ("words", {"digits": "1", "shuffled": "1", "letters": "A"}),
        ("letters", {"digits": "1", "shuffled": "A", "held-out": "A"}),
    ):
        tuning = balanced_forms(vsm13, "tuning", labels=labels)
        by_key = {each.key: each.forms for each in form_sets(vsm13, tuning, "en")}
        assert {key: by_key[key][0].labels[0] for key in wanted} == wanted


def test_a_single_set_of_words_is_never_new(vsm13):
    text = vsm13.languages["en"]
    words = {scale: sets[:1] for scale, sets in text.words.items()}
    single = replace(vsm13, languages={"en": replace(text, words=words)})
    keys = {each.key for each in form_sets(single, balanced_forms(single, "tuning"), "en")}
    assert "words-held-out" in keys
    assert not keys & {"words-option-words", "words-all-new"}


def test_a_row_is_what_measure_gives(vsm13, prompt, asked):
    made = make_row("held-out", "", asked)
    for state, soft in ((made.naive, None), (made.tuned, prompt)):
        profile = measure(
            FakeModel(),
            vsm13,
            soft_prompt=soft,
            forms=asked.forms,
            target=load_countries()["China"],
        )
        assert state.loss == profile.loss
        assert state.interval == profile.loss_interval
        assert state.scores == profile.scores
        assert state.intervals == profile.intervals
    assert made.gain == made.naive.loss - made.tuned.loss


def test_the_gain_of_a_model_that_shifts_every_form_alike_is_certain(toy):
    """Both states are resampled together: what they share does not widen the gain's interval."""
    forms = all_forms(toy, split="tuning")
    rng = np.random.default_rng(0)
    expected = rng.uniform(0.2, 0.6, size=len(forms))
    target = np.array([500.0, 500.0])

    def answers(by):
        first = np.stack([1 - expected - by, expected + by, *np.zeros((3, len(forms)))], axis=1)
        return Answers(forms, first[None])

    made = compare_answers(answers(0.0), answers(0.1), ComparisonSettings(Scoring(toy), target))
    # Every weight pairs one item with another, so the same shift of both leaves the scores alone.
    assert made.gain == pytest.approx(0.0, abs=1e-9)
    assert np.ptp(made.gain_interval) < 1e-9
    assert np.ptp(made.state(0).interval) > 0.1


def test_by_order_halves_the_forms(asked):
    first, last = rows_by_order(asked)
    assert (first.key, last.key) == ("forward", "reversed")
    assert first.forms == last.forms == 48
    both = [(first.tuned.scores[k] + last.tuned.scores[k]) / 2 for k in first.tuned.scores]
    assert both == pytest.approx(list(asked.state(1).scores.values()))
    assert first.gain_interval is not None
    assert first.shift is None


def test_one_order_has_the_content_of_both(asked):
    """With options in one order alone, items that lean to a place look as if they meant something."""
    whole = asked.shift(asked.wanted)
    for row in rows_by_order(asked, asked.wanted):
        assert row.shift.content == whole.content and row.shift.counts == whole.counts
        assert row.shift.attained != whole.attained


def test_kept_samples_are_few_and_of_both(asked):
    kept = make_row(HEADLINE, "", asked, asked.wanted).samples
    assert {name: len(values) for name, values in kept.items()} == dict.fromkeys(
        ("naive", "tuned", "attained"), 200
    )
    assert set(make_row(TUNING, "", asked, asked.wanted).samples) == {"attained"}
    assert (
        make_row(TUNING, "", asked).samples == make_row("zh", "", asked, asked.wanted).samples == {}
    )


def test_the_rank_counts_who_is_nearer(vsm13, asked):
    table = load_countries()
    found = rank_target(asked, "China", table)
    for standing in (found.naive, found.tuned):
        names = [name for name, _ in standing.losses]
        assert names[standing.rank - 1] == "China"
        assert len(names) == found.countries == len(table.complete())
        assert 0 <= standing.nearest_share <= 1
        if standing.rank > 1:
            assert standing.nearest_share < 1


def test_extremes(asked):
    found = measure_extremes(asked)
    for one in found:
        assert one.middle == 50
        assert one.inward == pytest.approx(abs(one.naive - 50) - abs(one.tuned - 50))
        low, high = one.inward_interval
        assert low <= high
    target = mean_distance(found, "target")
    assert target == pytest.approx(np.mean([30, 30, 16, 20, 37, 26]))


@pytest.mark.parametrize("count", [48, 288, 480])
def test_of_a_selection_the_first_forms_are_kept_and_balanced(vsm13, count: int):
    """A search without sampling asks a selection, which cannot be drawn from."""
    chosen = balanced_forms(vsm13, "tuning", count)
    kept = limit_forms(chosen)
    assert set(kept) <= set(chosen)
    assert set(Counter((form.item, form.order) for form in kept).values()) == {min(count // 48, 5)}


def test_questions_alone_are_no_new_frames(vsm13):
    """A language without frames for answers in words asks bare questions in both splits."""
    text = vsm13.languages["en"]
    frames = tuple(replace(frame, words_template=None) for frame in text.frames)
    bare = replace(vsm13, languages={"en": replace(text, frames=frames)})
    sets = form_sets(bare, balanced_forms(bare, "tuning", labels="words"), "en")
    labels = {each.key: each.label for each in sets}
    assert not labels.keys() & {"wordings", "frames"}
    assert labels["held-out"] == "New wordings"
