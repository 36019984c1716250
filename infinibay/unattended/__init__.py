"""Installations without a user: answer files and the media that carry them."""
