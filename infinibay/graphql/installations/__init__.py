"""Installations as clients see them."""
