"""An experiment with all it names loaded and checked: nothing runs where something cannot.

In: an `Experiment`. Out: a `PreparedExperiment`: questionnaire, tables, cells, and each cell's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path

from acculturate.benchmarks import Exam, Known, comes_from_hub, load_benchmarks
from acculturate.errors import UsageError
from acculturate.experiment.plan import Experiment, ModelChoice
from acculturate.formatting import slug
from acculturate.metrics.held_out import other_languages
from acculturate.survey.countries import Country, CountryTable, load_countries
from acculturate.survey.forms import all_forms
from acculturate.survey.instrument import Instrument, load_instrument
from acculturate.tuning import Method, Settings, Task, make_task

BASELINE_CELL = "baselines"
"""Method of the cell that measures the baselines of a country."""

Origin = tuple[ModelChoice | None, str, str]


@dataclass(frozen=True)
class Cell:
    """One run, or the baselines of one country, on one model.

    Attributes:
        table: Key of the country table.
        country: The target's name.
        method: Label of the method; `BASELINE_CELL` for the baselines.
        seed: None where nothing is random.
        model: The model; None where the experiment has one.
        base: Where the folders of this model's cells are in the experiment's directory.
    """

    table: str
    country: str
    method: str
    seed: int | None = None
    model: ModelChoice | None = None
    base: Path = Path()

    @property
    def folder(self) -> Path:
        """Its folder in the experiment's directory."""
        place = self.base / "cells" / slug(self.table) / slug(self.country) / slug(self.method)
        return place if self.seed is None else place / f"seed-{self.seed}"

    @property
    def place(self) -> tuple[str, str]:
        """Table and country."""
        return self.table, self.country

    @property
    def origin(self) -> Origin:
        """Model, table and country: what the untouched answers that it is compared with belong to."""
        return self.model, *self.place

    @property
    def name(self) -> str:
        """Its method, with its model where there are several."""
        return name_with(self.model, self.method)

    @property
    def title(self) -> str:
        """Its name in a line of progress."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.country}, {self.name}{seed}"


def name_with(model: ModelChoice | None, method: str) -> str:
    """Return the name of a method with a model, where there are several."""
    return method if model is None else f"{method}, {model.shown}"


@dataclass(frozen=True)
class PreparedExperiment:
    """Everything an experiment needs but the model.

    Attributes:
        experiment: The experiment.
        instrument: The questionnaire.
        tables: The country tables by key.
        exam: Its benchmarks, or None.
        known: Answers to them that several cells share, such as the untouched model's.
    """

    experiment: Experiment
    instrument: Instrument
    tables: Mapping[str, CountryTable]
    exam: Exam | None = None
    known: Known = field(default_factory=dict, compare=False)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells but trials of settings, model by model and country by country.

        Baselines come first, then methods and seeds.
        """
        plan, cells = self.experiment, list[Cell]()
        for model, place in product(self._models, self.places):
            cells += [Cell(*place, BASELINE_CELL, None, *model)] if plan.baselines else []
            runs = product([method.label for method in plan.methods], plan.seeds)
            cells += [Cell(*place, *run, *model) for run in runs]
        return tuple(cells)

    @property
    def cell_count(self) -> int:
        """Number of cells with those of all trials of settings."""
        search = self.experiment.search
        return len(self.cells) + (search.trials * len(self.cells_of("")) if search else 0)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Every table with each country in it."""
        countries = self.experiment.countries
        return [(key, table[c].name) for key, table in self.tables.items() for c in countries]

    def cells_of(self, label: str) -> tuple[Cell, ...]:
        """Return the cells of a method that searches: every model, table, country and seed."""
        cells = product(self._models, self.places, self.experiment.seeds)
        return tuple(Cell(*place, label, seed, *model) for model, place, seed in cells)

    @property
    def _models(self) -> list[tuple[ModelChoice | None, Path]]:
        """The `Cell.model` and `Cell.base` of every model.

        The first model's folders are where those of a single one are, so that others can be added.
        """
        first, *others = self.experiment.every_model
        rest = [(model, Path("models") / slug(model.shown)) for model in others]
        return [(first if others else None, Path()), *rest]

    def target(self, cell: Cell) -> Country:
        """Return the country that a cell moves the model towards."""
        return self.tables[cell.table][cell.country]

    def method(self, cell: Cell) -> Method | None:
        """Return the method of a cell; None for a cell of baselines."""
        return next((m for m in self.experiment.methods if m.label == cell.method), None)

    def model(self, cell: Cell) -> ModelChoice:
        """Return the model of a cell."""
        return cell.model or self.experiment.every_model[0]

    def settings(self, method: Method, seed: int) -> Settings:
        """Return the settings of a run, checked and resolved."""
        return method.chosen(self.experiment.settings, self.experiment.budget, seed=seed)

    @property
    def shared(self) -> Settings:
        """The settings that baselines are measured with."""
        return Settings(**self.experiment.settings)

    def other_languages(self, settings: Settings) -> tuple[str, ...]:
        """Return the languages that runs are asked in beside their own."""
        return other_languages(self.instrument, settings.language, self.experiment.languages)

    def task(self, table: str, country: str, settings: Settings) -> Task:
        """Return forms and scores to reach of the cells of one country."""
        countries = self.tables[table]
        return make_task(self.instrument, countries[country], settings, countries)


def prepare(experiment: Experiment, *, fetch: bool = True) -> PreparedExperiment:
    """Load what an experiment names and check that every cell can run.

    Args:
        experiment: The experiment.
        fetch: False to leave out benchmarks that would come from the hub.

    Raises:
        UsageError: A name is unknown, a country has no score, a setting cannot be run, or two names
            would share a folder.
        FailureError: A benchmark cannot be downloaded.
    """
    instrument = load_instrument(experiment.instrument)
    tables = [load_countries(name) for name in experiment.tables]
    _check_folders("tables", (table.key for table in tables))
    for table in tables:
        _check_folders("countries", (table[country].name for country in experiment.countries))
    _check_folders("models", (model.shown for model in experiment.every_model))
    labels, search = [method.label for method in experiment.methods], experiment.search
    trials = [trial_label(search.method, n) for n in range(search.trials)] if search else []
    _check_folders("methods", [BASELINE_CELL, *labels, *trials])
    prepared = PreparedExperiment(experiment, instrument, {table.key: table for table in tables})
    runs = [prepared.settings(method, experiment.seeds[0]) for method in experiment.methods]
    for settings in runs:
        for place in prepared.places:
            prepared.task(*place, settings)
        if settings.together and len(experiment.countries) == 1:
            raise UsageError(
                f"{experiment.countries[0]} alone is not tuned together with others",
                "Add countries, or take the setting together out.",
            )
    for place in prepared.places:
        prepared.task(*place, prepared.shared)
    if experiment.languages:
        all_forms(instrument, experiment.languages, split="held-out")
    benchmarks = [name for name in experiment.benchmarks if fetch or not comes_from_hub(name)]
    return replace(prepared, exam=Exam(load_benchmarks(benchmarks))) if benchmarks else prepared


def trial_label(method: str, number: int) -> str:
    """Return the label of a trial of a search over a method's settings."""
    return f"{method} trial {number}"


def _check_folders(what: str, names: Iterable[str]) -> None:
    folders: dict[str, str] = {}
    for name in names:
        folder = slug(name)
        if folder in folders:
            raise UsageError(
                f'{what}: "{folders[folder]}" and "{name}" would share the folder {folder}',
                "Take one out, or rename it.",
            )
        folders[folder] = name
