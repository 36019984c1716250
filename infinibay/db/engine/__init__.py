"""Prisma's query engine: the Node program that runs its WebAssembly build, and its supervision."""
