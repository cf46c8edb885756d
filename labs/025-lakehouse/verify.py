"""Checks of lab 25: a Delta table under late, doubled and concurrent changes, its past, its files, and the same in Iceberg."""

from collections import Counter
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import catalogs
import feed
import pytest
import tables
from calls import Calls, gave

from delab.checks import expect, fail, main, show

TRIES = 80  # batches that are sent until one is caught between its files and its commit
SMALL = 24


class Shop:
    """The table of a verification, what was sent to it, and what it must hold."""

    def __init__(self, work, stack, seed: int) -> None:
        work.environment.update(stack.environment())
        self.work, self.folder = work, work.run_folder / "lake"
        self.folder.mkdir()
        self.table = self.folder / "orders"
        self.feed = feed.Feed(seed)
        self.state: feed.State = {}
        self.past: list[feed.State] = [{}]
        self.sent: dict[str, Path] = {}
        self.columns: tuple[str, ...] = ()
        self.calls = Calls(work)

    def file(self, name: str, changes: list[feed.Row], types: Any = None) -> Path:
        """A batch, to be sent."""
        self.sent[name] = feed.write(self.folder / f"{name}.parquet", changes, types)
        return self.sent[name]

    def send(self, name: str, changes: list[feed.Row], types: Any = None) -> None:
        """Send a batch and see that the table is right."""
        self.calls.call("apply_changes", "spark", self.table, self.file(name, changes, types))
        self.expected(changes)
        self.look(f"after the batch {name}")

    def expected(self, changes: list[feed.Row]) -> None:
        """Take changes into what the table must hold."""
        self.state = feed.after(self.state, changes)
        self.past.append(self.state)

    def look(self, when: str) -> None:
        """Compare the table with the truth."""
        compare(tables.rows(self.table), self.state, self.columns, when)

    def some(self, count: int, *, deleted: bool = False) -> list[int]:
        """Orders of the first batch that are, or are not, deleted."""
        return self.feed.chance.sample([n for n, row in self.state.items() if row["deleted"] == deleted and n < 1000], count)


def compare(found: list[feed.Row], state: feed.State, columns: tuple[str, ...], when: str) -> None:
    """Fail the check unless these rows are that state; names what is different."""
    missing = {"order_id", "status", "amount", "seq", "deleted", *columns} - set(found[0] if found else tables.COLUMNS)
    expect(not missing, expected="columns order_id, status, amount, seq, deleted", seen=f"{when}: without {sorted(missing)}")
    times = Counter(row["order_id"] for row in found)
    double = [order for order, count in times.items() if count > 1]
    seen = f"{when}: {len(double)} orders are there more than once, such as {show(double[:1])}"
    expect(not double, expected="one row for each order", seen=seen)
    rows = {row["order_id"]: row for row in found}
    lost, more = sorted(set(state) - set(rows)), [order for order in rows if order not in state]
    gone = sum(state[order]["deleted"] for order in lost)
    seen = f"{when}: {len(lost)} are missing ({gone} of them deleted, whose mark must stay), {len(more)} are unknown"
    expect(not lost and not more, expected=f"the {len(state)} orders that were sent", seen=seen)
    for order, wanted in state.items():
        if feed.comparable(rows[order], columns) != feed.comparable(wanted, columns):
            fail(expected=f"order {order}: {short(wanted)}", seen=f"{when}: {short(rows[order])}{mistake(rows[order], wanted)}")


def short(row: feed.Row) -> str:
    """A row for a message."""
    return ", ".join(f"{key} {value}" for key, value in row.items() if key != "order_id")


def mistake(found: feed.Row, wanted: feed.Row) -> str:
    """What a wrong row tells."""
    back = "; the order was deleted, and is back or was never taken out" if wanted["deleted"] and not found["deleted"] else ""
    if (found["seq"] or 0) < wanted["seq"]:
        return f"; an older change has won, or a newer one was lost{back}"
    if back:
        return back
    if found["seq"] == wanted["seq"]:
        return "; the change is there with other values"
    return ""


@pytest.fixture(scope="module")
def shop(work, stack, seed):
    """The learner's session with its table."""
    made = Shop(work, stack, seed)
    yield made
    made.calls.program.end()


@pytest.fixture(scope="module")
def old(shop):
    """A table with a past of three weeks, and the times of its versions."""
    path = shop.folder / "old_orders"
    return path, tables.aged(path, shop.feed, tables.today(), tables.KEEPS)


def test_applies_changes(shop):
    """apply_changes makes the table, and brings in a batch: several changes of an order, doubled, in any order: the newest wins."""
    shop.send("first", shop.feed.sent(shop.feed.history(list(range(1, 301)))))


def test_rewrites_little(shop):
    """Files without a changed order stay as they are: a few changes do not rewrite the table."""
    before = {name(uri) for uri in tables.opened(shop.table).file_uris()}
    shop.send("new", [shop.feed.change(order) for order in range(1001, 1201)])
    new = {name(uri) for uri in tables.opened(shop.table).file_uris()} - before
    shop.send("few", [shop.feed.change(order) for order in shop.some(5)])
    kept = new & {name(uri) for uri in tables.opened(shop.table).file_uris()}
    seen = f"all {len(new)} files with the 200 orders of the batch before were replaced: the whole table was written again"
    expect(kept, expected="after changes of 5 orders, files that hold none of them are still in the table", seen=seen)


def name(uri: str) -> str:
    """The name of a file."""
    return uri.rpartition("/")[2]


def test_late_and_replayed(shop):
    """Changes that come late or again change nothing: neither those older than the row, nor those from before a deletion."""
    live, gone = shop.some(12), shop.some(8, deleted=True)
    late = [{**shop.feed.change(order), "seq": shop.state[order]["seq"] - 1} for order in live[:6] + gone]
    late += [{**shop.feed.change(order, "delete"), "seq": shop.state[order]["seq"] - 1} for order in live[6:9]]
    real = [shop.feed.change(order, "delete") for order in live[9:11]] + [shop.feed.change(live[11])]
    shop.send("late", shop.feed.sent([*late, *real]))
    shop.calls.call("apply_changes", "spark", shop.table, shop.sent["first"])
    shop.look("after the batch first came again")


def test_one_commit_each(shop):
    """Every version of the table is the state after a whole batch: a reader never sees half of one."""
    place = 0
    for version in range(tables.version(shop.table) + 1):
        content = sorted(map(feed.comparable, tables.rows(shop.table, version)))
        wanted = [sorted(map(feed.comparable, values(state))) for state in shop.past]
        found = next((n for n in range(place, len(wanted)) if wanted[n] == content), None)
        seen = f"version {version} has {len(content)} rows and is no state after a batch: one went in by several commits"
        expect(found is not None, expected="each version is the state after a whole batch", seen=seen)
        place = found


def values(state: feed.State) -> list[feed.Row]:
    """The rows of a state."""
    return list(state.values())


def test_two_writers(shop, evidence):
    """Another writer commits while apply_changes is at work: both writers' changes are in the table."""
    for attempt in range(TRIES):
        a, b, c = shop.some(3)
        mine = [shop.feed.change(order) for order in (a, b)]
        theirs = [shop.feed.change(order) for order in (b, c, 5000 + attempt)]
        shop.calls.begin("apply_changes", "spark", shop.table, shop.file(f"mine-{attempt}", mine))
        held = shop.calls.hold(shop.table)
        try:
            if held:
                at = tables.version(shop.table)
                tables.merge(shop.table, theirs)
        finally:
            if held:
                shop.calls.thaw()
        told = shop.calls.answer("apply_changes")
        shop.expected([*([] if "raised" in told else mine), *(theirs if held else [])])
        if held:
            raised = told.get("raised", "")
            lost = "concurren" in raised.lower() or "conflict" in raised.lower()
            again = "; whoever loses the race must read again and try again" if lost else ""
            seen = f"it raised {show(raised)}{again}"
            expect("raised" not in told, expected="apply_changes comes to its end though another writer was quicker", seen=seen)
            shop.look(f"after another writer made version {at + 1} between your read and your commit")
            evidence.note(f"your call had read version {at}; another writer committed version {at + 1}; yours came after it")
            return
        gave(told, "apply_changes")
        shop.look("after a batch of two changes")
    raise RuntimeError(f"none of {TRIES} calls was caught between its first file and its commit")


def test_new_column(shop):
    """A new column is added to the table; rows from before have none; a producer that does not know it yet leaves it as it is."""
    a, b, c = shop.some(3)
    shop.columns = ("channel",)
    told = ((a, "web"), (b, "shop"), (2001, "web"))
    shop.send("channel", [shop.feed.change(order, channel=channel) for order, channel in told], feed.CHANNEL)
    shop.send("old producer", [shop.feed.change(a), shop.feed.change(c), shop.feed.change(2002)])


def test_refuses_another_type(shop):
    """A column that comes with another type than the table's is refused: an exception names it, the table stays."""
    order = shop.some(1)[0]
    text = [{**shop.feed.change(number), "amount": amount} for number, amount in ((order, "12.50"), (2003, "7.25"))]
    refused(shop, "amount", shop.file("text", text, feed.TEXT), "the text was cast to a number")
    refused(shop, "seq", shop.file("short", [shop.feed.change(order)], feed.SHORT), "a 32-bit number was cast to one of 64 bits")
    coded = [shop.feed.change(order, channel=7)]  # the column that came later is a column of the table like any other
    refused(shop, "channel", shop.file("coded", coded, feed.CODED), "the number was cast to text")


def refused(shop, column: str, batch: Path, cast: str) -> None:
    """A batch with a column of another type is refused."""
    before, schema = tables.version(shop.table), str(tables.opened(shop.table).schema())
    shop.calls.begin("apply_changes", "spark", shop.table, batch)
    told = shop.calls.answer("apply_changes")
    now = tables.opened(shop.table)
    ended = f"it raised {show(told['raised'])}" if "raised" in told else "it came to its end"
    changed = "; the schema was changed" if str(now.schema()) != schema else f"; {cast}" if "gave" in told else ""
    seen = f"{ended}, and the table is at version {now.version()}{changed}"
    still = "raised" in told and now.version() == before
    expect(still, expected=f"{column} of another type: an exception, and the table still at version {before}", seen=seen)
    expect(column in told["raised"], expected=f"an exception that names the column {column}", seen=show(told["raised"]))


def test_reports_the_past(shop, old):
    """report gives the orders and their amount by status as they were in a version, or at a time, whatever its zone."""
    path, times = old
    zone = timezone(timedelta(hours=5, minutes=30))
    by_time = [(2, times[3] - timedelta(hours=2)), (3, times[4] - timedelta(hours=1)), (2, times[2] + timedelta(minutes=1))]
    asked: list[tuple[int, str, dict[str, Any]]] = [(v, f"version {v}", {"version": v}) for v in (2, 3, 4)]
    for version, at in by_time:
        text = at.astimezone(zone).isoformat()
        asked.append((version, f"{text}, when version {version} was valid", {"at": {"at": text}}))
    contents = [tables.rows(path, version) for version in range(5)]
    truths = [tables.summary(content) for content in contents]
    for version, what, how in asked:
        found = shop.calls.call("report", "spark", path, **how)
        ok = isinstance(found, dict) and {key: list(value) for key, value in found.items()} == truths[version]
        other = next((v for v, truth in enumerate(truths) if found == truth), None)
        seen = f"{show(found)}" + (f", which is version {other}" if other is not None else "")
        seen += "; the deleted are counted, too" if found == tables.summary(contents[version], deleted=True) else ""
        expect(ok, expected=f"as of {what}: {truths[version]}", seen=seen)
    first_version(shop)


def first_version(shop) -> None:
    """Version 0 of a young table is a version like any other."""
    path = shop.folder / "young"
    tables.small_files(path, shop.feed, 2)
    truth = tables.summary(tables.rows(path, 0))
    told = shop.calls.call("report", "spark", path, version=0)
    ok = isinstance(told, dict) and {key: list(value) for key, value in told.items()} == truth
    expect(ok, expected=f"as of version 0: {truth}", seen=f"{show(told)}; is 0 taken for no version?")


def test_compacts(shop):
    """compact brings small files together and changes no data: same rows, marked as no change, and the old versions can be read."""
    path = shop.folder / "small"
    tables.small_files(path, shop.feed, SMALL)
    truth, before = content(path), tables.version(path)
    shop.calls.call("compact", "spark", path)
    count = len(tables.opened(path).file_uris())
    expect(content(path) == truth, expected="the same rows after compact", seen="other rows")
    expect(count <= 3, expected=f"at most 3 files of {SMALL} small ones", seen=f"{count} files")
    made = [action for v in range(before + 1, tables.version(path) + 1) for action in tables.actions(path, v)]
    changes = sum(bool(kind["dataChange"]) for action in made for kind in (action.get("add"), action.get("remove")) if kind)
    seen = f"{changes} files are logged with dataChange true: whoever follows the table as a stream gets all rows again"
    expect(not changes, expected="files that are only rearranged are logged with dataChange false", seen=seen)
    lost = [v for v in range(before + 1) if not tables.readable(path, v)]
    expect(not lost, expected="the versions from before can still be read", seen=f"files of versions {lost} are gone")


def content(path: Path) -> list[Any]:
    """The rows of a table, to be compared."""
    return sorted(map(feed.comparable, tables.rows(path)))


def test_iceberg_snapshots(shop, old):
    """to_iceberg makes shop.orders, with a snapshot for each of the versions asked for, tagged v and its number."""
    path, _ = old
    place = shop.folder / "iceberg"
    shop.calls.call("to_iceberg", "spark", path, {"catalog": str(place)}, [2, 3, 4])
    table = iceberg(place)
    for version in (2, 3, 4):
        snapshot = table.snapshot_by_name(f"v{version}")
        expect(snapshot, expected=f"a tag v{version}", seen=f"tags and branches: {sorted(table.refs())}")
        found = sorted(map(feed.comparable, table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().to_pylist()))
        wanted = sorted(map(feed.comparable, tables.rows(path, version)))
        more = f", {len(found) - len(wanted)} too many: appended to those before" if len(found) > len(wanted) else ""
        right = f"snapshot v{version} has the {len(wanted)} rows of the version"
        expect(found == wanted, expected=right, seen=f"{len(found)} rows{more}")


def iceberg(place: Path) -> Any:
    """The Iceberg table. Fails the check if there is none."""
    catalog = catalogs.local(place)
    expect(catalog.table_exists("shop.orders"), expected="the Iceberg table shop.orders in the catalog", seen="no such table")
    return catalog.load_table("shop.orders")


def test_iceberg_rename(shop):
    """rename_amount calls the column amount total in Iceberg: the same column by its id, and no file of data is written anew."""
    place = shop.folder / "iceberg"
    before = iceberg(place)
    field, data, rows = before.schema().find_field("amount").field_id, paths(before), amounts(before, "amount")
    shop.calls.call("rename_amount", {"catalog": str(place)})
    table = iceberg(place)
    names = {column.name: column.field_id for column in table.schema().fields}
    expect(
        "total" in names and "amount" not in names,
        expected="a column total and none called amount",
        seen=f"columns {sorted(names)}",
    )
    same = names["total"] == field
    expect(
        same,
        expected=f"total is the column with id {field}",
        seen=f"id {names['total']}: another column; old files have no values for it",
    )
    expect(paths(table) == data, expected="the same files of data", seen="other files: the data were written again for a name")
    expect(amounts(table, "total") == rows, expected="the amounts as before", seen="other values")


def paths(table: Any) -> set[str]:
    """The files of data of the current snapshot."""
    return {task.file.file_path for task in table.scan().plan_files()}


def amounts(table: Any, name: str) -> list[Any]:
    """A column by order."""
    return sorted((row["order_id"], row[name]) for row in table.scan().to_arrow().to_pylist())


def test_vacuums(shop, old):
    """vacuum removes what no version within the table's retention needs, and what killed writers left; nothing else."""
    path, _ = old
    shop.calls.call("vacuum", "spark", path)
    gone = [version for version in range(5) if not tables.readable(path, version)]
    needed = [version for version in gone if version > 0]
    valid = {1: "15 to 8 days ago", 2: "8 days ago", 3: "8 to 3 days ago"}
    seen = "".join(f"version {v}, valid {valid.get(v, 'now')}, can't be read any more; " for v in needed)
    expect(not needed, expected="a table that keeps ten days can still be read as it was ten days ago", seen=seen.rstrip("; "))
    for name, what in ((tables.WRITTEN, "that a writer is writing just now"), (tables.RECENT, "that a writer made nine days ago")):
        expect((path / name).exists(), expected=f"the file {what} stays", seen="it is gone: a commit that names it will be broken")
    expect(0 in gone, expected="the files of version 0, replaced 15 days ago, are gone", seen="they are still there")
    seen = "it is still there: it is in no version, so only a look into the folder finds it"
    expect(not (path / tables.KILLED).exists(), expected="the file that a killed writer left 12 days ago is gone", seen=seen)
    usual(shop)


def usual(shop) -> None:
    """A table that does not say how long it keeps its past keeps seven days."""
    path = shop.folder / "usual_orders"
    tables.aged(path, shop.feed, tables.today())
    shop.calls.call("vacuum", "spark", path)
    there = [version for version in range(5) if tables.readable(path, version)]
    wanted = "of a table that does not say how long it keeps its past: versions 3 and 4 can be read, older ones were replaced "
    seen = f"versions {there} can be read: the retention is the table's own, and seven days without one"
    expect(there == [3, 4], expected=f"{wanted}more than seven days ago and are gone", seen=seen)
    left = [name for name in (tables.KILLED, tables.RECENT) if (path / name).exists()]
    wanted = "of such a table: files in no version, made 12 and 9 days ago, are gone, and what is being written stays"
    seen = f"still there {left}: the retention is the table's own, and seven days without one"
    expect(not left and (path / tables.WRITTEN).exists(), expected=wanted, seen=seen)


def test_survives_a_kill(shop, evidence):
    """The job is killed when it has written files and not committed: nobody sees them, and the same batch can be sent again."""
    for attempt in range(TRIES):
        changes = [shop.feed.change(order) for order in shop.some(3)] + [shop.feed.change(3000 + attempt)]
        name = f"killed-{attempt}"
        shop.calls.begin("apply_changes", "spark", shop.table, shop.file(name, changes))
        if shop.calls.hold(shop.table):
            break
        gave(shop.calls.answer("apply_changes"), "apply_changes")
        shop.expected(changes)
    else:
        raise RuntimeError(f"none of {TRIES} calls was caught between its first file and its commit")
    shop.calls.kill()
    shop.look("after your job was killed before its commit")
    evidence.note("killed before its commit: the files lie in the folder, and no version names them")
    shop.calls = Calls(shop.work)
    shop.calls.call("apply_changes", "spark", shop.table, shop.sent[name])
    shop.expected(changes)
    shop.look("after the batch of the killed job was sent again")


if __name__ == "__main__":
    main(__file__)
