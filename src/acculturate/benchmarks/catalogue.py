"""Benchmarks by name: from the hub, from a file with the same columns, or a user's own.

In: what `--on` says. Out: a loaded benchmark. Something is downloaded only where it is asked for by name
and no file is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from acculturate.benchmarks import cultural_bench, global_opinions
from acculturate.benchmarks.hub import download
from acculturate.benchmarks.mapping import load_mapping
from acculturate.benchmarks.questions import Benchmark, Origin
from acculturate.benchmarks.tables import Rows, read_rows
from acculturate.errors import UsageError
from acculturate.formatting import suggestion
from acculturate.io import is_path

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class _Entry:
    """A benchmark known by name.

    Attributes:
        title: Name in full.
        licence: Its terms.
        read: Reads its table.
        repository: Where it is on the hub; None where it comes with the package.
        file: The table's path there, or its name under data/.
        note: What a reader of a score must know.
    """

    title: str
    licence: str
    read: Callable[[Rows, Origin], Benchmark]
    repository: str | None
    file: str
    note: str = ""


_HARD_NOTE = (
    "A question counts only when all four of its judgements are right, as its authors score it; other "
    "harnesses score rows, and their numbers are not comparable."
)
_OWN_NOTE = "A small set of our own for demonstrations and tests; not CulturalBench."
_OWN_LICENCE = "CC0-1.0, written for acculturate"

# The files' names on the hub are those that public code downloads; they were not verified by a download.
_ENTRIES = {
    "culturalbench-easy": _Entry(
        "CulturalBench-Easy",
        cultural_bench.LICENCE,
        cultural_bench.read_easy,
        cultural_bench.REPOSITORY,
        "CulturalBench-Easy.csv",
    ),
    "culturalbench-hard": _Entry(
        "CulturalBench-Hard",
        cultural_bench.LICENCE,
        cultural_bench.read_hard,
        cultural_bench.REPOSITORY,
        "CulturalBench-Hard.csv",
        _HARD_NOTE,
    ),
    "global-opinions": _Entry(
        "GlobalOpinionQA",
        global_opinions.LICENCE,
        global_opinions.read_opinions,
        global_opinions.REPOSITORY,
        "data/global_opinions.csv",
    ),
    "acculturate-culture-easy": _Entry(
        "acculturate-culture, one of four",
        _OWN_LICENCE,
        cultural_bench.read_easy,
        None,
        "acculturate-culture-easy.csv",
        _OWN_NOTE,
    ),
    "acculturate-culture-hard": _Entry(
        "acculturate-culture, true or false",
        _OWN_LICENCE,
        cultural_bench.read_hard,
        None,
        "acculturate-culture-hard.csv",
        f"{_OWN_NOTE} A question counts only when all four of its judgements are right.",
    ),
}


def benchmark_names() -> tuple[str, ...]:
    """Names of the benchmarks that are known without a file of the user's."""
    return tuple(_ENTRIES)


def load_benchmark(named: str, progress: Callable[[str], None] = lambda _: None) -> Benchmark:
    """Loads a benchmark.

    Args:
        named: A name such as "culturalbench-easy"; a name and a local file with the same columns,
            "culturalbench-easy=FILE.csv"; or the path of a mapping file, ending in .toml
            (docs/benchmarks.md).
        progress: Called with a sentence before a download.

    Raises:
        UsageError: The name is unknown, or a file is missing or does not fit.
        FailureError: It cannot be downloaded.
    """
    name, given, file = (part.strip() for part in named.partition("="))
    if given and name in _ENTRIES:
        if not file:
            raise UsageError(f"{named} names no file", f"Write {name}=FILE.csv, or {name} alone.")
        return _read(name, Path(file), file)
    if name in _ENTRIES:
        return _named(name, progress)
    if not given and is_path(named.strip(), ".toml"):
        own = load_mapping(Path(named.strip()))
        if own.origin.key in _ENTRIES:
            raise UsageError(
                f"{named.strip()}: the key {own.origin.key} is that of another benchmark",
                "Give it a key of its own.",
            )
        return own
    raise UsageError(
        f"there is no benchmark {name!r}",
        f"{suggestion(name, _ENTRIES, 'Benchmarks')} A test of your own is given by the path of a file "
        "that ends in .toml (docs/benchmarks.md).",
    )


def load_benchmarks(
    named: Sequence[str], progress: Callable[[str], None] = lambda _: None
) -> tuple[Benchmark, ...]:
    """Loads several benchmarks, each under a key of its own; see `load_benchmark`.

    Raises:
        UsageError: Also where two have the same key.
        FailureError: One cannot be downloaded.
    """
    found: dict[str, Benchmark] = {}
    for name in named:
        one = load_benchmark(name, progress)
        key = one.origin.key
        if key in found:
            raise UsageError(f"two benchmarks are called {key}", "Ask them one after the other.")
        found[key] = one
    return tuple(found.values())


def _named(key: str, progress: Callable[[str], None]) -> Benchmark:
    entry = _ENTRIES[key]
    if entry.repository is None:
        return _read(key, DATA / entry.file, "comes with acculturate")
    progress(f"fetching {entry.repository} from the hub")
    path, commit = download(entry.repository, entry.file, f"--on {key}=FILE.csv")
    return _read(key, path, f"{entry.repository}@{commit}")


def _read(key: str, path: Path, source: str) -> Benchmark:
    entry = _ENTRIES[key]
    return entry.read(read_rows(path), Origin(key, entry.title, source, entry.licence, entry.note))
