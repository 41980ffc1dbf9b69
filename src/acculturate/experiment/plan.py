"""What an experiment is: a TOML file, read strictly, becomes frozen data.

In: a path, or the name of a preset. Out: an `Experiment`. Whether countries, languages and settings fit the
questionnaire is `prepared.py`'s.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import is_path, read_bytes
from acculturate.survey.files import Table, parse_toml
from acculturate.tuning import Method, Settings, make_method, setting_names

PRESETS = Path(__file__).parent / "presets"

BASELINES: Mapping[str, str] = {
    "naive": "the model as it is",
    "persona": "a line that names the country",
    "in-context": "the country's scores in words",
    "constant": "the same answer to everything",
}
"""Methods that search nothing; each is measured once a country."""

_WHAT = "experiment file"
_SAME_FOR_ALL = ("budget", "seed")
_LONGEST_NAME = 100
_DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class ModelChoice:
    """The model's name, revision and precision, as `load_model` takes them."""

    name: str
    revision: str | None
    dtype: str


@dataclass(frozen=True)
class Range:
    """What a setting may be in a search over settings.

    Attributes:
        choices: One of these; empty where it is a number between two.
        low: The least.
        high: The largest; with two whole numbers all between are whole.
        log: Whether small numbers are tried as densely as large ones.
    """

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False


@dataclass(frozen=True)
class SettingsSearch:
    """A search over settings of a method; its objective is the mean held-out loss of its cells.

    Attributes:
        method: The method whose settings are tried.
        trials: How many.
        seed: Of the sampler.
        ranges: What is tried.
    """

    method: str
    trials: int
    seed: int
    ranges: Mapping[str, Range]


@dataclass(frozen=True)
class Experiment:
    """Methods x tables x countries x seeds on one model.

    Attributes:
        name: Names its directory and its report.
        about: What it is, in a sentence, or empty.
        model: Who answers.
        instrument: Name or file of the questionnaire.
        tables: Names or files of the country tables.
        countries: Targets, as they were written.
        baselines: Methods that search nothing.
        methods: Methods that search.
        seeds: Of every method that searches.
        budget: Evaluations of every run.
        settings: Fields of `Settings` that all methods share.
        evaluate: Whether every run is asked what its search never saw.
        languages: Other languages for that; None for all.
        benchmarks: Names of benchmarks to run.
        search: A search over settings, or None.
        folder: Where the file lies; paths in it start there. None for a preset.
    """

    name: str
    about: str
    model: ModelChoice
    instrument: str
    tables: tuple[str, ...]
    countries: tuple[str, ...]
    baselines: tuple[str, ...]
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    budget: int
    settings: Mapping[str, Any]
    evaluate: bool
    languages: tuple[str, ...] | None
    benchmarks: tuple[str, ...]
    search: SettingsSearch | None
    folder: Path | None

    def to_dict(self) -> dict[str, Any]:
        """For experiment.toml: all that decides the results; what is not set is left out."""
        methods: dict[str, Any] = {name: {} for name in self.baselines}
        for one in self.methods:
            methods[one.label] = {"optimizer": one.optimizer, **one.own, **one.settings}
        everything = {
            "name": self.name,
            "model": {key: value for key, value in asdict(self.model).items() if value is not None},
            "instrument": self.instrument,
            "tables": list(self.tables),
            "countries": list(self.countries),
            "seeds": list(self.seeds),
            "budget": self.budget,
            "settings": dict(self.settings),
            "evaluate": self.evaluate,
            "languages": None if self.languages is None else list(self.languages),
            "benchmarks": list(self.benchmarks),
            "methods": methods,
            "search": None if self.search is None else _search_dict(self.search),
        }
        return {key: value for key, value in everything.items() if value is not None}


def preset_names() -> tuple[str, ...]:
    """The experiments that come with the package."""
    return tuple(sorted(file.stem for file in PRESETS.glob("*.toml")))


def load_experiment(name_or_path: str | Path) -> Experiment:
    """Reads an experiment file.

    Args:
        name_or_path: A preset's name, or the path of a TOML file.

    Raises:
        UsageError: There is no such file, or something in it is unknown, missing or of the wrong kind;
            the message names the file and the key.
    """
    name = str(name_or_path)
    if isinstance(name_or_path, str) and name in preset_names():
        path, folder = PRESETS / f"{name}.toml", None
    elif isinstance(name_or_path, Path) or is_path(name, ".toml"):
        path, folder = Path(name), Path(name).parent
    else:
        raise UsageError(
            f"there is no experiment {name!r}",
            suggestion(name, preset_names(), "Give a TOML file, or one of"),
        )
    return _read(parse_toml(read_bytes(path, _WHAT), path, _WHAT), path, folder)


def _read(top: Table, path: Path, folder: Path | None) -> Experiment:
    top.only(
        *("name", "about", "model", "instrument", "tables", "countries", "methods", "seeds"),
        *("budget", "settings", "evaluate", "languages", "benchmarks", "search"),
    )
    baselines, methods = _methods(top)
    settings = _settings(top)
    seeds = _seeds(top)
    evaluate = top.flag("evaluate", False)
    if "languages" in top and not evaluate:
        raise top.error(
            "languages", "is set and evaluate is not", "Add evaluate = true, or take it out."
        )
    name = top.text("name") if "name" in top else path.stem
    _printable(top, "name", name)
    return Experiment(
        name=name,
        about=top.text("about") if "about" in top else "",
        model=_model(top),
        instrument=_local(top.text("instrument"), ".toml", folder),
        tables=tuple(_local(table, ".csv", folder) for table in _different(top, "tables")),
        countries=_different(top, "countries"),
        baselines=baselines,
        methods=methods,
        seeds=seeds,
        budget=_from(top, "budget", 1) if methods or "budget" in top else 1,
        settings=settings,
        evaluate=evaluate,
        languages=_different(top, "languages", empty=True) if "languages" in top else None,
        benchmarks=_different(top, "benchmarks", empty=True) if "benchmarks" in top else (),
        search=_search(top, methods) if "search" in top else None,
        folder=folder,
    )


def _model(top: Table) -> ModelChoice:
    values = top.value("model")
    if isinstance(values, str):
        return ModelChoice(top.text("model"), None, "auto")
    table = top.table("model")
    table.only("name", "revision", "dtype")
    return ModelChoice(
        table.text("name"),
        table.text("revision") if "revision" in table else None,
        table.choice("dtype", _DTYPES) if "dtype" in table else "auto",
    )


def _methods(top: Table) -> tuple[tuple[str, ...], tuple[Method, ...]]:
    found: list[Method] = []
    baselines: list[str] = []
    for name, table in top.tables("methods"):
        where = f"methods.{name}"
        _printable(top, where, name)
        given = {key: table.value(key) for key in table}
        if name in BASELINES:
            if given:
                raise top.error(where, "takes no settings", f"Write {name} = {{}}.")
            baselines.append(name)
            continue
        optimizer = given.pop("optimizer", name)
        for key in given:
            if key in _SAME_FOR_ALL:
                raise top.error(
                    f"{where}.{key}", "is the same for all methods", f"Move {key} to the top."
                )
        if not isinstance(optimizer, str):
            raise top.error(f"{where}.optimizer", f"is {optimizer!r}", "Write its name.")
        try:
            method = make_method(name, optimizer, given)
        except UsageError as error:
            raise top.error(where, f"cannot be run: {error}", error.hint or "") from error
        found.append(method)
    order = tuple(name for name in BASELINES if name in baselines)
    return order, tuple(found)


def _settings(top: Table) -> Mapping[str, Any]:
    if "settings" not in top:
        return {}
    table = top.table("settings")
    for key in _SAME_FOR_ALL:
        if key in table:
            raise table.error(key, "stands at the top of the file", f"Move {key} there.")
    table.only(*(key for key in setting_names() if key not in _SAME_FOR_ALL))
    given = {key: table.value(key) for key in table}
    try:
        Settings(**given)
    except UsageError as error:
        raise top.error("settings", f"cannot be used: {error}", error.hint or "") from error
    return given


def _seeds(top: Table) -> tuple[int, ...]:
    if "seeds" not in top:
        return (0,)
    given = top.value("seeds")
    entries = cast("list[object]", given) if isinstance(given, list) else []
    whole = [seed for seed in entries if type(seed) is int and seed >= 0]
    if not entries or len(set(whole)) < len(entries):
        raise top.error(
            "seeds", f"is {given!r}", "Write different whole numbers from 0, as in [0, 1, 2]."
        )
    return tuple(whole)


def _search(top: Table, methods: tuple[Method, ...]) -> SettingsSearch:
    table = top.table("search")
    table.only("method", "trials", "seed", "ranges")
    if not methods:
        raise top.error("search", "has no method to search settings of", "Add one to methods.")
    name = table.choice("method", tuple(method.label for method in methods))
    base = next(method for method in methods if method.label == name)
    ranges = {key: _range(table.table("ranges"), key) for key, _ in table.tables("ranges")}
    for key, one in ranges.items():
        where = f"ranges.{key}"
        if key in _SAME_FOR_ALL:
            raise table.error(where, "is the same for all methods", "Take it out.")
        for value in one.choices or (one.low, one.high):
            try:
                changed(base, "a trial", {key: value})
            except UsageError as error:
                raise table.error(where, f"cannot be tried: {error}", error.hint or "") from error
    return SettingsSearch(name, _from(table, "trials", 1), table.whole("seed", 0), ranges)


def changed(method: Method, label: str, values: Mapping[str, Any]) -> Method:
    """A method with other values for some of its settings.

    Raises:
        UsageError: A setting does not exist, or a value is of the wrong kind.
    """
    return make_method(label, method.optimizer, {**method.own, **method.settings, **values})


def _range(parent: Table, key: str) -> Range:
    table = parent.table(key)
    if "choices" in table:
        table.only("choices")
        given = table.value("choices")
        if not isinstance(given, list) or not given:
            raise table.error("choices", f"is {given!r}", "Write a list: choices = [...].")
        return Range(choices=tuple(cast("list[Any]", given)))
    table.only("low", "high", "log")
    low, high = table.number("low"), table.number("high")
    log = table.flag("log", False)
    if not low < high or (log and low <= 0):
        raise table.error("high", f"is {high:g}", "Write low < high, above 0 with log = true.")
    if all(type(table.value(end)) is int for end in ("low", "high")):
        return Range(low=int(low), high=int(high), log=log)
    return Range(low=low, high=high, log=log)


def _search_dict(search: SettingsSearch) -> dict[str, Any]:
    ranges = {
        key: {"choices": list(one.choices)}
        if one.choices
        else {"low": one.low, "high": one.high, "log": one.log}
        for key, one in search.ranges.items()
    }
    return {**vars(search), "ranges": ranges}


def _different(top: Table, key: str, empty: bool = False) -> tuple[str, ...]:
    if empty and top.value(key) == []:
        return ()
    found = top.texts(key)
    for place, text in enumerate(found, 1):
        _printable(top, f"{key}[{place}]", text)
        if text in found[: place - 1]:
            raise top.error(f"{key}[{place}]", f'is "{text}" again', "Write each one once.")
    return found


def _from(table: Table, key: str, least: int) -> int:
    number = table.whole(key)
    if number < least:
        raise table.error(key, f"is {number}", f"Write a whole number from {least}.")
    return number


def _printable(top: Table, key: str, text: str) -> None:
    if any(unicodedata.category(letter)[0] == "C" for letter in text):
        raise top.error(key, f"holds a control character: {text!a}", "Take it out.")
    if not text.strip() or len(text) > _LONGEST_NAME:
        raise top.error(key, f"is {len(text)} letters long", f"Use 1 to {_LONGEST_NAME}.")


def _local(name: str, suffix: str, folder: Path | None) -> str:
    """A path starts at the experiment file; a name stays one."""
    if folder is None or not is_path(name, suffix) or Path(name).is_absolute():
        return name
    return str(folder / name)
