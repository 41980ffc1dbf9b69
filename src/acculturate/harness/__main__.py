"""`python -m acculturate.harness ...`: the harness's own command line, which knows the model "acculturate".

Releases of the harness that look for installed plugins find it without this; 0.4.13 does not.
"""

from __future__ import annotations

import importlib
import sys

from acculturate.errors import AcculturateError, UsageError
from acculturate.terminal import say_error


def main() -> None:
    """Register the model and hand over; our own errors become one message and an exit code."""
    try:
        try:
            command = importlib.import_module("lm_eval.__main__")
            importlib.import_module("acculturate.harness.model")
        except ImportError as error:
            raise UsageError(
                f"lm-evaluation-harness is not there: {error}",
                "pip install 'acculturate[lm-eval]'",
            ) from error
        command.cli_evaluate()
    except AcculturateError as error:
        say_error(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
