"""The command line with a fake model that takes its time, for a process to be stopped."""

import time
from typing import Any

from acculturate.cli import main
from acculturate.model.fake import FakeModel

quick = FakeModel.ask


def slow(*arguments: Any, **options: Any) -> Any:
    time.sleep(0.02)
    return quick(*arguments, **options)


if __name__ == "__main__":
    FakeModel.ask = slow
    main()
