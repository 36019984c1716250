"""The contract's area templates."""
