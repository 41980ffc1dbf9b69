"""What the benchmark scripts measure with; not part of the package."""
