"""The learner's commands, as they are typed."""

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from delab import lab, paths, process, progress, wait


def lab_command(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `lab` with its output in pipes."""
    command = [sys.executable, "-m", "delab.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables}, timeout=120)


@pytest.fixture
def fresh(course: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner who begins: no work, no progress; templates are shared with the other tests."""
    (paths.state() / "progress.json").unlink(missing_ok=True)
    return place / "work"


def solve(number: int, answer: str = "solution") -> None:
    """Put an answer into the learner's folder."""
    subject = lab.get(number)
    shutil.copytree(subject.folder / answer, subject.work, dirs_exist_ok=True)


def test_a_lab_from_start_to_pass(fresh: Path) -> None:
    started = lab_command("start", "901")
    assert started.returncode == 0, started.stderr
    assert "1 files of the starter are in work/901-count-rows" in started.stdout
    assert "make verify-901" in started.stdout
    assert lab_command("verify", "901").returncode == 2
    solve(901, "wrong/counts-the-header")
    failed = lab_command("verify", "901")
    assert failed.returncode == 1
    assert "one too many" in failed.stdout
    assert "make hint-901" in failed.stdout
    solve(901)
    passed = lab_command("verify", "901")
    assert passed.returncode == 0, passed.stdout
    assert progress.read()[901].passed


def test_output_in_pipes_is_plain_and_at_most_80_columns(fresh: Path) -> None:
    lab_command("start", "901")
    solve(901, "wrong/counts-the-header")
    for words in (("verify", "901"), ("labs",), ("hint", "901"), ("--help",)):
        done = lab_command(*words, COLUMNS="80")
        assert "\x1b[" not in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80, words


def test_starting_again_keeps_the_learners_file_and_restores_a_deleted_one(fresh: Path) -> None:
    lab_command("start", "901")
    file = lab.get(901).work / "count.py"
    file.write_text("mine")
    assert "your files are untouched" in lab_command("start", "901").stdout
    assert file.read_text() == "mine"
    file.unlink()
    lab_command("start", "901")
    assert file.read_text() == (lab.get(901).start / "count.py").read_text()


def test_reset_keeps_the_old_work_and_prints_its_place(fresh: Path) -> None:
    lab_command("start", "901")
    (lab.get(901).work / "count.py").write_text("an hour of work")
    done = lab_command("reset", "901")
    assert done.returncode == 0, done.stderr
    kept = next(fresh.rglob("kept/*/*/count.py"))
    assert kept.read_text() == "an hour of work"
    assert kept.parent.name in done.stdout
    lab_command("reset", "901")
    assert len(list(fresh.rglob("kept/*/*/count.py"))) == 2


def test_hints_climb_a_ladder(fresh: Path) -> None:
    assert "Hint 1 of 3" in lab_command("hint", "901").stdout
    assert "Hint 2 of 3" in lab_command("hint", "901").stdout
    assert "That was the last one" in lab_command("hint", "901").stdout
    assert "Hint 3 of 3" in lab_command("hint", "901").stdout
    assert "Hint 1 of 3" in lab_command("hint", "901", "--all").stdout


def test_the_solution_is_shown_after_a_pass_or_when_forced(fresh: Path) -> None:
    refused = lab_command("solution", "901")
    assert refused.returncode == 3
    assert "you have not passed lab 901 yet" in refused.stderr
    forced = lab_command("solution", "901", "--force")
    assert forced.returncode == 0
    assert (fresh / "solutions" / "901-count-rows" / "count.py").exists()
    assert not (fresh / "901-count-rows").exists()


def test_verify_all_checks_what_was_passed(fresh: Path) -> None:
    assert "not passed a lab yet" in lab_command("verify-all").stdout
    lab_command("start", "901")
    solve(901)
    assert lab_command("verify", "901").returncode == 0
    assert lab_command("verify-all").returncode == 0
    solve(901, "wrong/counts-the-header")
    assert lab_command("verify-all").returncode == 1
    assert progress.read()[901].passed, "a pass stays noted"


def test_the_catalogue_shows_progress(fresh: Path) -> None:
    lab_command("start", "901")
    solve(901)
    lab_command("verify", "901")
    row = next(line for line in lab_command("labs").stdout.splitlines() if line.startswith("901"))
    assert "✔" in row


def test_programs_of_a_lab_without_services_get_its_python(fresh: Path) -> None:
    lab_command("start", "901")
    ran = lab_command("run", "901", "--", "python", "-c", "import delab, sys; print(sys.executable)", PATH=os.defpath)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == sys.executable


def test_an_unknown_lab_is_told_without_a_traceback(fresh: Path) -> None:
    done = lab_command("start", "4711")
    assert done.returncode == 3
    assert "there is no lab 4711 yet; there are 901, 902" in done.stderr
    assert "Traceback" not in done.stderr


def test_services_run_stop_and_come_again(fresh: Path) -> None:
    assert lab_command("start", "902").returncode == 0
    try:
        shown = lab_command("status").stdout
        assert shown.count("ready") == 2
        assert "127.0.0.1:" in shown
        asked = lab_command("psql", "902", "replica1", "-XAtc", "SELECT pg_is_in_recovery()")
        assert asked.stdout == "t\n", asked.stderr
        told = lab_command("run", "902", "--", sys.executable, "-c", "import os; print(os.environ['PRIMARY_PORT'], os.getcwd())")
        assert told.stdout.strip().endswith("902-fill-table")
        assert lab_command("logs", "902/primary").stdout.count("database system is ready") >= 1
        process.kill(process.all_inside(paths.runtime() / "stacks"))
        assert lab_command("status").stdout.count("  down ") == 2
        assert lab_command("up").returncode == 0
        assert lab_command("status").stdout.count("ready") == 2
    finally:
        down = lab_command("down")
    assert down.returncode == 0
    assert process.all_inside(*paths.places()) == []
    assert list(paths.runtime().glob("locks/*")) == []


def test_watch_verifies_at_once_on_a_save_and_ends_with_q(fresh: Path) -> None:
    lab_command("start", "901")
    solve(901, "wrong/counts-the-header")
    main, side = pty.openpty()
    child = subprocess.Popen([sys.executable, "-m", "delab.cli", "watch", "901"], stdin=side, stdout=subprocess.PIPE, text=True)
    os.close(side)
    seen: list[str] = []
    import threading

    assert child.stdout
    threading.Thread(target=lambda: seen.extend(iter(child.stdout.readline, "")), daemon=True).start()
    wait.until(lambda: "Watching" in "".join(seen), seconds=60, what="the first verdict")
    assert "failed" in "".join(seen)
    time.sleep(0.5)  # the watcher of files begins to listen beside the first verification
    wait.until(lambda: save_and_look(seen), seconds=60, what="a verdict after a save")
    os.write(main, b"q\n")
    assert child.wait(60) == 0
    os.close(main)
    child.stdout.close()


def save_and_look(seen: list[str]) -> bool:
    """Save the right answer (again, if it was not noticed) and look for the verdict."""
    if "passed" not in "".join(seen):
        solve(901)
        (lab.get(901).work / "count.py").touch()
        time.sleep(0.5)
    return "passed" in "".join(seen)


def test_junit_holds_the_checks(fresh: Path, tmp_path: Path) -> None:
    work = str(lab.get(901).folder / "wrong" / "counts-the-header")
    report = tmp_path / "junit.xml"
    assert lab_command("verify", "901", "--work", work, "--junit", str(report)).returncode == 1
    text = report.read_text()
    assert 'tests="2"' in text
    assert "one too many" in text


def test_a_damaged_progress_file_is_kept_aside(fresh: Path) -> None:
    (paths.state() / "progress.json").write_text("{")
    assert progress.read() == {}
    assert (paths.state() / "progress.damaged").read_text() == "{"


def test_doctor_names_each_thing_and_its_fix(fresh: Path) -> None:
    done = lab_command("doctor", PGHOST="elsewhere", SSL_CERT_FILE="/nowhere/ca.pem")
    assert done.returncode == 3
    assert "PGHOST set" in done.stdout
    assert "SSL_CERT_FILE=/nowhere/ca.pem: no such file" in done.stdout
    assert "correct or unset it" in done.stdout


def test_json_is_all_that_is_printed(fresh: Path) -> None:
    done = lab_command("verify", "901", "--json", "--work", str(lab.get(901).folder / "solution"))
    assert json.loads(done.stdout)["verdict"] == "passed"
