"""The contract's area templates; so far what a machine shows of its template."""
