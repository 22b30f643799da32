"""`python -m elva`: the same as the `elva` command."""

from elva.cli import main

main()
