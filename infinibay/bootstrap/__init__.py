"""The composition root: builds the product of one process from its settings."""

from infinibay.bootstrap.process import Product, Role, running

__all__ = ["Product", "Role", "running"]
