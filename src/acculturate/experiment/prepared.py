"""An experiment with all it names loaded and checked: nothing runs where something cannot.

In: an `Experiment`. Out: `PreparedExperiment`: the questionnaire, the tables,
the cells, and each cell's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from acculturate.benchmarks.catalogue import load_benchmarks
from acculturate.benchmarks.exam import Exam, Known
from acculturate.errors import UsageError
from acculturate.experiment.plan import Experiment
from acculturate.formatting import slug
from acculturate.metrics.held_out import other_languages
from acculturate.survey.countries import Country, CountryTable, load_countries
from acculturate.survey.forms import all_forms
from acculturate.survey.instrument import Instrument, load_instrument
from acculturate.survey.scoring import Scoring
from acculturate.tuning import Method, Settings, tuning_forms

BASELINE_CELL = "baselines"
"""Names the cell that measures what searches nothing."""


@dataclass(frozen=True)
class Cell:
    """One run, or what searches nothing towards one country.

    Attributes:
        table: Key of the country table.
        country: The target's name.
        method: Label of the method; `BASELINE_CELL` for those that search nothing.
        seed: None where nothing is random.
    """

    table: str
    country: str
    method: str
    seed: int | None = None

    @property
    def folder(self) -> Path:
        """Where it lies in the experiment's directory."""
        place = Path("cells") / slug(self.table) / slug(self.country) / slug(self.method)
        return place if self.seed is None else place / f"seed-{self.seed}"

    @property
    def place(self) -> tuple[str, str]:
        """Table and country."""
        return self.table, self.country

    @property
    def title(self) -> str:
        """What a line of progress calls it."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.country}, {self.method}{seed}"


@dataclass(frozen=True)
class PreparedExperiment:
    """Everything an experiment needs but the model.

    Attributes:
        experiment: What is asked for.
        instrument: The questionnaire.
        tables: The country tables by key.
        cells: Country by country; baselines first, then methods and seeds. The trials of a search over
            settings are not among them.
        exam: Its benchmarks, or None.
        known: Answers to them that several cells share, such as the untouched model's.
    """

    experiment: Experiment
    instrument: Instrument
    tables: Mapping[str, CountryTable]
    cells: tuple[Cell, ...] = field(default=())
    exam: Exam | None = None
    known: Known = field(default_factory=dict, compare=False)

    def target(self, cell: Cell) -> Country:
        """The country that a cell moves the model towards."""
        return self.tables[cell.table][cell.country]

    def method(self, cell: Cell) -> Method | None:
        """Return the method of a cell; None for a cell of baselines."""
        return next((m for m in self.experiment.methods if m.label == cell.method), None)

    def settings(self, method: Method, seed: int) -> Settings:
        """The settings of a run, checked and resolved."""
        return method.chosen(self.experiment.settings, self.experiment.budget, seed=seed)

    @property
    def shared(self) -> Settings:
        """The settings that baselines are measured with."""
        return Settings(**self.experiment.settings)

    def other_languages(self, settings: Settings) -> tuple[str, ...]:
        """Languages that runs are asked in beside their own."""
        return other_languages(self.instrument, settings.language, self.experiment.languages)

    def scoring(self, settings: Settings) -> Scoring:
        """Weights, anchor and loss of some settings."""
        return Scoring(self.instrument, settings.anchor, settings.aggregate, settings.variant)

    def cells_of(self, method: Method) -> tuple[Cell, ...]:
        """The cells of one method: every table, country and seed."""
        return tuple(
            Cell(key, table[country].name, method.label, seed)
            for key, table in self.tables.items()
            for country in self.experiment.countries
            for seed in self.experiment.seeds
        )


def prepare(experiment: Experiment) -> PreparedExperiment:
    """Loads what an experiment names and checks that every cell can run.

    Raises:
        UsageError: A name is unknown, a country has no score, a setting cannot be run, or two names
            would share a folder.
        FailureError: A benchmark cannot be downloaded.
    """
    instrument = load_instrument(experiment.instrument)
    tables = [load_countries(name) for name in experiment.tables]
    _different("tables", (table.key for table in tables))
    prepared = PreparedExperiment(experiment, instrument, {table.key: table for table in tables})
    for table in tables:
        names = [table[country].name for country in experiment.countries]
        _different("countries", names)
        for name in names:
            table[name].vector(instrument)
    _different("methods", [BASELINE_CELL, *(method.label for method in experiment.methods)])
    for method in experiment.methods:
        for seed in experiment.seeds:
            chosen = prepared.settings(method, seed)
            tuning_forms(instrument, chosen)
            prepared.scoring(chosen)
    shared = prepared.shared
    tuning_forms(instrument, shared)
    prepared.scoring(shared)
    if experiment.languages:
        all_forms(instrument, experiment.languages, split="held-out")
    cells: list[Cell] = []
    for key, table in prepared.tables.items():
        for country in experiment.countries:
            name = table[country].name
            if experiment.baselines:
                cells.append(Cell(key, name, BASELINE_CELL))
            cells += [
                Cell(key, name, method.label, seed)
                for method in experiment.methods
                for seed in experiment.seeds
            ]
    exam = Exam(load_benchmarks(experiment.benchmarks)) if experiment.benchmarks else None
    return PreparedExperiment(experiment, instrument, prepared.tables, tuple(cells), exam)


def _different(what: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        folder = slug(name)
        if folder in seen:
            raise UsageError(
                f'{what}: "{seen[folder]}" and "{name}" would share the folder {folder}',
                "Take one out, or rename it.",
            )
        seen[folder] = name
