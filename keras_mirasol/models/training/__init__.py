"""What `fit()` trains with, saves, watches and logs."""
