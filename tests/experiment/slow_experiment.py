"""A process to kill: the small experiment with a model that takes its time, gone on with where it is."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

from experiment_runs import run

from acculturate.model import Answers, FakeModel


class Slow(FakeModel):
    def ask(self, *arguments: Any, **options: Any) -> Answers:
        time.sleep(0.005)
        return super().ask(*arguments, **options)


if __name__ == "__main__":
    # A background job of a shell starts with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    run(Path(sys.argv[1]), text=Path(sys.argv[2]).read_text(), model=Slow)
