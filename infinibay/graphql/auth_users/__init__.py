"""The contract's area auth-users: logging in and out."""
