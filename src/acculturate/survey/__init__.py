"""What is asked: instruments, forms, scoring and country scores. Needs numpy alone."""
