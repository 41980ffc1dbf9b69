"""Words in front of forms: lines, and demonstrations that give no answer of the form's own dimension away."""

from dataclasses import replace

import pytest

from acculturate.survey import (
    Demonstrations,
    Line,
    all_forms,
    crossed_forms,
    fingerprint,
    load_instrument,
)

VSM, MAP = load_instrument("vsm13"), load_instrument("inglehart-welzel")
ANSWERS = {item.id: 1 + place % 5 for place, item in enumerate(VSM.items)}
SHOWN = Demonstrations(VSM, ANSWERS, 8)
DIMENSION = {item: own.key for own in VSM.dimensions for item in own.weights}


def asked(labels: str = "words", **chosen: object):
    pool = all_forms(VSM, labels=labels, words="tuning")
    return [f for f in pool if all(getattr(f, name) == value for name, value in chosen.items())]


def item_of(question: str) -> str:
    wordings = VSM.language("en").wordings
    return next(item for item, texts in wordings.items() for text in texts if text in question)


@pytest.mark.parametrize("labels", ["words", "digits", "letters"])
def test_no_item_of_the_forms_own_dimension_is_shown(labels: str):
    for form in SHOWN.before(asked(labels)[::97]):
        shown = [item_of(example.question) for example in form.examples]
        assert len(set(shown)) == 8
        assert DIMENSION[form.item] not in {DIMENSION[item] for item in shown}
        assert len({DIMENSION[item] for item in shown}) == 5


def test_they_are_answered_in_the_forms_own_way():
    for form in SHOWN.before(asked("words", word_set=1)[:20]):
        for example in form.examples:
            item = next(item for item in VSM.items if item.id == item_of(example.question))
            words = VSM.language("en").words[item.scale][1]
            assert example.answer == words[ANSWERS[item.id] - 1]
    (form, *_) = asked("words", split="held-out", item="m01")
    opening = form.text.split(VSM.language("en").wordings["m01"][form.wording])[0]
    assert opening
    assert all(each.question.startswith(opening) for each in SHOWN.before([form])[0].examples)


def test_orders_of_listed_options_are_balanced():
    (form, *_) = SHOWN.before(asked("digits"))
    labels = {form.labels for form in asked("digits")}
    assert labels == {("1", "2", "3", "4", "5")}
    last = [option_list(example.question)[int(example.answer) - 1] for example in form.examples]
    forward = [
        option_list(e.question)[0] == VSM.language("en").labels[scale_of(e)][0]
        for e in form.examples
    ]
    assert forward == [True, False] * 4
    for example, text in zip(form.examples, last, strict=True):
        own = VSM.language("en").labels[scale_of(example)]
        assert text == own[ANSWERS[item_of(example.question)] - 1]


def option_list(question: str) -> list[str]:
    return [line[3:] for line in question.splitlines() if line[:1].isdigit() and line[1:3] == ". "]


def scale_of(example) -> str:
    return next(item.scale for item in VSM.items if item.id == item_of(example.question))


def test_another_survey_and_language_see_all_dimensions():
    forms = crossed_forms(MAP, "held-out", "held-out", "es", "words")
    for form in SHOWN.before(forms[:3]):
        assert len(form.examples) == 8
        wordings = VSM.language("es").wordings
        for example in form.examples:
            assert any(text in example.question for texts in wordings.values() for text in texts)


def test_the_plain_form_and_what_is_in_front_are_told_apart():
    (form, *_) = asked("words")
    (shown,) = SHOWN.before([form])
    assert shown.plain == form and form.in_front == ""
    assert shown.in_front == shown.dialogue and shown.dialogue.count("\nAnswer: ") == 8
    (told,) = Line("Be tall.\nBe kind.", told=True).before([form])
    assert told.plain == form and told.in_front == "Be tall.\nBe kind.\n" and told.told
    (both,) = Line("Be tall.").before([shown])
    assert both.plain == form and both.in_front == shown.dialogue + "Be tall.\n"


def test_what_is_in_front_counts_in_a_fingerprint():
    form = asked("words")[0]
    kinds = [form, *SHOWN.before([form]), *Line("A.").before([form])]
    kinds += Line("A.", told=True).before([form])
    assert len({fingerprint([each]) for each in kinds}) == 4
    other = replace(SHOWN, count=3).before([form])
    assert fingerprint(other) != fingerprint(SHOWN.before([form]))
