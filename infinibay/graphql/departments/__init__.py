"""The contract's area departments."""
