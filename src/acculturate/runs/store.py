"""Reading a run directory: each file as the record that its writer made.

In: a directory. Out: a `Run` that is finished, or the `RunRecords` of any run. What is not there yet, because
the run was interrupted, is None or empty; what is there and wrong is an error that names file and place.
Knows nothing of how a report looks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from acculturate.arguments import checked
from acculturate.benchmarks import Result
from acculturate.errors import FailureError, UsageError
from acculturate.formatting import loss_text
from acculturate.io import fingerprint
from acculturate.metrics.behaviour import Behaviour
from acculturate.metrics.extremes import Extremes
from acculturate.metrics.ratings import Rated
from acculturate.metrics.respondents import Respondents
from acculturate.metrics.responsiveness import Responsiveness
from acculturate.metrics.side_effects import SideEffects
from acculturate.metrics.specificity import Specificity
from acculturate.metrics.written_answers import Generated
from acculturate.model.answers import AnswerModel
from acculturate.model.asking import provenance
from acculturate.model.prompt_checks import check_prompt
from acculturate.model.soft_prompt import SoftPrompt
from acculturate.record_files import (
    MEND,
    parse_record,
    read_record,
    read_records,
    read_toml,
)
from acculturate.runs.checks import Checks, HeldOut, OtherSurveys, Refusals
from acculturate.runs.inputs import FORMAT, Config, Provenance, flat
from acculturate.runs.records import RunRecords
from acculturate.runs.results import Done, Evaluation, FrontierPoints, Generation, UntouchedContent
from acculturate.tables import html_table

T = TypeVar("T")

CONFIG, PROVENANCE, HISTORY = "config.toml", "provenance.json", "history.jsonl"
STATE, BEST, DONE = "state.npz", "best.safetensors", "DONE.json"
MULTITASK, SETTINGS = "multitask.safetensors", "multitask.toml"
"""Of countries that are tuned together: what they share."""
GUARD, TEACHER = "guard.json", "teacher.json"
"""What the untouched model, and a teacher, wrote for the search; the teacher where there is one."""
SUMMARY, FRONTIER = "evaluation/summary.json", "evaluation/frontier.json"
CONTENT = "evaluation/content.json"
ANSWERS = "evaluation/answers.npz"
"""What was asked for the result; it goes when the run is finished."""
BENCHMARKS = "evaluation/benchmarks"
RATED = "ratings"
"""Name of the file of judgements by people under evaluation/, which `acculturate rate report` makes."""
KINDS: dict[str, type] = {
    "held_out": HeldOut,
    "responsiveness": Responsiveness,
    "specificity": Specificity,
    "extremes": Extremes,
    "generated": Generated,
    "other_surveys": OtherSurveys,
    "behaviour": Behaviour,
    "respondents": Respondents,
    "fluency": SideEffects,
}
CHECKS = tuple(KINDS)[:-1]
"""Names of the files that `evaluate` makes under evaluation/, without their ending."""
REFUSED = "refused"
"""Name of the file of what could not be asked, likewise."""


@dataclass(frozen=True)
class Run:
    """A finished tuning.

    Attributes:
        directory: Where it is.
        soft_prompt: The best prompt within the limits.
        outcome: Why it stopped and its result in short: DONE.json.
        summary: The result table: evaluation/summary.json.
    """

    directory: Path
    soft_prompt: SoftPrompt
    outcome: Done
    summary: Evaluation

    def __repr__(self) -> str:
        before, after = self.outcome.held_out_naive_loss, self.outcome.held_out_loss
        losses = f"held-out loss {loss_text(before, 2)} to {loss_text(after, 2)}"
        return f"Run({str(self.directory)!r}, {self.summary.target.country}: {losses})"

    def _repr_html_(self) -> str:
        """Return the result table for a notebook."""
        stopped = f"{self.outcome.evaluations} evaluations; {self.outcome.stop_reason}."
        return html_table(
            self.summary.title, *self.summary.texts(), [stopped, f"run: {self.directory}"]
        )

    @classmethod
    @checked
    def load(cls, directory: str | Path, *, any_model: bool = False) -> Run:
        """Read a finished run.

        Args:
            directory: Where it is.
            any_model: Whether its soft prompt may be given to another model; see `SoftPrompt.load`.

        Raises:
            UsageError: There is no run, or it is not finished.
            FailureError: One of its files is damaged.
        """
        path = Path(directory)
        _check_run(path)
        if not (path / DONE).is_file():
            raise UsageError(
                f"the run in {path} is not finished", "Repeat its tune command with --resume first."
            )
        prompt = load_prompt(path, any_model=any_model)
        return cls(
            path, prompt, read_record(Done, path / DONE), read_record(Evaluation, path / SUMMARY)
        )


def load_prompt(path: str | Path, *, any_model: bool = False) -> SoftPrompt:
    """Read the best soft prompt of a run directory, or a soft prompt's file, as `SoftPrompt.load` does.

    Raises:
        UsageError: There is no such file, or it is not a soft prompt.
        FailureError: It is damaged.
    """
    file = Path(path) / BEST if Path(path).is_dir() else Path(path)
    if (Path(path) / CONFIG).is_file() and not file.is_file():
        raise UsageError(
            f"the run in {path} has no soft prompt, {BEST}",
            "Repeat its tune command with --resume first.",
        )
    return SoftPrompt.load(file, any_model=any_model)


def read_run(directory: str | Path) -> RunRecords:
    """Read and check all records of a run directory.

    Raises:
        UsageError: It is no run directory.
        FailureError: One of its files cannot be read or is damaged.
    """
    path = Path(directory)
    _check_run(path)
    frontier = read_if_there(FrontierPoints, path / FRONTIER)
    return RunRecords(
        path=path,
        config=read_config(path),
        provenance=read_provenance(path) if (path / PROVENANCE).exists() else None,
        history=read_records(Generation, path / HISTORY),
        evaluation=read_if_there(Evaluation, path / SUMMARY),
        done=read_if_there(Done, path / DONE),
        checks=read_checks(path / "evaluation"),
        frontier=frontier.points if frontier else (),
        content=read_if_there(UntouchedContent, path / CONTENT),
    )


def read_config(directory: Path) -> Config:
    """Read the settings of a run.

    Raises:
        FailureError: The file is missing or damaged.
    """
    path = directory / CONFIG
    values = read_toml(path)
    return replace(parse_record(Config, values, path), settings=tuple(flat(values)))


def read_provenance(directory: Path) -> Provenance:
    """Read the record of what ran.

    Raises:
        FailureError: The file is missing or damaged, or was written by a later version.
    """
    path = directory / PROVENANCE
    record = read_record(Provenance, path)
    if record.format > FORMAT:
        raise FailureError(
            f"{path} has format {record.format}, and this version reads up to {FORMAT}",
            f"Use the version of acculturate that wrote it: {record.acculturate}.",
        )
    for key in ("name", "dtype", "weights_hash"):
        if key not in record.model:
            raise FailureError(f"{path}: model.{key} is missing", MEND)
    return record


def read_checks(folder: Path) -> Checks:
    """Read what was asked of a finished run: the files of its folder evaluation/.

    Raises:
        FailureError: One of them cannot be read or is damaged.
    """

    def part(kind: type[T], name: str) -> T | None:
        return read_if_there(kind, folder / f"{name}.json")

    try:
        held_out, others = part(HeldOut, "held_out"), part(OtherSurveys, "other_surveys")
        refused = part(Refusals, REFUSED)
        return Checks(
            rows=held_out.rows if held_out else (),
            carry_over=held_out.carry_over if held_out else None,
            carry_over_interval=held_out.carry_over_interval if held_out else None,
            responsiveness=part(Responsiveness, "responsiveness"),
            specificity=part(Specificity, "specificity"),
            extremes=part(Extremes, "extremes"),
            generated=part(Generated, "generated"),
            surveys=others.checks if others else (),
            missing=others.missing if others else (),
            respondents=part(Respondents, "respondents"),
            behaviour=part(Behaviour, "behaviour"),
            ratings=part(Rated, RATED),
            benchmarks=read_benchmarks(folder / "benchmarks"),
            side_effects=part(SideEffects, "fluency"),
            refused=refused.refusals if refused else (),
        )
    except FailureError as error:
        again = (
            "Delete that file; `acculturate evaluate` makes it again, benchmarks and fluency with --on, and "
            f"`acculturate rate report` makes {RATED}.json."
        )
        raise FailureError(str(error), again) from error


def read_benchmarks(folder: Path) -> tuple[Result, ...]:
    """Read every benchmark result of a folder, in the order of their names.

    Raises:
        FailureError: A file cannot be read or is damaged.
    """
    return tuple(read_record(Result, path) for path in sorted(folder.glob("*.json")))


def check_model(directory: Path, prompt: SoftPrompt, model: AnswerModel) -> str:
    """Return a hash of a model's weights and its way of asking, after checking that they are the run's.

    Weights are told by the soft prompt. That of a run of an earlier version does not know them: the run's
    record does, where the precision is the same.

    Raises:
        UsageError: It is another model, or it uses its chat template and the run did not, or the reverse.
        FailureError: The run's record is damaged.
    """
    of_earlier_version = bool(prompt.model and not prompt.model_hash)
    if not of_earlier_version:
        check_prompt(prompt, model)
    tuned_on, about = read_provenance(directory).model, provenance(model)
    there, here = tuned_on.get("weights_hash"), about["weights_hash"]
    if of_earlier_version and about["dtype"] == tuned_on.get("dtype") and here != there:
        raise UsageError(
            f"{model.name} does not hold the weights that the run in {directory} was tuned on",
            f"Give that model ({tuned_on.get('name')}), or insist: --any-model; in Python, load the run with "
            "any_model=True.",
        )
    in_template = about.get("chat") == "template"
    changed = "chat" in tuned_on and (tuned_on["chat"] == "template") != in_template
    if prompt.model and changed:
        raise UsageError(
            f"the run was tuned with{'out' if in_template else ''} the chat template of its model, and "
            f"{model.name} is asked with{'' if in_template else 'out'} one",
            f"Load the run's model with load_model(..., chat={tuned_on['chat']!r}).",
        )
    return fingerprint([here, "template"]) if in_template else here


def _check_run(path: Path) -> None:
    if not (path / CONFIG).is_file():
        why = "it holds no config.toml" if path.is_dir() else "there is no such directory"
        why = "it is a file" if path.is_file() else why
        hint = "Give the directory that `acculturate tune` made, not one above or below it."
        if (path / MULTITASK).is_file():
            why = "it holds several countries, tuned together"
            one = min(path.glob("*/"), default=path / "COUNTRY")
            hint = f"Give the directory of one of them, such as {one}."
        if (path / "profile.json").is_file():
            why = "it holds a profile of `acculturate measure`"
            hint = "Its figure and its table are in it: profile.pdf and profile.tex."
        raise UsageError(f"no run in {path}: {why}", hint)


def read_if_there(kind: type[T], path: Path) -> T | None:
    """Read a record, or return None where there is no such file."""
    return read_record(kind, path) if path.exists() else None
