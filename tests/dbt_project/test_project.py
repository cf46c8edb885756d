"""The project itself: no deprecations, all of it documented, and freshness, contracts and metrics that do what they say."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from delab.warehouse import Warehouse, Worker

SCALE, SEED = 0.3, 12


@pytest.fixture(scope="module")
def built(house: Any) -> Any:
    house.load(scale=SCALE, seed=SEED)
    house.build()
    return house


@pytest.fixture(scope="module")
def manifest(built: Any) -> dict[str, Any]:
    assert built.dbt.run("docs generate").success
    return json.loads((built.dbt.folder / "manifest.json").read_text())


def nodes(manifest: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == kind]


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_it_parses_without_a_warning(house: Any) -> None:
    parsed = house.dbt.run("parse", "--no-partial-parse", "--show-all-deprecations", "--warn-error")
    assert parsed.success, parsed.log
    assert "deprecat" not in parsed.log.lower()
    assert "warn" not in parsed.log.lower()


def test_a_deprecation_would_be_seen(house: Any, worker: Worker, project: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(project, tmp_path / "copy"))
    stores = copy / "models" / "staging" / "stg_stores.yml"
    stores.write_text(
        stores.read_text().replace("accepted_values: {arguments: {values: [shop, web]}}", "accepted_values: {values: [shop, web]}")
    )
    parsed = Warehouse(worker, tmp_path / "out", house.dbt.environment, copy).run(
        "parse", "--show-all-deprecations", "--warn-error"
    )
    assert not parsed.success
    assert "MissingArgumentsPropertyInGenericTestDeprecation" in parsed.log + parsed.exception


def test_nothing_is_written_into_the_project(built: Any, project: Path) -> None:
    before = files(project)
    built.dbt.run("compile")
    assert files(project) == before
    assert not any((project / name).exists() for name in ("target", "logs", ".user.yml", "dbt_packages"))


def test_each_sql_lies_beside_its_yml(project: Path) -> None:
    folders = ("models", "macros", "tests")
    lonely = [path for folder in folders for path in (project / folder).rglob("*.sql") if not path.with_suffix(".yml").exists()]
    assert {path.parent.name for path in lonely} <= {"generic"}


def test_everything_is_documented(built: Any, manifest: dict[str, Any]) -> None:
    catalog = json.loads((built.dbt.folder / "catalog.json").read_text())
    models = nodes(manifest, "model")
    assert {node["unique_id"] for node in models} <= set(catalog["nodes"])
    described = [*models, *manifest["sources"].values(), *nodes(manifest, "snapshot")]
    described += [macro for macro in manifest["macros"].values() if macro["package_name"] == "retail" and "__" not in macro["name"]]
    described = [thing for thing in described if not thing["name"].startswith("test_")]
    assert [thing["name"] for thing in described if not thing["description"].strip()] == []
    for node in models:
        if "marts" in node["fqn"] and node["config"]["contract"]["enforced"]:
            assert [name for name, column in node["columns"].items() if not column["description"]] == [], node["name"]
            assert set(node["columns"]) == set(catalog["nodes"][node["unique_id"]]["columns"]), node["name"]


def test_every_mart_has_a_contract_and_a_test_of_its_grain(manifest: dict[str, Any]) -> None:
    grains = re.compile(r"^(unique|unique_grain|relationships)_")
    for node in nodes(manifest, "model"):
        if node["schema"] != "retail_marts":
            continue
        assert node["config"]["contract"]["enforced"], node["name"]
        tests = [test["name"] for test in nodes(manifest, "test") if test.get("attached_node") == node["unique_id"]]
        key = any(
            constraint["type"] == "primary_key" for column in node["columns"].values() for constraint in column["constraints"]
        )
        assert key or any(grains.match(name) for name in tests) or node["name"] == "time_spine", node["name"]


def test_docs_reach_the_database(built: Any) -> None:
    [(said,)] = built.rows("SELECT obj_description('retail_marts.fct_orders'::regclass)")
    assert said.startswith("Grain: an order.")


def test_staging_alone_reads_sources_and_nothing_reads_marts_from_below(manifest: dict[str, Any]) -> None:
    layers = {"staging": 0, "intermediate": 1, "marts": 2}
    for node in nodes(manifest, "model"):
        layer = layers[node["fqn"][1]]
        for parent in node["depends_on"]["nodes"]:
            if parent.startswith("source."):
                assert layer == 0, node["name"]
            else:
                assert layers[manifest["nodes"][parent]["fqn"][1]] <= layer, (node["name"], parent)


@pytest.mark.parametrize(
    ("as_of", "statuses"),
    [
        ("2025-12-31 23:59:59+00", {"orders": "pass", "returns": "pass", "exchange_rates": "pass"}),
        ("2026-01-02 06:00:00+00", {"orders": "warn", "exchange_rates": "warn"}),
        ("2026-03-15 00:00:00+00", {"orders": "error", "customers": "error", "returns": "error", "exchange_rates": "error"}),
        (None, {"orders": "error"}),
    ],
)
def test_freshness(built: Any, as_of: str | None, statuses: dict[str, str]) -> None:
    told = built.dbt.run("source freshness", as_of=as_of)
    assert told.success == ("error" not in statuses.values())
    assert {name: told[name].status for name in statuses} == statuses
    assert len(told.nodes) == 4


def test_a_contract_that_is_broken_stops_the_build(built: Any, worker: Worker, project: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(project, tmp_path / "copy"))
    region = copy / "models" / "marts" / "dimensions" / "dim_region.sql"
    region.write_text(region.read_text().replace("    region_name\n", "    region_name as name_of_region\n"))
    broken = Warehouse(worker, tmp_path / "out", built.dbt.environment, copy).run("run", "--select", "dim_region")
    assert not broken.success
    assert "enforced contract that failed" in broken["dim_region"].message


def test_measures_add_up_to_the_answer_key(built: Any, manifest: dict[str, Any], truth: Any) -> None:
    measured: dict[str, Any] = {}
    words = {"sum": "sum({})", "count": "count({})", "count_distinct": "count(DISTINCT {})"}
    for model in manifest["semantic_models"].values():
        for measure in model["measures"]:
            formula = words[measure["agg"]].format(measure["expr"] or measure["name"])
            [(measured[measure["name"]],)] = built.rows(f"SELECT {formula} FROM {model['node_relation']['relation_name']}")
        for part in [*model["dimensions"], *model["entities"]]:
            built.rows(f"SELECT {part['expr'] or part['name']} FROM {model['node_relation']['relation_name']} LIMIT 1")
    euro = sum(row[1] for row in truth("monthly_revenue", SCALE, SEED))
    totals = {(row[0], row[1]): row[2] for row in truth("clean_totals", SCALE, SEED)}
    products = truth("product_sales", SCALE, SEED)
    assert abs(measured["amount_euro"] - euro) < 1
    assert measured["lines"] == sum(row[1] for row in products)
    assert measured["quantity"] == sum(row[2] for row in products)
    assert measured["returned_lines"] == totals["returns", ""]
    assert measured["placed_orders"] == totals["orders", ""]
    assert measured["attempts"] == totals["payments", ""]
    assert measured["orders"] == sum(row[2] for row in truth("store_sales", SCALE, SEED))
    metrics = {metric["name"] for metric in manifest["metrics"].values()}
    assert metrics >= {"revenue", "net_revenue", "average_order_value", "return_rate", "revenue_to_date"}
    assert {exposure["name"] for exposure in manifest["exposures"].values()} >= {"monthly_revenue_board", "segment_analysis"}


def test_another_schema_and_other_sources_by_variables_alone(built: Any, worker: Worker, tmp_path: Path) -> None:
    built.execute(
        "CREATE SCHEMA all_rows",
        "CREATE TABLE all_rows.areas AS SELECT * FROM areas LIMIT 3",
    )
    elsewhere = {**built.dbt.environment, "DBT_SCHEMA": "retail_dev", "RETAIL_SOURCE_SCHEMA": "all_rows"}
    assert Warehouse(worker, tmp_path, elsewhere).run("run", "--select", "stg_areas").success
    assert built.rows("SELECT count(*) FROM retail_dev_staging.stg_areas") == [(3,)]
