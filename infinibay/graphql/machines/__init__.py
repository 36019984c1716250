"""The contract's area machines, with its additions."""
