"""The benchmarks of the field, by their official files and rules."""
