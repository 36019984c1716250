"""Measurements of the product, each against the bare calls of the same run."""
