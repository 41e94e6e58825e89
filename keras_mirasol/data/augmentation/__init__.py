"""Random changes to clips, for training."""
