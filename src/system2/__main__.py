"""`python -m system2`: the command line."""

import sys

from system2.cli import main

if __name__ == "__main__":
    sys.exit(main())
