"""`python -m acculturate` is the command line."""

from acculturate.cli import main

if __name__ == "__main__":
    main()
