"""Everyday situations and open questions as data: what a dimension's two poles would do and say.

In: the key of an instrument, or a TOML file (docs/behaviour.md). Out: checked `Scenarios`, and the forms that
put them to a model. Asks nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from acculturate.arguments import checked
from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import parse_toml, read_bytes
from acculturate.schema import Section, Text, fault, validated
from acculturate.survey import Form, Instrument
from acculturate.survey.forms import ORDERS
from acculturate.survey.language import Answers, Line

DATA = Path(__file__).parent / "data" / "scenarios"
LABELS = ("A", "B")
_WHAT = "file of scenarios"


class Scenario(Section):
    """A situation and two actions.

    Attributes:
        dimension: Key of a dimension.
        text: The situation, which ends in a question.
        high: The action that the dimension's high pole would choose, in the first person.
        low: The action of the low pole.
        basis: The fact about the dimension that it stands for.
    """

    dimension: Text
    text: Line
    high: Line
    low: Line
    basis: Text

    @model_validator(mode="after")
    def _check_poles(self) -> Scenario:
        _check_pole(self.high, self.low, "low")
        return self


class Frame(Section):
    """The text around a situation, without its actions and with them."""

    words: Text
    labels: Text

    @model_validator(mode="after")
    def _check(self) -> Frame:
        _check_holds(self.words, ("{scenario}",), "words")
        _check_holds(self.labels, ("{scenario}", "{options}"), "labels")
        return self


class Statements(Section):
    """Statements of both poles of a dimension, in pairs."""

    high: Answers
    low: Answers

    @model_validator(mode="after")
    def _check_pairs(self) -> Statements:
        if len(self.high) != len(self.low):
            text = f"has {len(self.low)} statements and high has {len(self.high)}"
            raise fault(text, "Write them in pairs.", "low")
        for index, (high, low) in enumerate(zip(self.high, self.low, strict=True)):
            _check_pole(high, low, "low", index)
        return self


class Question(Section):
    """An open question, and for either pole an answer to it, which the judge has to tell apart."""

    dimension: Text
    text: Line
    high: Line
    low: Line


class Judge(Section):
    """The way in which written answers are judged.

    Attributes:
        text: Holds `{question}` and `{answer}`.
        cue: What stands in front of a statement.
        statements: Of each dimension that questions are asked on.
        questions: The open questions.
    """

    text: Text
    cue: Line
    statements: dict[str, Statements]
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Judge:
        _check_holds(self.text, ("{question}", "{answer}"), "text")
        for index, question in enumerate(self.questions):
            if question.dimension not in self.statements:
                hint = suggestion(question.dimension, self.statements, "Statements are on")
                text = f'is "{question.dimension}", which has no statements'
                raise fault(text, hint, "questions", index, "dimension")
        return self


def _check_situations(scenarios: tuple[Scenario, ...]) -> tuple[Scenario, ...]:
    texts = [scenario.text for scenario in scenarios]
    for index, text in enumerate(texts):
        if text in texts[:index]:
            raise fault("repeats an earlier situation", "Write another one.", index, "text")
    return scenarios


class Scenarios(Section):
    """Everything that is asked about behaviour in one language.

    Attributes:
        instrument: Key of the instrument whose dimensions these are.
        language: Language code.
        source: Who wrote the texts, and after what.
        licence: Of the texts.
        cue: The text before an answer.
        frames: By name.
        scenarios: The situations.
        judge: Open questions; None where there are none.
    """

    instrument: Text
    language: Text
    source: Text
    licence: Text
    cue: Line
    frames: Annotated[dict[str, Frame], Field(min_length=1)]
    scenarios: Annotated[
        tuple[Scenario, ...], Field(min_length=1), AfterValidator(_check_situations)
    ]
    judge: Judge | None = None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimension of each situation."""
        return tuple(scenario.dimension for scenario in self.scenarios)


@checked
def load_scenarios(instrument: Instrument, file: str | Path | None = None) -> Scenarios:
    """Load what is asked about behaviour on the dimensions of an instrument.

    Args:
        instrument: The questionnaire.
        file: A TOML file; None for what comes with the package.

    Raises:
        UsageError: There is none for this instrument, the file cannot be read or does not fit, or it names
            a dimension that the instrument does not have.
    """
    path = DATA / f"{instrument.key}.toml" if file is None else Path(file)
    if file is None and path not in DATA.iterdir():
        raise UsageError(
            f"no scenarios for {instrument.key} come with the package",
            "Give a file of your own: --scenarios FILE.toml (docs/behaviour.md).",
        )
    values = parse_toml(read_bytes(path, _WHAT), path, _WHAT)
    scenarios = validated(Scenarios, values, path)
    if scenarios.instrument != instrument.key:
        raise UsageError(
            f"{path} has scenarios for {scenarios.instrument}, not for {instrument.key}",
            f'If they are on its dimensions, write instrument = "{instrument.key}".',
        )
    known = [*(dimension.key for dimension in instrument.dimensions), *instrument.left_out]
    used = [*scenarios.dimensions, *(scenarios.judge.statements if scenarios.judge else ())]
    for key in used:
        if key not in known:
            hint = suggestion(key, known, "Dimensions")
            raise UsageError(f"{path}: {instrument.key} has no dimension {key!r}", hint)
    return scenarios


def action_forms(scenarios: Scenarios) -> tuple[Form, ...]:
    """Return forms that are answered by an action's words: every situation in every frame.

    Option 0 is the action of the high pole.
    """
    return tuple(
        _form(
            item,
            name,
            frame.words.replace("{scenario}", scenario.text),
            scenarios,
            (scenario.high, scenario.low),
        )
        for item, scenario in _numbered(scenarios)
        for name, frame in scenarios.frames.items()
    )


def choice_forms(scenarios: Scenarios) -> tuple[Form, ...]:
    """Return forms that are answered by the letter of an action: every situation, frame and order."""
    forms: list[Form] = []
    for item, scenario in _numbered(scenarios):
        for name, frame in scenarios.frames.items():
            for options in ((0, 1), (1, 0)):
                shown = [(scenario.high, scenario.low)[option] for option in options]
                lines = "\n".join(f"{a}. {b}" for a, b in zip(LABELS, shown, strict=True))
                text = frame.labels.replace("{scenario}", scenario.text)
                text = text.replace("{options}", lines)
                forms.append(_form(item, name, text, scenarios, LABELS, options))
    return tuple(forms)


def judge_forms(
    scenarios: Scenarios, judge: Judge, answers: tuple[str, ...]
) -> tuple[tuple[Form, ...], ...]:
    """Return the forms that judge an answer to each open question, a form for each pair of statements.

    Args:
        scenarios: Gives the language.
        judge: Gives questions and statements.
        answers: One a question, in their order.
    """
    judged: list[tuple[Form, ...]] = []
    for number, (question, answer) in enumerate(zip(judge.questions, answers, strict=True), 1):
        statements = judge.statements[question.dimension]
        shown = judge.text.replace("{question}", question.text)
        text = shown.replace("{answer}", " ".join(answer.split())).rstrip()
        forms = [
            _form(f"question {number}", "judge", text, scenarios, pair, cue=judge.cue)
            for pair in zip(statements.high, statements.low, strict=True)
        ]
        judged.append(tuple(forms))
    return tuple(judged)


def _numbered(scenarios: Scenarios) -> Iterator[tuple[str, Scenario]]:
    for number, scenario in enumerate(scenarios.scenarios, 1):
        yield f"scenario {number}", scenario


def _form(
    item: str,
    frame: str,
    text: str,
    scenarios: Scenarios,
    labels: tuple[str, ...],
    options: tuple[int, int] | None = None,
    cue: str | None = None,
) -> Form:
    return Form(
        item=item,
        wording=0,
        frame=frame,
        language=scenarios.language,
        order="unlisted" if options is None else ORDERS[options[0]],
        split="held-out",
        text=text,
        cue=cue or scenarios.cue,
        labels=labels,
        options=options or (0, 1),
        word_set=0 if options is None else None,
    )


def _check_pole(high: str, low: str, *at: str | int) -> None:
    if high.startswith(low) or low.startswith(high):
        raise fault(
            f'is "{low}", and the other pole has "{high}"',
            "Word them so that neither begins the other: a model that writes the longer one writes the "
            "shorter one first.",
            *at,
        )


def _check_holds(template: str, places: tuple[str, ...], key: str) -> None:
    allowed = ("{scenario}", "{options}", "{question}", "{answer}")
    for place in allowed:
        if template.count(place) != (place in places):
            raise fault(
                f"holds {place} {template.count(place)} times",
                f"Write {' and '.join(places)} once each, and no other.",
                key,
            )
