"""`python -m actlumos` is the command line."""

from __future__ import annotations

import sys

try:
    from actlumos.cli import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
