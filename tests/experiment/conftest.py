"""One experiment that was never stopped, for all tests to compare with."""

from pathlib import Path

import pytest
from experiment_runs import run, tables


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return tables(folder / "out")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment that no test changes."""
    folder = tmp_path_factory.mktemp("finished")
    run(folder)
    return folder / "out"
