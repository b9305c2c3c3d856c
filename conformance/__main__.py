# SPDX-License-Identifier: Apache-2.0
"""The command behind `conformance/run`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from conformance import behaviours, report

HERE = Path(__file__).parent

# Without the options of the terminal; and a slow test does not hang, it waits.
_SETTINGS = (
    *("-o", "addopts=--import-mode=importlib --strict-markers --strict-config"),
    *("-o", "faulthandler_timeout=900"),
)


class Selection:
    """A plugin of pytest that keeps the tests of the behaviours asked for."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self._wanted = wanted

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self._is_wanted(item)]

    def _is_wanted(self, item: pytest.Item) -> bool:
        return (
            isinstance(item, pytest.Function) and behaviours.name_of(item.function) in self._wanted
        )


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"no regular expression: {error}") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="conformance/run",
        description="Prove the behaviours that the official conformance tests name.",
    )
    parser.add_argument("--kubeconfig", type=Path, help="a cluster; without it, one is started")
    parser.add_argument("--focus", type=_pattern, metavar="REGEX", help="those with such a name")
    parser.add_argument("--skip", type=_pattern, metavar="REGEX", help="but not those")
    parser.add_argument(
        "--class", dest="group", choices=behaviours.CLASSES, help="those that need this much"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--list", action="store_true", help="print the names, run nothing")
    return parser.parse_args()


def _wanted(arguments: argparse.Namespace) -> dict[str, str]:
    return {
        name: group
        for name, group in behaviours.official_names().items()
        if (not arguments.group or group == arguments.group)
        and (not arguments.focus or arguments.focus.search(name))
        and not (arguments.skip and arguments.skip.search(name))
    }


def main() -> int:
    arguments = _arguments()
    wanted = _wanted(arguments)
    if arguments.list:
        print("\n".join(wanted))
        return 0
    told = report.Report()
    flags = ["--slow", "-p", "no:terminal", "-p", "no:cacheprovider", *_SETTINGS]
    flags += ["--rootdir", str(HERE.parent)]
    if arguments.kubeconfig:
        flags += ["--kubeconfig", str(arguments.kubeconfig)]
    status = pytest.main([*flags, str(HERE)], plugins=[told, Selection(wanted)])
    for text in told.broken:
        print(text, file=sys.stderr)
    if arguments.junit:
        report.write_junit(told.outcomes, arguments.junit)
    print(report.summary(told.outcomes, wanted))
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return 1
    return int(told.failing)


if __name__ == "__main__":
    sys.exit(main())
