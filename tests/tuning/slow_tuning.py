"""A process to kill: the toy tuning with a model that takes its time, resumed where it is."""

import sys
import time
from pathlib import Path
from typing import Any

from tuning_runs import HIDDEN, optimizer, tune_toy

from acculturate.model import Answers, FakeModel


class Slow(FakeModel):
    def ask(self, *arguments: Any, **options: Any) -> Answers:
        time.sleep(0.01)
        return super().ask(*arguments, **options)


if __name__ == "__main__":
    folder, name, budget = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    print("ready", flush=True)
    tune_toy(
        folder,
        Slow(HIDDEN),
        budget=budget,
        optimizer=optimizer(name, budget=budget),
        max_divergence=0.2,
        resume=True,
    )
