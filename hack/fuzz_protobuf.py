#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read spoiled encodings of every kind; each must become an object or a DecodeError.

python hack/fuzz_protobuf.py [--cases N] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for directory in (ROOT, ROOT / "tests" / "apis"):
    sys.path.insert(0, str(directory))

import protobuf_mutations  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    arguments = parser.parse_args()
    encodings = protobuf_mutations.corpus()
    read = slowest = 0.0
    for seed in range(arguments.seed, arguments.seed + arguments.cases):
        start = time.perf_counter()
        try:
            read += protobuf_mutations.try_one(encodings, random.Random(seed))
        except Exception:
            print(f"failed: --seed {seed} --cases 1", file=sys.stderr)
            raise
        slowest = max(slowest, time.perf_counter() - start)
    share = read / arguments.cases
    print(f"{arguments.cases} cases, {share:.0%} read, slowest {slowest * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
