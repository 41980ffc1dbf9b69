"""The model card of an export: what it is, what it was worth, and what has to be kept to.

In: an export and what its format wrote. Out: Markdown.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from acculturate.export.formats import Export, Written
from acculturate.formatting import (
    divergence_text,
    label_name,
    loss_text,
    measure_text,
    perplexity_text,
    share_text,
    short,
)
from acculturate.model.embedded import LICENCE
from acculturate.model.language_model import LanguageModel
from acculturate.reporting import findings, narrative
from acculturate.runs import Method, Outcome


class _Raw(str):
    """A text that stands in the card as it is."""


def model_card(format: str, noun: str, folder: str, export: Export, written: Written) -> str:
    """Write the card.

    Args:
        format: Name of the format.
        noun: Its word for what is written.
        folder: Name of the folder that it is in.
        export: What was exported.
        written: What the format wrote, and its proof.
    """
    prompt, model, run = export.prompt, export.model, export.run
    if run and not prompt.model and run.config.model.name != model.name:
        run = None  # its results are another model's
    evaluation, record = (run.evaluation, run.provenance) if run else (None, None)
    embedded = model.name == "embedded"
    return render(
        f"{format}.md.j2",
        folder=folder,
        noun=noun,
        prompt=prompt,
        name=model.name,
        base=export.base,
        revision=export.revision,
        local_base=Path(export.base).exists(),
        carried_base=is_converted(model),
        embedded=embedded,
        chat=bool(model.tokenizer.chat_template),
        version=version("acculturate"),
        proof=written.proof,
        run=run,
        country=narrative.country(run) if run else "",
        headline=narrative.headline(run) if run else "",
        findings=findings.findings(run) if run else (),
        measure=measure_text(evaluation.aggregate) if evaluation else "",
        rows=[_cells(row, evaluation.digits) for row in evaluation.rows] if evaluation else [],
        warnings=record.instrument.warnings if record else (),
        instrument=record.instrument.title if record else "",
        licence=LICENCE if embedded else "see the base model's own card",
        facts=(*run.config.settings, *record.facts) if run and record else (),
        command=record.command if record else None,
        **written.facts,
    )


def render(template: str, **values: Any) -> str:
    """Fill one of the export's templates; what is inserted is escaped, unless the template says otherwise."""
    return _environment().get_template(template).render(**values)


def is_converted(model: LanguageModel) -> bool:
    """Return whether a model is loaded by acculturate alone: the embedded one, or a GGUF file."""
    return model.name == "embedded" or Path(model.name).suffix.casefold() == ".gguf"


def _cells(row: Method, digits: int) -> tuple[str, ...]:
    outcome = row.held_out or row.tuning
    return (
        label_name(row.label),
        _loss(row.tuning, digits),
        _loss(row.held_out, digits),
        share_text(outcome.valid_mass if outcome else None),
        divergence_text(row.divergence),
        perplexity_text(row.perplexity),
    )


def _loss(outcome: Outcome | None, digits: int) -> str:
    if outcome is None or outcome.interval is None:
        return loss_text(outcome.loss if outcome else None, digits)
    low, high = (loss_text(end, digits) for end in outcome.interval)
    return f"{loss_text(outcome.loss, digits)} ({low} to {high})"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("acculturate.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escaped,
    )
    filters = cast("dict[str, Callable[..., str]]", environment.filters)
    filters |= {
        "line": _raw_line,
        "code": _code,
        "json": _json,
        "pinned": _pinned,
        "python": _python,
        "shell": _shell,
        "raw": _Raw,
        "short": short,
    }
    return environment


def _escaped(value: object) -> str:
    return value if isinstance(value, _Raw) else _line(str(value))


def _raw_line(text: str, longest: int) -> _Raw:
    return _Raw(_line(text, longest))


def _code(text: str) -> _Raw:
    return _Raw(short(text, 200).replace("`", ""))


def _json(value: Any) -> _Raw:
    return _Raw(json.dumps(value))


def _python(value: Any) -> _Raw:
    return _Raw(json.dumps(value, ensure_ascii=False))


def _pinned(revision: str | None) -> _Raw:
    """Return the argument that loads a model at its revision, if it has one."""
    return _Raw(f", revision={_python(revision)}" if revision else "")


def _shell(text: str) -> _Raw:
    return _Raw(shlex.quote(text))


def _line(text: str, longest: int = 200) -> str:
    """Put a text on one line in which Markdown and HTML find nothing of theirs."""
    escaped = short(text, longest).replace("\\", "\\\\")
    for character, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        escaped = escaped.replace(character, shown)
    for character in "`*_[]":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped
