"""What every test stands on: no network, checked array shapes, repeatable examples."""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))  # its scripts are tested too

if os.environ.get("ACCULTURATE_CHECK_TYPES"):  # before the package is imported
    import array_checks  # noqa: F401

# isort: split

import jaxtyping
import pytest
from hypothesis import settings

from acculturate import progress
from acculturate.model import FakeModel
from acculturate.survey import Form, Instrument, balanced_forms, load_instrument
from told import Told

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _unchecked_types(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("wrong_types"):
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def toy() -> Instrument:
    """Two dimensions, four items, scales of five and three options."""
    return load_instrument("toy")


@pytest.fixture(scope="session")
def vsm13() -> Instrument:
    return load_instrument("vsm13")


@pytest.fixture(scope="session")
def toy_forms(toy: Instrument) -> tuple[Form, ...]:
    """Every item of the toy survey once in each order."""
    return balanced_forms(toy, "tuning")


@pytest.fixture(scope="session")
def toy_words(toy: Instrument) -> tuple[Form, ...]:
    """Every item of the toy survey once, answered in words."""
    return balanced_forms(toy, "tuning", labels="words")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Everything that is shown from here on."""
    display = Told()
    monkeypatch.setattr(progress._place, "find", lambda: display)  # pyright: ignore
    return display


@pytest.fixture
def fake() -> FakeModel:
    return FakeModel()
