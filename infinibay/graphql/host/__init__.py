"""The host that machines run on."""
