"""Checks of lab 22: the gate lets good batches through, stops bad ones, and says which rows."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import prepare as batches
import pytest
from plants import harmless, mistakes

from delab.checks import Database, expect, fail, main
from delab.checks.dbt_tests import ask_dbt, judge, spoken
from delab.checks.expectations import Finding, read
from delab.checks.program import Run
from delab.checks.warm import Warm

MODULES = ("pandas", "great_expectations", "great_expectations.expectations")
SECONDS = 40  # that the gate may take for one batch
MOST = 8  # line_ids that a message shows


@dataclass
class Judged:
    """What the gate made of a batch."""

    what: str
    batch: batches.Batch
    run: Run
    report: Path
    evaluated: Path  # what Great Expectations has evaluated

    def findings(self) -> list[Finding]:
        """The results in its report."""
        return read(self.report)

    def failed(self) -> list[Finding]:
        """The expectations that the batch did not meet."""
        return [found for found in self.findings() if not found.success]

    def refused(self) -> None:
        """Fail the check unless the gate has ended with 1, by its own decision."""
        expected = f"exit code 1: the load is stopped ({self.what})"
        seen = f"{self.run.ended}, the load goes on" if not self.run.code else f"{self.run.ended}:\n{self.run.last_words}"
        expect(self.run.code == 1 and not self.run.stopped, expected=expected, seen=seen)
        if not self.report.exists():
            fail(expected=f"the batch is refused with a report ({self.what})", seen=f"no report; it broke:\n{self.run.last_words}")

    def named(self, found: Finding) -> set[str]:
        """The line_ids that a finding names."""
        return self.names(found, self.base)

    def names(self, found: Finding, base: int) -> set[str]:
        """The line_ids that a finding names, if the file's first row has the number `base`."""
        return {name for name in (line_id(row, self.batch, base) for row in found.rows) if name}

    @cached_property
    def base(self) -> int:
        """What the report calls the first row: 0, or 1, or line 2 of the file; the one by which it names the fewest good rows."""
        bad, failed = self.batch.all_bad(), self.failed()
        return min((0, 1, 2), key=lambda base: sum(len(self.names(found, base) - bad) for found in failed))

    def genuine(self) -> None:
        """Fail the check if the report has results that Great Expectations has not come to."""
        lines = self.evaluated.read_text().splitlines() if self.evaluated.exists() else []
        known = [json.loads(line) for line in lines]
        for found in self.findings():
            seen = f"the report has {found.type} with success {found.success}, which Great Expectations has not evaluated"
            own = [found.type, sorted(found.columns), found.success] in known
            expect(own, expected=f"Great Expectations evaluates the rules ({self.what})", seen=seen)


class Gate:
    """The learner's gate.py."""

    def __init__(self, work, warm) -> None:
        self.work, self.warm, self.count = work, warm, 0
        self.witness = str(Path(__file__).with_name("witness.py"))

    def judge(self, what: str, batch: batches.Batch, spoil: Callable[[Path], object] | None = None) -> Judged:
        """Run it on a batch; `what` says what is special about that, and `spoil` damages its folder."""
        self.count += 1
        evaluated = self.work.run_folder / f"evaluated-{self.count}"
        folder = batch.write(self.work.run_folder / f"batch-{self.count}")
        report = self.work.run_folder / f"report-{self.count}.json"
        if spoil:
            spoil(folder)
        script = str(self.work.path("gate.py"))
        run = self.warm.run(self.witness, str(evaluated), script, str(folder), str(report), seconds=SECONDS)
        shutil.rmtree(folder, ignore_errors=True)  # the gate may have moved it away
        return Judged(what, batch, run, report, evaluated)


def line_id(row: Any, batch: batches.Batch, base: int) -> str:
    """The line_id that an entry of unexpected_index_list means: a position, counted from `base`, or what names it."""
    if isinstance(row, dict) and "line_id" in row:
        return as_name(row["line_id"])
    if isinstance(row, str):
        return as_name(row)
    numbers = [value for value in (row.values() if isinstance(row, dict) else [row]) if type(value) is int]
    place = numbers[0] - base if len(numbers) == 1 else -1
    return as_name(batch.rows[place]["line_id"]) if 0 <= place < len(batch.rows) else ""


def as_name(value: Any) -> str:
    """A line_id, also that of a row that has none."""
    text = "" if value is None else str(value).removesuffix(".0")
    return batches.NAMELESS if text in ("", "nan", "None", "<NA>") else text


@pytest.fixture(scope="module")
def gate(work):
    """The gate, in a process that has imported Great Expectations."""
    with Warm(work, MODULES) as warm:
        yield Gate(work, warm)


def listed(names: set[str]) -> str:
    """Some line_ids."""
    return ", ".join(sorted(names)[:MOST]) + (" …" if len(names) > MOST else "")


def good(seed: int, scale: float) -> batches.Batch:
    """A batch without a fault whose columns come in another order, with values that are just allowed."""
    made = batches.at_the_edge(batches.make(seed, scale))
    made.columns = made.columns[3:] + made.columns[:3]
    return made


def test_good_batches(gate, seed):
    """A batch that keeps all rules passes, large or small: exit code 0, and no expectation fails."""
    given = {
        "a good batch": batches.make(seed, 0.3),
        "a good batch, small, its columns in another order, some values just within the bounds": good(seed + 1, 0.03),
    }
    for what, batch in given.items():
        judged = gate.judge(what, batch)
        if judged.report.exists():
            bad = judged.failed()
            names = "; ".join(f"{found.type} {' '.join(found.columns)}" for found in bad[:3])
            expect(not bad, expected=f"{judged.what} meets every expectation", seen=f"good data is rejected by {names}")
        judged.run.succeeded(f"exit code 0 for {judged.what}")
        judged.genuine()


def test_stops_the_load(gate, seed):
    """A batch with one bad row is refused with exit code 1."""
    for name in ("unknown product", "doubled row"):
        gate.judge(f"in one row: {name}", batches.damage(batches.make(seed + 2, 0.2), seed, name)).refused()


def test_structure(gate, seed):
    """A batch with a column too few, too many or by another name, with other than the announced rows, or with none, is refused."""
    for what, change in STRUCTURE.items():
        batch = batches.make(seed + 3, 0.05)
        change(batch)
        judged = gate.judge(what, batch)
        judged.refused()
        expect(judged.failed(), expected=f"an expectation fails: {what}", seen="every expectation in the report is met")


def lose_column(batch):
    """A column is not there."""
    batch.columns.remove("discount")


def add_column(batch):
    """A column that nobody knows."""
    batch.columns.append("voucher")


def rename(old, new):
    """A column has another name."""

    def spoil(batch):
        batch.columns[batch.columns.index(old)] = new
        for row in batch.rows:
            row[new] = row[old]

    return spoil


def lose_row(batch):
    """The file was cut off."""
    batch.announced = len(batch.rows)
    batch.rows.pop()


def add_row(batch):
    """More than was announced, such as what another file holds."""
    batch.announced = len(batch.rows) - 1


def lose_all(batch):
    """Nothing was sold, says the till."""
    batch.rows.clear()


STRUCTURE = {
    "the column discount is missing": lose_column,
    "there is a column voucher that nobody has agreed on": add_column,
    "the column discount is called rebate": rename("discount", "rebate"),
    "the column status is called Status": rename("status", "Status"),
    "the name of the column amount has a blank after it": rename("amount", "amount "),
    "the last row that the manifest announces is missing": lose_row,
    "there is a row more than the manifest announces": add_row,
    "there is no row at all": lose_all,
}


def test_names_the_rows(gate, seed):
    """Each rule that a row breaks is found by an expectation on its column, which names the row and no right one."""
    judged = gate.judge("each rule is broken once", batches.damage(batches.make(seed + 4, 0.3), seed))
    judged.refused()
    for rule, rows in judged.batch.bad.items():
        name, _, column = rule.partition(":")
        see_named(judged, name, column, rows)
    see_precise(judged)
    judged.genuine()


def test_finds_planted_faults(gate, seed, evidence):
    """In a batch with faults all over, all bad rows are named (recall 1), and no others (precision 1)."""
    judged = gate.judge("the generator has planted faults", batches.make(seed + 5, 0.3, 0.03))
    truth = judged.batch.all_bad()
    assert truth
    judged.refused()
    named = set().union(*(judged.named(found) for found in judged.failed()))
    right = len(truth & named)
    evidence.note(f"recall {right}/{len(truth)}, precision {right}/{len(named)}")
    for column, rows in judged.batch.bad.items():
        see_named(judged, f"a fault in {column}", "", rows)
    see_precise(judged)


def see_named(judged: Judged, rule: str, column: str, rows: set[str]) -> None:
    """Fail the check unless expectations that fail, on this column, name these rows."""
    failed = judged.failed()
    about = [found for found in failed if not column or any(column in name for name in found.columns)]
    missed = rows - set().union(*(judged.named(found) for found in about))
    if not missed:
        return
    where = f"an expectation on {column}" if column else "an expectation"
    expected = f"{rule}: {where} fails and names line_id {listed(missed)}"
    if any(found.raised for found in failed):
        types = {found.type for found in failed if found.raised}
        fail(expected=expected, seen=f"could not be evaluated, so it names no row: {', '.join(sorted(types))}")
    if about and not any(found.rows for found in about):
        fail(expected=expected, seen="it fails, but the report does not say which rows", hint=2)
    fail(expected=expected, seen="the row is not named: it passes as good")


def see_precise(judged: Judged) -> None:
    """Fail the check if a row is named that breaks no rule."""
    for found in judged.failed():
        wrong = judged.named(found) - judged.batch.all_bad()
        seen = f"{found.type} {' '.join(found.columns)} names line_id {listed(wrong)}"
        expect(not wrong, expected="only rows that break a rule are named", seen=seen)


def test_breaks_loudly(gate, seed):
    """A gate that cannot judge (one of the three files is missing, cut off or empty) does not let the load go on."""
    for what, spoil in BROKEN.items():
        judged = gate.judge(what, batches.make(seed + 6, 0.02), spoil)
        expect(judged.run.code != 0, expected=f"an exit code other than 0: {what}", seen="exit code 0: unseen, and loaded")


def missing(name):
    """A file is not there."""
    return lambda folder: (folder / name).unlink()


def holding(name, text):
    """A file holds something else."""
    return lambda folder: (folder / name).write_text(text)


BROKEN = {
    "products.csv is missing": missing("products.csv"),
    "manifest.json is missing": missing("manifest.json"),
    "lines.csv is missing": missing("lines.csv"),
    "manifest.json is cut off": holding("manifest.json", '{"rows": 4'),
    "manifest.json does not say how many rows": holding("manifest.json", "{}"),
    "lines.csv is empty, even without a header": holding("lines.csv", ""),
    "products.csv is empty, even without a header": holding("products.csv", ""),
}


def test_schema_tests(dbt, stack, seed):
    """In the warehouse dbt's tests say rules 3, 4, 7 and 8: silent on good rows, and failing for each mistake."""
    built = dbt.build(expected="every test passes on good rows")
    warned = [node.name for node in built.nodes if node.status == "warn"]
    expect(not warned, expected="no warning on good rows", seen=f"warnings of {', '.join(warned)}")
    tests = dbt.manifest().tests()
    expect(tests, expected="schema tests", seen="there is no data test in the project")
    tables = stored(dbt)
    expect("stg_lines" not in tables, expected="stg_lines is a view, as it was", seen="it is materialized as something else")
    database, place = Database(stack["warehouse"], kept=True), seed % 100
    for change in harmless(place):
        spoke = spoken(judge(dbt, database, change.sql, tests)) and spoken(ask_dbt(dbt, change.sql))
        expect(not spoke, expected="no test speaks: this is right", seen=f"planted: {change.what}. {', '.join(spoke)}")
    for change in mistakes(place):
        spoke = spoken(judge(dbt, database, change.sql, tests))
        if not failing(spoke):
            spoke = spoken(ask_dbt(dbt, change.sql))
        said = f"only {', '.join(spoke)}" if spoke else "All tests pass"
        of_tables = f" (what looks at {', '.join(tables)} does not look at the source or a view of it)" if tables else ""
        expect(failing(spoke), expected="a test that fails", seen=f"planted: {change.what}. {said}{of_tables}")


def stored(dbt) -> list[str]:
    """The models that hold rows of their own, as of the last build."""
    models = dbt.manifest().of_kind("model")
    return sorted(model.name for model in models if model.config.get("materialized") not in ("view", "ephemeral"))


def failing(spoke: list[str]) -> bool:
    """Whether one of the tests fails."""
    return any("(fail)" in test for test in spoke)


if __name__ == "__main__":
    main(__file__)
