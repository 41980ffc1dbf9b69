"""A tuned model under lm-evaluation-harness; see `acculturate.harness.model`."""
