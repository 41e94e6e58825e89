"""Clips decoded once, in sharded TFRecords."""
