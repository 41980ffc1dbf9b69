"""Runs to compare with and to go on with.

What is the same for every run is looked up once, and nobody asks git: it takes time, and a commit made
meanwhile would tell two runs apart.
"""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tuning_runs import Interrupter, contents, tune_toy

from acculturate.runs import provenance


@pytest.fixture(scope="session", autouse=True)
def _quick_provenance() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(provenance, "_commit", lambda: None)
        patched.setattr(provenance, "_version", cache(provenance._version))
        yield


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return contents(tune_toy(tmp_path_factory.mktemp("whole")).directory)


@pytest.fixture(scope="session")
def _interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    with pytest.raises(KeyboardInterrupt):
        tune_toy(folder, on_generation=Interrupter(3))
    return folder


@pytest.fixture
def interrupted(_interrupted: Path, tmp_path: Path) -> Path:
    """A run stopped after three of five generations."""
    return Path(shutil.copytree(_interrupted, tmp_path / "interrupted"))
