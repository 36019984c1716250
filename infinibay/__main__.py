"""`python -m infinibay`."""

from __future__ import annotations

from infinibay.cli import main

if __name__ == "__main__":
    main()
