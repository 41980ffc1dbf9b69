"""CulturalBench: 1,227 questions on 45 regions, to be answered by choosing (Easy) or judging (Hard).

Y. Y. Chiu et al. (2024), CulturalBench, arXiv 2410.02677; `kellycyy/CulturalBench` on the hub, CC-BY-4.0,
configurations CulturalBench-Easy and CulturalBench-Hard. In: a table with its columns. Out: a
`QuestionSet`. The paper describes 1,696 questions; the published files hold 1,227.
"""

from __future__ import annotations

from acculturate.benchmarks.questions import Origin, Question, QuestionSet, check_unique
from acculturate.benchmarks.tables import Row, Rows
from acculturate.errors import UsageError
from acculturate.survey import country_name

_OPTIONS = tuple(f"prompt_option_{letter}" for letter in "abcd")
JUDGEMENTS = len(_OPTIONS)
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def read_easy(table: Rows, origin: Origin) -> QuestionSet:
    """Read questions of which one option is chosen.

    Columns: data_idx, question_idx, prompt_question, prompt_option_a to _d, answer (A to D), country.

    Raises:
        UsageError: A column is missing or a cell does not fit.
    """
    table.need("data_idx", "question_idx", "prompt_question", *_OPTIONS, "answer", "country")
    questions: list[Question] = []
    for row in table.rows:
        letter = row.text("answer").upper()
        if letter not in tuple("ABCD"):
            raise row.fault("answer", "Write A, B, C or D.")
        # Whether question_idx alone is unique was not verified on the published file.
        questions.append(
            Question(
                id=f"{row.text('question_idx')}.{row.text('data_idx')}",
                text=row.text("prompt_question"),
                options=tuple(row.text(column) for column in _OPTIONS),
                right=tuple(letter == other for other in "ABCD"),
                country=_country(row),
            )
        )
    places = (row.place for row in table.rows)
    check_unique(zip((q.id for q in questions), places, strict=True), str(table.path))
    return QuestionSet(origin, "choice", tuple(questions))


def read_hard(table: Rows, origin: Origin) -> QuestionSet:
    """Read questions of which every option is judged true or false: four rows a question.

    Columns: question_idx, prompt_question, prompt_option, answer (a boolean), country.

    Raises:
        UsageError: A column is missing, a cell does not fit, a question has not four rows, or two rows of
            one question differ in its words or its country.
    """
    table.need("question_idx", "prompt_question", "prompt_option", "answer", "country")
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(row.text("question_idx"), []).append(row)
    return QuestionSet(origin, "judged", tuple(_judged(id, own) for id, own in groups.items()))


def _judged(id: str, rows: list[Row]) -> Question:
    first = rows[0]
    for other in rows[1:]:
        for column in ("prompt_question", "country"):
            if other.text(column) != first.text(column):
                raise UsageError(
                    f"{other.where}: {column} is not that of {first.place}, which has the same "
                    f"question_idx {id}",
                    "Give every question a question_idx of its own.",
                )
    if len(rows) != JUDGEMENTS:
        raise UsageError(
            f"{first.where}: question_idx {id} has {len(rows)} rows instead of {JUDGEMENTS}",
            "A question counts only with all of its judgements; download the file again.",
        )
    return Question(
        id=id,
        text=first.text("prompt_question"),
        options=tuple(row.text("prompt_option") for row in rows),
        right=tuple(_truth(row) for row in rows),
        country=_country(first),
    )


def _truth(row: Row) -> bool:
    truth = _TRUTH.get(str(row.cells.get("answer")).strip().casefold())
    if truth is None:
        raise row.fault("answer", "Write True or False.")
    return truth


def _country(row: Row) -> str:
    return country_name(row.text("country").replace("_", " "))
