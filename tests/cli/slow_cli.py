"""The command line with a fake model that takes its time, for a process to be stopped."""

import signal
import time
from typing import Any

from acculturate.cli import main
from acculturate.model import FakeModel

quick = FakeModel.ask


def slow(*arguments: Any, **options: Any) -> Any:
    time.sleep(0.02)
    return quick(*arguments, **options)


if __name__ == "__main__":
    # A background job of a shell starts with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    FakeModel.ask = slow
    main()
