"""The verification's landing zone, in another place than the learner's; and Airflow's metadata as they are in practice."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from prepare import File, deliver

from delab.checks.airflow import DagRun

STORE = Path(__file__).parent / "start" / "store.py"
ZONE = """
CREATE SCHEMA zone;
CREATE TABLE zone.files (LIKE landing.files INCLUDING ALL);
CREATE TABLE zone.late (LIKE landing.files);
CREATE TABLE zone.asked (number serial, day date);
CREATE FUNCTION zone.listing(wanted date) RETURNS TABLE (name text, delimiter text) LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO zone.asked (day) VALUES (wanted);
  RETURN QUERY SELECT f.name, f.delimiter FROM zone.files f WHERE f.day = wanted ORDER BY f.name;
  INSERT INTO zone.files SELECT * FROM zone.late l WHERE l.day = wanted AND l.name NOT IN (SELECT f.name FROM zone.files f);
END $$;
"""
# What a run that is made anew has had in XComs is still there for instances of load_file that it has no longer, as when a run is
# cleared: Airflow forgets an instance's XComs when that starts again.
METADATA = """
CREATE TABLE left_behind AS SELECT * FROM xcom WITH NO DATA;
CREATE FUNCTION leave_behind() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO left_behind SELECT OLD.*;
  RETURN NULL;
END $$;
CREATE TRIGGER leave_behind AFTER DELETE ON xcom FOR EACH ROW WHEN (OLD.task_id = 'load_file') EXECUTE FUNCTION leave_behind();

CREATE FUNCTION find_again() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  logical text := split_part(NEW.run_id, '__', 2);
  most int := (SELECT max(map_index) FROM task_instance WHERE run_id = NEW.run_id AND task_id = NEW.task_id);
  made int := (SELECT id FROM dag_run WHERE dag_id = NEW.dag_id AND run_id = NEW.run_id);
BEGIN
  INSERT INTO task_instance SELECT (jsonb_populate_record(
    one, jsonb_build_object('id', gen_random_uuid(), 'map_index', gone.map_index, 'state', 'removed'))).*
  FROM task_instance one,
    (SELECT DISTINCT map_index FROM left_behind WHERE split_part(run_id, '__', 2) = logical AND map_index > most) gone
  WHERE one.id = NEW.id;
  INSERT INTO xcom SELECT (jsonb_populate_record(
    kept, jsonb_build_object('run_id', NEW.run_id, 'dag_run_id', made))).*
  FROM left_behind kept WHERE split_part(kept.run_id, '__', 2) = logical AND kept.map_index > most;
  DELETE FROM left_behind WHERE split_part(run_id, '__', 2) = logical;
  RETURN NULL;
END $$;
CREATE TRIGGER find_again AFTER UPDATE ON task_instance FOR EACH ROW
WHEN (NEW.task_id = 'load_file' AND NEW.state IN ('running', 'skipped')) EXECUTE FUNCTION find_again();
"""
THERE = "SELECT name, delimiter, content FROM zone.files UNION ALL SELECT name, delimiter, content FROM landing.files"


@dataclass(frozen=True)
class Carried:
    """One run, and what was about it.

    `files` had been delivered when it listed them, `others` are of the same names in the learner's landing zone; for `asked` days
    the store was asked. `touched` are files that changed in either landing zone, `left` those that are new beside the DAG.
    """

    run: DagRun
    moment: datetime
    files: tuple[File, ...]
    others: tuple[File, ...] = ()
    asked: tuple[date, ...] = ()
    touched: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def day(self) -> date:
        """The UTC day of its logical date."""
        return self.moment.astimezone(UTC).date()

    @property
    def instances(self) -> list[str]:
        """The instances of load_file, as Airflow names them."""
        return sorted(name for name in self.run.states if name.split("[")[0] == "load_file")


def store_elsewhere():
    """The learner's store.py, which asks the verification's landing zone."""
    return STORE.read_text().replace("landing.", "zone.")


def put(shop, files, table="zone.files"):
    """Deliver files."""
    with shop.session() as session, session.cursor() as cursor:
        for file in files:
            deliver(cursor, file, table)


def there(shop):
    """All files in both landing zones."""
    return set(shop.rows(THERE))


def beside(folder):
    """What is in the learner's folder: paths with their sizes and times."""
    found = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def neighbours(day):
    """The days before and after."""
    return [day - timedelta(days=1), day + timedelta(days=1)]
