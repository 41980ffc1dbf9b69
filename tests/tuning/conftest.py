"""Nobody asks git here: it takes time, and a commit made meanwhile would tell two runs apart."""

from collections.abc import Iterator

import pytest

from acculturate.tuning import provenance


@pytest.fixture(scope="session", autouse=True)
def _no_git() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(provenance, "_commit", lambda: None)
        yield
