"""Checks of lab 22: the gate lets good batches through, stops bad ones, and says which rows."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import prepare as batches
import pytest
from plants import harmless, mistakes

from delab.checks import Database, expect, fail, main
from delab.checks.dbt_tests import judge
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
        return {name for name in (line_id(row, self.batch) for row in found.rows) if name}


class Gate:
    """The learner's gate.py."""

    def __init__(self, work, warm) -> None:
        self.work, self.warm, self.count = work, warm, 0

    def judge(self, what: str, batch: batches.Batch, without: str = "") -> Judged:
        """Run it on a batch; `what` says what is special about that."""
        self.count += 1
        folder = batch.write(self.work.run_folder / f"batch-{self.count}")
        report = self.work.run_folder / f"report-{self.count}.json"
        if without:
            (folder / without).unlink()
        run = self.warm.run("gate.py", str(folder), str(report), seconds=SECONDS)
        shutil.rmtree(folder, ignore_errors=True)  # the gate may have moved it away
        return Judged(what, batch, run, report)


def line_id(row, batch) -> str:
    """The line_id that an entry of unexpected_index_list means: a position, or an object that names it."""
    if isinstance(row, dict):
        value = str(row.get("line_id", ""))
        return value.removesuffix(".0")
    whole = isinstance(row, int) and not isinstance(row, bool)
    return batch.rows[row]["line_id"] if whole and 0 <= row < len(batch.rows) else ""


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
        judged.findings()


def test_stops_the_load(gate, seed):
    """A batch with one bad row is refused with exit code 1."""
    for name in ("unknown product", "doubled row"):
        gate.judge(f"in one row: {name}", batches.damage(batches.make(seed + 2, 0.2), seed, name)).refused()


def test_structure(gate, seed):
    """A batch with a column too few or too many, with other than the announced rows, or with none, is refused, with a report."""
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
    """A gate that cannot judge (one of the three files is missing) does not let the load go on."""
    for name in ("products.csv", "manifest.json", "lines.csv"):
        judged = gate.judge(f"{name} is missing", batches.make(seed + 6, 0.02), without=name)
        expected = f"an exit code other than 0: {name} is missing"
        expect(judged.run.code != 0, expected=expected, seen="exit code 0: unseen, and loaded")


def test_schema_tests(dbt, stack, seed):
    """In the warehouse dbt's tests say rules 3, 4, 7 and 8: silent on good rows, and failing for each mistake."""
    built = dbt.build(expected="every test passes on good rows")
    loud = [node.name for node in built.nodes if node.status == "warn"]
    expect(not loud, expected="no warning on good rows", seen=f"warnings of {', '.join(loud)}")
    expect(dbt.manifest().tests(), expected="schema tests", seen="there is no data test in the project")
    for model in dbt.manifest().of_kind("model"):
        kind = model.config.get("materialized")
        expect(kind in ("view", "ephemeral"), expected=f"{model.name} is a view, as it was", seen=f"it is materialized as {kind}")
    database, place = Database(stack["warehouse"]), seed % 100
    for change in harmless(place):
        spoke = loud_tests(dbt, database, change.sql)
        expect(not spoke, expected="no test speaks: this is right", seen=f"planted: {change.what}. {', '.join(spoke)}")
    for change in mistakes(place):
        spoke = loud_tests(dbt, database, change.sql)
        seen = f"planted: {change.what}. {'only ' + ', '.join(spoke) if spoke else 'All tests pass'}"
        expect(any("(fail)" in test for test in spoke), expected="a test that fails", seen=seen)


def loud_tests(dbt, database: Database, plant: str) -> list[str]:
    """The tests that are not silent about something planted."""
    return [f"{told.name} ({told.said})" for told in judge(dbt, database, plant) if told.said != "pass"]


if __name__ == "__main__":
    main(__file__)
