"""The loop: objective, run directory, baselines."""
