"""Methods x countries x seeds: an experiment file becomes a table, figures and a report."""
