"""Files: every format holds the same rows; a stopped run goes on; what is in the way is explained."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from delab.data import Recipe, dataset, files
from delab.data.files import Folder
from delab.data.model import Block, Dataset
from delab.data.sinks import FILES
from delab.errors import Blocked, LabError

RETAIL = dataset("retail")
RECIPE = RETAIL.recipe(0.3, 5, {"missing": 0.1, "duplicate": 0.1, "wrong_type": 0.1, "stray_space": 0.1})
READ = {"parquet": "read_parquet('{}')", "csv": "read_csv('{}', all_varchar = true, nullstr = '')", "ndjson": "read_json('{}')"}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read(kind: str, folder: Path, table: str, column: str) -> list[str | None]:
    source = READ[kind].format(folder / table / f"*.{kind}")
    answer = duckdb.connect().sql(f"SELECT {column}::varchar AS value FROM {source}").to_arrow_table()
    return [row["value"] for row in answer.to_pylist()]


@pytest.mark.parametrize("kind", FILES)
def test_each_format_holds_the_rows_as_delivered(kind: str, tmp_path: Path) -> None:
    counts = Folder(RETAIL, RECIPE, kind, tmp_path / "out").make()
    for table, column in (
        ("customers", "name"),
        ("customers", "birth_date"),
        ("order_lines", "quantity"),
        ("orders", "promotion_id"),
    ):
        rows = RETAIL.rows(table, RECIPE)
        assert counts[table] == rows.num_rows
        assert read(kind, tmp_path / "out", table, column) == rows[column].cast(pa.string()).to_pylist()


@pytest.mark.parametrize("kind", ["parquet", "ndjson"])
def test_types_survive(kind: str, tmp_path: Path) -> None:
    Folder(RETAIL, Recipe(), kind, tmp_path / "out").make(["order_lines", "orders"])
    source, orders = (READ[kind].format(tmp_path / "out" / table / f"*.{kind}") for table in ("order_lines", "orders"))
    total = duckdb.sql(f"SELECT sum(amount * 100)::bigint AS total FROM {source}").to_arrow_table().to_pylist()
    assert total == [{"total": sum(int(value * 100) for value in RETAIL.rows("order_lines", Recipe())["amount"].to_pylist())}]
    last = duckdb.sql(f"SELECT epoch_us(max(ordered_at)::timestamptz) AS last FROM {orders}").to_arrow_table().to_pylist()
    assert last == [{"last": RETAIL.rows("orders", Recipe())["ordered_at"].cast(pa.int64()).to_pylist()[-1]}]


def test_the_record_and_the_answers_are_files_too(tmp_path: Path) -> None:
    folder = Folder(RETAIL, RECIPE, "parquet", tmp_path / "out")
    folder.make()
    planted = duckdb.sql(f"SELECT count(*) AS n FROM '{tmp_path}/out/_planted/*.parquet'").to_arrow_table().to_pylist()
    assert planted == [{"n": RETAIL.planted(RECIPE).num_rows}]
    assert {Path(name).stem for name in folder.answers()} == set(RETAIL.answers())
    assert (tmp_path / "out/_answers/daily_sales.parquet").exists()


class Stopping(Dataset):
    """Retail in small pages, stopped by an error at a given page."""

    def __init__(self, stop_at: int = 10**9, error: Exception | None = None) -> None:
        super().__init__("retail")
        self.stop_at, self.error, self.made = stop_at, error, 0
        self.tables = {name: type(table)(**{**fields(table), "page": 50}) for name, table in self.tables.items()}

    units, clean, answers, world = RETAIL.units, RETAIL.clean, RETAIL.answers, RETAIL.world  # type: ignore[attr-defined]

    def page(self, table: str, recipe: Recipe, start: int, stop: int) -> Block:
        self.made += 1
        if self.made == self.stop_at:
            raise self.error or KeyboardInterrupt
        return super().page(table, recipe, start, stop)


def fields(table: object) -> dict[str, object]:
    return {name: getattr(table, name) for name in table.__struct_fields__}  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PART_PAGES", 2)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("stop_at", [1, 2, 7, 30])
def test_a_stopped_run_goes_on_where_it_stopped(kind: str, stop_at: int, tmp_path: Path) -> None:
    whole = Stopping()
    counts = Folder(whole, RECIPE, kind, tmp_path / "whole").make()
    with pytest.raises(KeyboardInterrupt):
        Folder(Stopping(stop_at), RECIPE, kind, tmp_path / "out").make()
    assert not list((tmp_path / "out").rglob("*.new"))
    rest = Stopping()
    assert Folder(rest, RECIPE, kind, tmp_path / "out").make() == counts
    assert rest.made <= whole.made - stop_at + 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_a_killed_run_left_half_written_is_cleared(tmp_path: Path) -> None:
    Folder(Stopping(), RECIPE, "csv", tmp_path / "out").make(["orders"])
    left = tmp_path / "out/orders/.part-00000.csv.12345.new"
    left.write_text("half")
    Folder(Stopping(), RECIPE, "csv", tmp_path / "out").make(["orders"])
    assert not left.exists()


def test_two_runs_in_one_folder_are_one_too_many(tmp_path: Path) -> None:
    one = Folder(Stopping(), RECIPE, "csv", tmp_path / "out")
    with one.claimed(), pytest.raises(Blocked, match="another command makes data"):
        Folder(Stopping(), RECIPE, "csv", tmp_path / "out").make()
    assert one.make(["areas"]) == {"areas": 88}


def test_a_finished_run_makes_nothing_again(tmp_path: Path) -> None:
    counts = Folder(Stopping(), RECIPE, "csv", tmp_path / "out").make()
    again = Stopping()
    assert Folder(again, RECIPE, "csv", tmp_path / "out").make() == counts
    assert again.made == 0


def test_a_part_that_was_removed_or_whose_record_was_cut_short_is_made_again(tmp_path: Path) -> None:
    Folder(Stopping(), RECIPE, "csv", tmp_path / "out").make()
    whole = contents(tmp_path / "out")
    (tmp_path / "out/orders/part-00001.csv").unlink()
    record = tmp_path / "out/done.jsonl"
    record.write_text(record.read_text()[:-20])
    Folder(Stopping(), RECIPE, "csv", tmp_path / "out").make()
    assert contents(tmp_path / "out") == whole


def test_parts_put_together_are_the_table(tmp_path: Path) -> None:
    Folder(Stopping(), Recipe(0.5, 2), "parquet", tmp_path / "out").make(["order_lines"])
    assert len(list((tmp_path / "out/order_lines").iterdir())) == 5
    ids = read("parquet", tmp_path / "out", "order_lines", "line_id")
    assert ids == RETAIL.rows("order_lines", Recipe(0.5, 2))["line_id"].cast(pa.string()).to_pylist()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Disk quota exceeded")])
def test_a_full_disk_keeps_what_is_complete_and_says_how_to_go_on(error: OSError, tmp_path: Path) -> None:
    with pytest.raises(Blocked, match="is full; the parts that were complete are kept") as seen:
        Folder(Stopping(9, error), RECIPE, "parquet", tmp_path / "out").make()
    assert "repeat the command" in seen.value.fix
    done = [json.loads(line)["file"] for line in (tmp_path / "out/done.jsonl").read_text().splitlines()]
    assert done
    assert all((tmp_path / "out" / name).exists() for name in done)


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        Folder(Stopping(3, PermissionError(errno.EACCES, "no")), RECIPE, "csv", tmp_path / "out").make()


@pytest.mark.parametrize("other", [Recipe(0.3, 6), Recipe(0.4, 5), Recipe(0.3, 5)])
def test_a_folder_of_another_recipe_is_refused(other: Recipe, tmp_path: Path) -> None:
    Folder(RETAIL, RECIPE, "csv", tmp_path / "out").make(["areas"])
    with pytest.raises(LabError, match="of another recipe") as seen:
        Folder(RETAIL, other, "csv", tmp_path / "out").make(["areas"])
    assert "--out" in seen.value.fix
    with pytest.raises(LabError, match="of another recipe"):
        Folder(RETAIL, RECIPE, "ndjson", tmp_path / "out").make(["areas"])


def test_a_folder_of_somebody_elses_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(LabError, match="holds other files"):
        Folder(RETAIL, RECIPE, "csv", tmp_path).make(["areas"])
    assert contents(tmp_path) == {"mine.txt": b"keep"}


def test_progress_is_reported(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    report: Callable[[str, int, int], None] = lambda *said: seen.append(said)  # noqa: E731
    counts = Folder(Stopping(), RECIPE, "csv", tmp_path / "out").make(["orders", "areas"], report)
    assert sum(rows for table, _, rows in seen if table == "orders") == counts["orders"]
    assert seen[-1][:2] == ("areas", RETAIL.units("areas", RECIPE))
