"""The command line: `acculturate`, and `python -m acculturate`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it while it is loaded as it does later."""
    try:
        from acculturate.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
