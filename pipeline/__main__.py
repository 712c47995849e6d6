"""``python -m pipeline`` is ``dawnstream``."""

from pipeline.cli import main

main()
