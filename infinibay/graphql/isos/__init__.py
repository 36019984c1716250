"""The contract's area isos."""
