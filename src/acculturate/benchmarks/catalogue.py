"""Benchmarks by name: from the hub, from a file with the same columns, or a user's own.

In: what `--on` says. Out: a loaded benchmark. Something is downloaded only where it is asked for by name
and no file is given.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from acculturate.benchmarks import cultural_bench, global_opinions
from acculturate.benchmarks.mapping import load_mapping
from acculturate.benchmarks.questions import Benchmark, Origin
from acculturate.benchmarks.tables import Rows, read_rows
from acculturate.errors import AcculturateError, FailureError, UsageError
from acculturate.formatting import first_line, suggestion
from acculturate.io import is_path
from acculturate.progress import task

DATA = Path(__file__).parent / "data"


_READERS: Mapping[str, Callable[[Rows, Origin], Benchmark]] = {
    "easy": cultural_bench.read_easy,
    "hard": cultural_bench.read_hard,
    "opinions": global_opinions.read_opinions,
}


@cache
def _known() -> Mapping[str, Mapping[str, str]]:
    """Return the benchmarks known by name."""
    return tomllib.loads((DATA / "known.toml").read_text("utf-8"))


def benchmark_names() -> tuple[str, ...]:
    """Return the names of the benchmarks that are known without a file of the user's."""
    return tuple(_known())


def comes_from_hub(named: str) -> bool:
    """Return whether loading a benchmark by this name asks the hub for it."""
    return "repository" in _known().get(named.strip(), ())


def load_benchmark(named: str) -> Benchmark:
    """Load a benchmark.

    Args:
        named: A name such as "culturalbench-easy"; a name and a local file with the same columns,
            "culturalbench-easy=FILE.csv"; or the path of a mapping file, ending in .toml
            (docs/benchmarks.md).

    Raises:
        UsageError: The name is unknown, or a file is missing or does not fit.
        FailureError: It cannot be downloaded.
    """
    name, given, file = (part.strip() for part in named.partition("="))
    if name in _known():
        if given and not file:
            raise UsageError(f"{named} names no file", f"Write {name}=FILE.csv, or {name} alone.")
        path, source = (Path(file), file) if given else _locate(name)
        return _read(name, path, source)
    # A path may hold "=", as in runs/lr=0.1.toml.
    if named.strip().casefold().endswith(".toml") or (not given and is_path(name, ".toml")):
        mapped = load_mapping(Path(named.strip()))
        if mapped.origin.key in _known():
            raise UsageError(
                f"{named.strip()}: the key {mapped.origin.key} is that of another benchmark",
                "Give it a key of its own.",
            )
        return mapped
    raise UsageError(
        f"there is no benchmark {name!r}",
        f"{suggestion(name, _known(), 'Benchmarks')} A test of your own is given by the path of a file "
        "that ends in .toml (docs/benchmarks.md).",
    )


def load_benchmarks(
    named: Sequence[str],
    unread: dict[str, AcculturateError] | None = None,
) -> tuple[Benchmark, ...]:
    """Load several benchmarks, each under a key of its own, as `load_benchmark` does.

    Args:
        named: As for `load_benchmark`.
        unread: Receives the error of each that cannot be loaded, by its name; None raises the first, as a
            name that is nobody's always does.

    Raises:
        UsageError: Also where two have the same key.
        FailureError: One cannot be downloaded.
    """
    loaded: dict[str, Benchmark] = {}
    for name in named:
        try:
            benchmark = load_benchmark(name)
            key = benchmark.origin.key
            if key in loaded:
                raise UsageError(f"two benchmarks are called {key}", "Ask them one by one.")
            loaded[key] = benchmark
        except AcculturateError as error:
            if unread is None or not _names_one(name):
                raise
            unread[name] = error
    return tuple(loaded.values())


def _names_one(named: str) -> bool:
    """Return whether it is a known name or the path of a mapping file, whatever the file holds."""
    return named.partition("=")[0].strip() in _known() or is_path(named.strip(), ".toml")


def _locate(key: str) -> tuple[Path, str]:
    """Return the file of a known benchmark and its source: the package, or the hub or a copy left by it.

    Raises:
        FailureError: There is no network, no such file, or no permission.
    """
    file, repository = _known()[key]["file"], _known()[key].get("repository")
    if repository is None:
        return DATA / file, "comes with acculturate"
    from huggingface_hub import hf_hub_download

    try:
        with task(f"fetching {repository} from the hub"):
            path = Path(hf_hub_download(repository, file, repo_type="dataset"))
    except Exception as error:  # the hub's own, those of its transport, and the system's
        raise FailureError(
            f"{repository} cannot be fetched from the hub: {first_line(error)}",
            f"Check the network, or download {file} yourself and give it: --on {key}=FILE.csv",
        ) from error
    # .../snapshots/COMMIT/PATH
    return path, f"{repository}@{path.parents[len(Path(file).parts) - 1].name}"


def _read(key: str, path: Path, source: str) -> Benchmark:
    entry = _known()[key]
    origin = Origin(key, entry["title"], source, entry["licence"], entry.get("note", ""))
    return _READERS[entry["format"]](read_rows(path), origin)
