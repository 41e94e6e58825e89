"""Media files: frames and samples, decoded in step."""
