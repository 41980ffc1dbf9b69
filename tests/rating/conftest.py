"""Bootstrap samples as few as a test can do with."""

import pytest

from acculturate.rating import statistics


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(statistics, "SAMPLES", 100)
