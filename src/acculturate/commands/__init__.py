"""The verbs of the command line, one file for those of one kind: parse, call, print."""
