"""`python -m app.cli` is `serein`."""

from app.cli import main

main()
