"""Questions outside the survey: what a tuned model knows, and whose opinions it shares."""
