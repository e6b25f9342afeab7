"""What a benchmark found: ours beside its reference from the same run, as a table or as JSON."""

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

Sign = Literal["≥", "≤"]


class Target(NamedTuple):
    """A bound on the ratio of ours to the reference, or on our number itself."""

    sign: Sign
    bound: float
    on: Literal["ratio", "ours"] = "ratio"

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.sign == "≥" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {number(self.bound)}{' ×' if self.on == 'ratio' else ''}"


class Result(NamedTuple):
    """One line: medians over the rounds, in `unit`; a line without a target is for information."""

    what: str
    unit: str
    ours: Sequence[float]
    reference: Sequence[float] = ()
    target: Target | None = None
    compared_with: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours to the reference, round by round; the median of it."""
        if not self.reference:
            return None
        return median(a / b for a, b in zip(self.ours, self.reference, strict=True))

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        value = self.ratio if self.target.on == "ratio" else median(self.ours)
        assert value is not None
        return "met" if self.target.is_met(value) else "MISSED"

    def to_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": median(self.ours),
            "ours_rounds": list(self.ours),
            "reference": median(self.reference) if self.reference else None,
            "reference_rounds": list(self.reference),
            "compared_with": self.compared_with,
            "ratio": self.ratio,
            "target": str(self.target) if self.target else None,
            "verdict": self.verdict,
        }


def main(name: str, promise: str, measure: Callable[[bool], Sequence[Result]]) -> None:
    """Run a benchmark from the command line. `measure` is told whether a smoke run is enough."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.bench.bench_{name}", description=promise
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works at all")
    arguments = parser.parse_args()
    results = measure(arguments.quick)
    if arguments.json:
        lines = [result.to_json() for result in results]
        found = {"bench": name, "machine": machine(), "quick": arguments.quick, "results": lines}
        print(json.dumps(found, ensure_ascii=False))
    else:
        print(f"{name}: {promise}\n{machine()}\n\n{table(results)}")


def table(results: Sequence[Result]) -> str:
    head = ("what", "unit", "ours", "reference", "ratio", "target", "verdict", "compared with")
    rows = [head, *map(cells, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def cells(result: Result) -> tuple[str, ...]:
    return (
        result.what,
        result.unit,
        spread(result.ours),
        spread(result.reference) if result.reference else "",
        "" if result.ratio is None else f"{result.ratio:.2f}",
        str(result.target or ""),
        result.verdict,
        result.compared_with,
    )


def spread(values: Sequence[float]) -> str:
    """The median, and how far the rounds lie apart."""
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> str:
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    load = os.getloadavg()[0]
    python = platform.python_version()
    return f"{os.cpu_count()} cores, {model}; Python {python}; load at the end {load:.1f}"
