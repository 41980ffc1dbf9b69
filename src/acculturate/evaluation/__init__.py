"""A finished run, asked more: other ways of asking, other surveys, benchmarks, ordinary text."""
