# SPDX-License-Identifier: Apache-2.0
"""What a run says: a line for each test, why one failed, JUnit, and how much is proven."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance import behaviours


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    seconds: float
    failure: str

    @property
    def proven(self) -> bool:
        return not self.failure


class Report:
    """A plugin of pytest in the place of its terminal. `outcomes` are in the order of the run."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.count = 0
        self.broken: list[str] = []
        self._names: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        self._seconds: Counter[str] = Counter()

    def pytest_configure(self, config: pytest.Config) -> None:
        # An option of the terminal that this stands in for.
        config.option.tbstyle = "short"

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            assert isinstance(item, pytest.Function)
            self._names[item.nodeid] = behaviours.name_of(item.function)
        self.count = len(session.items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration  # type: ignore[assignment]
        # A skipped test has proven nothing.
        if not report.passed:
            self._failures.setdefault(report.nodeid, report.longreprtext or report.outcome)
        if report.when == "teardown":
            self._finish(report.nodeid)

    def _finish(self, nodeid: str) -> None:
        failure = self._failures.get(nodeid, "")
        outcome = Outcome(self._names[nodeid], self._seconds[nodeid], failure)
        self.outcomes.append(outcome)
        word = "ok  " if outcome.proven else "FAIL"
        place = f"{len(self.outcomes):3}/{self.count}"
        print(f"{place} {word} {outcome.seconds:6.2f} s  {outcome.name}", flush=True)
        if failure:
            print(failure, file=sys.stderr, flush=True)

    @property
    def failing(self) -> bool:
        return any(not outcome.proven for outcome in self.outcomes)


def junit(outcomes: list[Outcome]) -> ElementTree.ElementTree[ElementTree.Element]:
    """The form that official conformance runs submit: one suite, a case for each behaviour."""
    suite = ElementTree.Element("testsuite", name="conformance", tests=str(len(outcomes)))
    suite.set("failures", str(sum(not outcome.proven for outcome in outcomes)))
    suite.set("time", f"{sum(outcome.seconds for outcome in outcomes):.3f}")
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=outcome.name,
            classname="conformance",
            time=f"{outcome.seconds:.3f}",
        )
        if not outcome.proven:
            last = outcome.failure.rstrip().rpartition("\n")[2]
            ElementTree.SubElement(case, "failure", message=last).text = outcome.failure
    return ElementTree.ElementTree(suite)


def write_junit(outcomes: list[Outcome], path: Path) -> None:
    junit(outcomes).write(path, encoding="utf-8", xml_declaration=True)


def summary(outcomes: list[Outcome], wanted: Mapping[str, str]) -> str:
    """A row for each class of the behaviours asked for, and one for all."""
    proven, failing, all_of = Counter[str](), Counter[str](), Counter(wanted.values())
    for outcome in outcomes:
        (proven if outcome.proven else failing)[wanted[outcome.name]] += 1
    rows = [("", "behaviours", "proven", "failing", "not yet covered")]
    for group in (*(each for each in behaviours.CLASSES if all_of[each]), "all"):
        counts = [
            sum(counter.values()) if group == "all" else counter[group]
            for counter in (all_of, proven, failing)
        ]
        rest = counts[0] - counts[1] - counts[2]
        rows.append((group, *map(str, counts), str(rest)))
    return "\n".join(f"{a:12} {b:>10} {c:>8} {d:>8} {e:>16}" for a, b, c, d, e in rows)
