"""A tuned model as a model of lm-evaluation-harness; importing `harness.model` registers it."""
