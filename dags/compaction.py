"""Many small Parquet files of a folder into few large ones, partition by partition.

Variable `compaction`: JSON such as `{"folder": "/lake/events", "rows": 1000000, "least": 4}`. Each folder that holds at least
`least` files is a partition; its files become files of at most `rows` rows. The new files are written beside the old ones in a
hidden folder, counted, and then the two folders change places: two renames, between which a reader finds no such partition and has
to try again. A run that dies leaves the old folder or the new one, never half of each; the next run repairs.
"""

import shutil
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.sdk import Variable, dag, task
from dag_parts import alerts

OLD, NEW = ".before-", ".compact-"  # names that readers leave out


@dag(
    schedule="@weekly",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "on_failure_callback": alerts.task_failed},
    tags=["lake"],
    doc_md=__doc__,
)
def compaction():
    """Repair what a dead run left, find, compact each."""

    @task
    def repair() -> list[str]:
        return [str(path) for path in repaired(Path(settings()["folder"]))]

    @task
    def find() -> list[str]:
        wanted = settings()
        folders = sorted({file.parent for file in Path(wanted["folder"]).rglob("*.parquet") if not hidden(file, wanted["folder"])})
        return [str(folder) for folder in folders if len(list(folder.glob("*.parquet"))) >= wanted.get("least", 4)]

    @task(max_active_tis_per_dagrun=2)
    def compact(folder: str) -> dict[str, int]:
        return compacted(Path(folder), settings().get("rows", 1_000_000))

    partitions = find()
    repair() >> partitions
    compact.expand(folder=partitions)


def settings() -> dict:
    """What the variable says."""
    return Variable.get("compaction", deserialize_json=True)


def hidden(file: Path, root: str) -> bool:
    """Whether a file is in a folder that readers leave out."""
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def repaired(root: Path) -> list[Path]:
    """Finish or undo exchanges that were cut short; returns the partitions concerned."""
    found = []
    for old in [*root.rglob(f"{OLD}*")]:
        place = old.with_name(old.name.removeprefix(OLD))
        shutil.rmtree(old) if place.exists() else old.rename(place)
        found.append(place)
    for draft in [*root.rglob(f"{NEW}*")]:
        shutil.rmtree(draft)
    return found


def compacted(folder: Path, rows: int) -> dict[str, int]:
    """Write the partition anew and exchange it."""
    import pyarrow.dataset as files

    draft, old = folder.with_name(NEW + folder.name), folder.with_name(OLD + folder.name)
    shutil.rmtree(draft, ignore_errors=True)
    source = files.dataset(folder, format="parquet")
    files.write_dataset(
        source.scanner(batch_size=min(rows, 131_072)),
        draft,
        format="parquet",
        max_rows_per_file=rows,
        max_rows_per_group=min(rows, 131_072),
        basename_template="part-{i}.parquet",
    )
    counts = source.count_rows(), files.dataset(draft, format="parquet").count_rows()
    if counts[0] != counts[1]:
        raise ValueError(f"{folder}: {counts[0]} rows became {counts[1]}")
    before = len(list(folder.glob("*.parquet")))
    folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old)
    return {"rows": counts[0], "files_before": before, "files_after": len(list(folder.glob("*.parquet")))}


compaction()
