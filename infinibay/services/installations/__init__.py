"""Unattended installations: from what was asked for to a system that answers."""
