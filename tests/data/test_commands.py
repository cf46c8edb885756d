"""`lab data …` as a person types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from delab.data.commands import app
from delab.errors import Blocked, LabError


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "80"})


def test_list_names_the_sets() -> None:
    done = run("list")
    assert done.exit_code == 0
    assert "retail" in done.output


def test_describe_shows_tables_faults_and_answers_within_80_columns() -> None:
    done = run("describe", "retail")
    for word in ("order_lines", "orphan_key", "customer_history", "Scale"):
        assert word in done.output
    columns = run("describe", "retail", "orders")
    assert "refers to customers.customer_id" in " ".join(columns.output.split())
    assert max(len(line) for line in columns.output.splitlines() if line.startswith("order")) <= 80


def test_make_writes_files_and_says_what(tmp_path: Path) -> None:
    done = run("make", "retail", "--scale", 0.1, "--to", "csv", "--out", tmp_path / "out", "--fault", "all=0.05", "--answers")
    assert done.exit_code == 0, done.output
    assert "orders" in done.output
    assert str(tmp_path / "out") in done.output
    assert (tmp_path / "out/orders/part-00000.csv").exists()
    assert (tmp_path / "out/_planted/orders-00000.csv").exists()
    assert (tmp_path / "out/_answers/daily_sales.csv").exists()


def test_make_can_be_told_which_tables(tmp_path: Path) -> None:
    run("make", "retail", "--scale", 0.1, "--out", tmp_path / "out", "--table", "areas", "--table", "stores")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "areas", "done.jsonl", "recipe.json", "stores"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["wholesale"], "no data set 'wholesale'"),
        (["retail", "--to", "excel"], "cannot make 'excel'"),
        (["retail", "--scale", "0"], "expected a scale above 0"),
        (["retail", "--fault", "gremlin=0.1"], "no fault 'gremlin'"),
        (["retail", "--fault", "missing"], "expected --fault NAME=RATE, got 'missing'"),
        (["retail", "--fault", "missing=2"], "expected a rate from 0 to 1"),
        (["retail", "--to", "kafka", "--rate", "-1"], "must be 0 or more"),
        (["retail", "--to", "kafka"], "which Kafka broker"),
        (["retail", "--to", "kafka", "--at", "127.0.0.1:1", "--replay", "60", "--table", "payments"], "cannot be replayed"),
    ],
)
def test_mistakes_are_explained(words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    done = run("make", *words, "--out", tmp_path / "out")
    assert isinstance(done.exception, LabError)
    assert message in done.exception.message
    assert done.exception.fix
    assert not (tmp_path / "out").exists()


def test_a_missing_server_is_explained() -> None:
    done = run("make", "retail", "--to", "postgres", "--at", "host=127.0.0.1 port=1")
    assert isinstance(done.exception, Blocked)


def test_planted_shows_and_writes_the_record(tmp_path: Path) -> None:
    done = run("planted", "retail", "--fault", "orphan_key=0.1", "--out", tmp_path / "record.csv")
    lines = (tmp_path / "record.csv").read_text().splitlines()
    assert lines[0] == '"fault","table","column","key","was","is"'
    assert f"wrote {len(lines) - 1:,} to" in done.output
    assert "product_id" in done.output


def test_answer_shows_the_truth() -> None:
    done = run("answer", "retail", "store_sales", "--rows", 3)
    assert "3 of " in done.output
    assert "store_id" in done.output
