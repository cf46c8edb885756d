"""The templates: each is laid out elsewhere, its own tests pass and its job runs there; updates keep what a person has changed."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from delab import cli, java, pipelines, templates
from delab.errors import LabError
from delab.runtime import Endpoint
from delab.services import make
from delab.services.postgres import connect

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("copier"), reason="the pack templates is needed")
ROOT = Path(__file__).parent.parent
PARTS = ("copier.yml", "templates", "dags", "dbt_project", "spark_jobs")
TOOLS = {"dag": ("airflow",), "dbt": ("dbt", "duckdb"), "quality": ("great_expectations",), "spark": ("pyspark",)}
NAME = "daily-sales"
PROGRAMS = Path(sys.executable).parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def committed(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


@pytest.fixture(scope="module")
def delab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of delab as it is in this folder, committed or not; as far as templates need it."""
    clone = tmp_path_factory.mktemp("clone") / "delab"
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "target", "logs")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, clone / part, symlinks=True, ignore=ignored)
        else:
            clone.mkdir()
            shutil.copy(ROOT / part, clone / part)
    git(clone, "init", "-q")
    committed(clone, "templates")
    return clone


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Endpoint]:
    stack = templates.Scratch(templates.Plan("pipelines", (make("warehouse", {"kind": "postgres"}),)))
    stack.start()
    yield stack["warehouse"].endpoint
    stack.destroy()


@pytest.fixture
def run(warehouse: Endpoint, tmp_path: Path) -> Run:
    """A program of this environment in a project, told by variables alone where things are."""
    at = f"{warehouse.user}:{warehouse.password}@{warehouse.host}:{warehouse.port}/{warehouse.database}"
    told = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", str(tmp_path)),
        "AIRFLOW_CONN_WAREHOUSE": f"postgres://{at}",
        "QUALITY_URL": f"postgresql+psycopg2://{at}",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if home := java.system() or java.packaged():
        told |= {"JAVA_HOME": str(home), "JDK_JAVA_OPTIONS": " ".join(java.QUICK)}

    def call(project: Path, *command: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(command, cwd=project, env=told, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout[-6000:] + done.stderr[-3000:]
        return done

    return call


def laid_out(delab: Path, template: str, into: Path) -> Path:
    project = pipelines.create(NAME, template, into, source=delab)
    git(project, "init", "-q")
    committed(project, "laid out")
    return project


@pytest.mark.parametrize("template", TOOLS)
def test_its_own_tests_pass_in_a_project(delab: Path, template: str, tmp_path: Path, run: Run) -> None:
    if not all(map(importlib.util.find_spec, TOOLS[template])):
        pytest.skip(f"{TOOLS[template]} are needed")
    project = laid_out(delab, template, tmp_path)
    said = run(project, "python", "-m", "pytest", "-q", "-p", "no:delab", "-p", "no:cacheprovider", "-p", "no:xdist").stdout
    assert re.search(r"^\d+ passed", said, re.M), said
    assert "skipped" not in said
    left = git(project, "status", "--porcelain")
    assert left == "", "a test run leaves files that are not ignored"


def test_the_spark_job_runs_by_spark_submit(delab: Path, tmp_path: Path, run: Run) -> None:
    pytest.importorskip("pyspark")
    project = laid_out(delab, "spark", tmp_path)
    (tmp_path / "orders.csv").write_text("order_id,ordered_at,currency,status\n1,2025-01-01T10:00:00Z,EUR,completed\n")
    (tmp_path / "lines.csv").write_text("line_id,order_id,quantity,amount\n11,1,2,10.50\n")
    paths = [part for name in ("orders", "lines") for part in (f"--{name}", str(tmp_path / f"{name}.csv"))]
    where = ("--master", "local[1]", "--conf", "spark.ui.enabled=false", "--conf", "spark.sql.shuffle.partitions=1")
    run(project, "spark-submit", *where, "jobs/daily_sales.py", *paths, "--format", "csv", "--output", str(tmp_path / "out"))
    assert list((tmp_path / "out" / "day=2025-01-01").glob("*.parquet"))


def test_the_quality_job_judges_a_table_where_it_is(delab: Path, tmp_path: Path, warehouse: Endpoint, run: Run) -> None:
    pytest.importorskip("great_expectations")
    project = laid_out(delab, "quality", tmp_path)
    columns = "order_id int, ordered_at timestamptz, customer_id int, currency text, status text, amount numeric"
    with connect(warehouse, seconds=60) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bought ({columns})")
        cursor.execute("INSERT INTO bought VALUES (1, now(), 7, 'EUR', 'completed', 14.5), (2, now(), NULL, 'EUR', 'completed', 1)")
    said = run(project, "python", "validate.py", "--table", "public.bought", code=1).stdout
    assert "not met: expect_column_values_to_not_be_null customer_id: 1 rows" in said
    assert "1 of " in said


# What is laid out


@pytest.mark.parametrize("template", TOOLS)
def test_a_project_is_whole(delab: Path, template: str, tmp_path: Path) -> None:
    project = laid_out(delab, template, tmp_path)
    found = [path for path in project.rglob("*") if ".git" not in path.parts and path.is_file()]
    assert not [path for path in found if path.is_symlink()]
    marks = re.compile(r"\[\[ |\[%|%\]")
    assert [path for path in found if marks.search(path.read_text())] == []
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert about["name"] == NAME
    lock = (project / "requirements.lock").read_text()
    pinned = [*about["dependencies"], *about["optional-dependencies"]["dev"]]
    assert [need for need in pinned if f"{need} \\\n" not in lock] == [], "run scripts/lock"
    assert "--hash=sha256:" in lock
    for rules in (("check",), ("format", "--check")):
        subprocess.run([str(PROGRAMS / "ruff"), *rules, "--no-cache", "."], cwd=project, check=True)
    workflow = yaml.safe_load((project / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    assert "pip install --require-hashes -r requirements.lock" in steps
    assert "pytest -ra" in steps
    for told in re.findall(r"`(\w+/?[\w.]*\.(?:py|yml|csv|toml|lock))`", (project / "README.md").read_text()):
        assert (project / told).exists(), f"README.md speaks of {told}"


def test_what_the_repository_has_is_what_is_laid_out(delab: Path, tmp_path: Path) -> None:
    dag, dbt, spark = (laid_out(delab, template, tmp_path / template) for template in ("dag", "dbt", "spark"))
    renamed = (ROOT / "dags" / "batch_ingest.py").read_text().replace("batch_ingest", "daily_sales")
    assert (dag / "dags" / "daily_sales.py").read_text() == renamed.replace("delab://warehouse/", "warehouse://")
    assert (spark / "jobs" / "daily_sales.py").read_text() == (ROOT / "spark_jobs" / "batch_etl.py").read_text().replace(
        "batch_etl", "daily_sales"
    )
    for folder in ("models", "macros", "snapshots", "tests"):
        for file in (ROOT / "dbt_project" / folder).rglob("*"):
            if file.is_file():
                assert (dbt / file.relative_to(ROOT / "dbt_project")).read_bytes() == file.read_bytes()


def test_every_template_is_a_choice_of_copiers(delab: Path) -> None:
    questions = (ROOT / "copier.yml").read_text()
    choices = yaml.safe_load(questions)["template"]["choices"]
    assert sorted(choices.values()) == pipelines.templates(delab) == sorted(TOOLS)


# Refusals


@pytest.mark.parametrize("name", ["Sales", "1st", "a b", "a--b", "-a", "a-", "ünder", "a/b", "", ".."])
def test_a_bad_name_is_refused_by_both(delab: Path, tmp_path: Path, name: str) -> None:
    import copier

    with pytest.raises(LabError, match="can't be the name") as told:
        pipelines.create(name, "dag", tmp_path, source=delab)
    assert "small letters" in told.value.fix
    with pytest.raises(ValueError, match="small letters"):
        copier.run_copy(str(delab), tmp_path / "x", data={"name": name, "template": "dag"}, vcs_ref="HEAD", quiet=True)


@pytest.mark.parametrize(("name", "why"), [("json", "Python"), ("class", "Python"), ("airflow", "in use"), ("dag-parts", "in use")])
def test_a_name_that_would_hide_a_module_is_refused(delab: Path, tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(LabError, match=why):
        pipelines.create(name, "dag", tmp_path, source=delab)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_template_lists_those_there_are(delab: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no template 'flink'") as told:
        pipelines.create(NAME, "flink", tmp_path, source=delab)
    assert told.value.fix == "there are: dag, dbt, quality, spark"


def test_a_second_time_is_refused_and_a_place_inside_delab_too(delab: Path, tmp_path: Path) -> None:
    project = laid_out(delab, "quality", tmp_path)
    before = (project / "README.md").read_text()
    with pytest.raises(LabError, match="is there and not empty") as told:
        pipelines.create(NAME, "spark", tmp_path, source=delab)
    assert "lab update-pipeline" in told.value.fix
    assert (project / "README.md").read_text() == before
    with pytest.raises(LabError, match="inside delab itself"):
        pipelines.create(NAME, "dag", delab / "work", source=delab)
    with pytest.raises(LabError, match="no folder that you can write to"):
        pipelines.create(NAME, "dag", project / "README.md", source=delab)


# Updates


@pytest.fixture
def newer(delab: Path, tmp_path: Path) -> Callable[[str, str, str], None]:
    """A clone of its own, in which a file can be changed and committed."""
    own = tmp_path / "delab"
    shutil.copytree(delab, own, symlinks=True)

    def change(file: str, before: str, after: str) -> None:
        text = (own / file).read_text()
        assert before in text
        (own / file).write_text(text.replace(before, after))
        committed(own, f"change {file}")

    return change


def test_an_update_brings_what_is_new_and_keeps_what_is_the_persons(newer: Callable[[str, str, str], None], tmp_path: Path) -> None:
    project = laid_out(tmp_path / "delab", "dag", tmp_path / "mine")
    dag = project / "dags" / "daily_sales.py"
    dag.write_text(dag.read_text().replace("@hourly", "@daily"))
    (project / "notes.md").write_text("mine\n")
    (project / "dags" / ".airflowignore").unlink()
    committed(project, "my own")
    newer("dags/batch_ingest.py", "return sum(rows or [])", "return sum(rows or [0])")
    newer("dags/dag_parts/alerts.py", "SECONDS = 10", "SECONDS = 20")
    changed, conflicts = pipelines.update(project)
    assert conflicts == []
    assert sorted(changed) == [".copier-answers.yml", "dags/dag_parts/alerts.py", "dags/daily_sales.py"]
    assert "return sum(rows or [0])" in dag.read_text()
    assert 'schedule="@daily"' in dag.read_text()
    assert "SECONDS = 20" in (project / "dags" / "dag_parts" / "alerts.py").read_text()
    committed(project, "updated")
    assert pipelines.update(project) == ([], [])
    newer("templates/dag/.gitignore", "/landing/", "/landing/\n/lake/")
    subprocess.run([str(PROGRAMS / "copier"), "update", "--defaults", "--quiet"], cwd=project, check=True)
    assert "/lake/" in (project / ".gitignore").read_text()
    assert 'schedule="@daily"' in dag.read_text()


def test_what_both_have_changed_is_marked(newer: Callable[[str, str, str], None], tmp_path: Path) -> None:
    project = laid_out(tmp_path / "delab", "dag", tmp_path / "mine")
    dag = project / "dags" / "daily_sales.py"
    dag.write_text(dag.read_text().replace("@hourly", "@daily"))
    committed(project, "my own")
    newer("dags/batch_ingest.py", "@hourly", "@weekly")
    shown = CliRunner().invoke(cli.app, ["update-pipeline", str(project)])
    assert shown.exit_code == 1
    assert "conflict  dags/daily_sales.py" in shown.output
    text = dag.read_text()
    assert text.index("<<<<<<<") < text.index("@daily") < text.index("=======") < text.index("@weekly") < text.index(">>>>>>>")


def test_an_update_that_cannot_be_says_why(newer: Callable[[str, str, str], None], tmp_path: Path) -> None:
    project = laid_out(tmp_path / "delab", "spark", tmp_path / "mine")
    (project / "README.md").write_text("changed")
    with pytest.raises(LabError, match="dirty"):
        pipelines.update(project)
    git(project, "checkout", "README.md")
    (tmp_path / "delab").rename(tmp_path / "moved")
    with pytest.raises(LabError, match="not there any more") as told:
        pipelines.update(project)
    assert "_src_path" in told.value.fix
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(tmp_path / "delab"), str(tmp_path / "moved")))
    committed(project, "delab has moved")
    assert pipelines.update(project) == ([], [])
    with pytest.raises(LabError, match="not laid out"):
        pipelines.update(tmp_path)


def test_the_command_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delab: Path) -> None:
    made = CliRunner().invoke(cli.app, ["new", "pipeline", "Sales", "--template", "dag"])
    assert isinstance(made.exception, LabError)
    monkeypatch.setattr(pipelines.create, "__defaults__", (delab,))
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(cli.app, ["new", "pipeline", NAME, "--template", "spark"])
    assert shown.exit_code == 0, shown.output
    assert f"cd {tmp_path / NAME}" in shown.output
    assert (tmp_path / NAME / "jobs" / "daily_sales.py").exists()
