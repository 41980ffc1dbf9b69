"""What is the same for every run here is looked up once, and nobody asks git.

It takes time, and a commit made meanwhile would tell two runs apart.
"""

from collections.abc import Iterator
from functools import cache

import pytest

from acculturate.tuning import provenance


@pytest.fixture(scope="session", autouse=True)
def _quick_provenance() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(provenance, "_commit", lambda: None)
        patched.setattr(provenance, "_version", cache(provenance._version))
        yield
