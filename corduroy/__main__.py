"""``python -m corduroy``: the command line."""

from __future__ import annotations

import sys

from corduroy.command.main import main

if __name__ == "__main__":
    sys.exit(main())
