"""The contract's area applications."""
