"""``python -m lakeflow``."""

import sys

from lakeflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
