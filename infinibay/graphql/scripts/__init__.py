"""The contract's area scripts."""
