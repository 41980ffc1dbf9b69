"""What it costs: times, operations and memory of asking a model, beside the usual ways to ask it."""
