"""Durable operations and the events they leave behind."""
