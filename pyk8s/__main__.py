# SPDX-License-Identifier: Apache-2.0
"""`python -m pyk8s` is `pyk8s`."""

import sys

from pyk8s.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
