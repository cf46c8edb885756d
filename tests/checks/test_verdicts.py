"""Verdicts of the tiny course: right, wrong, and brutal answers, told apart and explained."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from delab import lab, paths, process, templates, verify, wait
from delab.checks.result import Result, Verdict

LOOP = "while True: pass"
DAEMON = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(0)
"""
BRUTAL = {
    "endless loop": (LOOP, "counts", "still running after"),
    "crash": ("import os; os.abort()", "counts", "ended by SIGABRT"),
    "exception": ("def f():\n    return 1 / 0\nf()", "counts", "ZeroDivisionError"),
    "syntax error": ("print(", "files", "SyntaxError in line 1"),
    "empty file": ("", "files", "the file is empty"),
    "not a text": (b"\xff\xfe\x00", "files", "byte 0 is not"),
    "sys.exit(0)": ("import sys; sys.exit(0)", "counts", "printed nothing"),
    "os._exit(0)": ("import os; os._exit(0)", "counts", "printed nothing"),
    "flood": ("while True: print('x' * 1000)", "counts", "printed more than 4 MiB"),
    "flood of errors": ("import sys\nwhile True: sys.stderr.write('x' * 1000)", "counts", "printed more than 4 MiB"),
    "memory": ("x = bytearray(8 << 30)", "counts", "MemoryError"),
    "large file": ("open('big', 'wb').write(bytes(1 << 20) * 1024)", "counts", "File too large"),
    "daemon": (DAEMON, "counts", "'0'"),
    "no input read": ("print('7 rows')", "counts", "'7 rows'"),
}


def judge(number: int, content: str | bytes | None, place: Path, name: str = "count.py") -> Result:
    """The verdict on one file."""
    subject = lab.get(number)
    work = place / subject.slug
    shutil.copytree(subject.start, work)
    if content is None:
        (work / name).unlink()
    else:
        (work / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return verify.run(subject, work=work, seed=7)


def failure(result: Result) -> tuple[str, str]:
    """The check that failed and what it saw."""
    check = next(check for check in result.checks if check.outcome == "failed")
    assert check.failure
    return check.name, check.failure.seen


def nothing_left() -> bool:
    """No process and no folder of a verification remains."""
    runs = [*paths.runtime().glob("runs/*"), *(left for at in paths.places() for left in at.glob("scratch/*"))]
    return not runs and not process.all_inside(paths.runtime() / "runs")


@pytest.mark.parametrize("kind", BRUTAL)
def test_a_brutal_answer_fails_with_its_reason(kind: str, place: Path) -> None:
    content, check, says = BRUTAL[kind]
    result = judge(901, content, place)
    assert result.verdict == Verdict.FAILED, result
    name, seen = failure(result)
    assert (name, says in seen) == (check, True), seen
    assert not any(str(at) in seen for at in paths.places())
    assert nothing_left()


def test_a_missing_file_is_named(place: Path) -> None:
    assert failure(judge(901, None, place)) == ("files", "there is no such file")


def test_a_file_of_a_gigabyte_is_named_and_not_read(place: Path) -> None:
    work = place / "work"
    shutil.copytree(lab.get(901).start, work)
    with (work / "count.py").open("wb") as file:
        file.truncate(1 << 30)
    assert failure(verify.run(lab.get(901), work=work)) == ("files", "it has 1,073,741,824 bytes")


def test_the_right_answer_passes_and_the_same_seed_gives_the_same_data(place: Path) -> None:
    result = verify.run(lab.get(901), work=lab.get(901).folder / "solution", seed=5)
    assert (result.verdict, result.seed, [check.outcome for check in result.checks]) == (Verdict.PASSED, 5, ["passed"] * 2)


def test_the_untouched_starter_is_not_started(place: Path) -> None:
    assert verify.run(lab.get(901), work=lab.get(901).start).verdict == Verdict.NOT_STARTED
    assert verify.run(lab.get(901), work=place / "nowhere").verdict == Verdict.NOT_STARTED


DROPPED = """
import os, psycopg2
session = psycopg2.connect(os.environ["PRIMARY_DSN"])
session.autocommit = True
session.cursor().execute("DROP TABLE numbers")
"""
LOCKED = """
import os, subprocess, sys, time
code = '''
import os, time, psycopg2
session = psycopg2.connect(os.environ["PRIMARY_DSN"])
session.cursor().execute("LOCK TABLE numbers")
time.sleep(600)
'''
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
"""
STOPPED = 'import os, subprocess; subprocess.run(["pg_ctl", "stop", "-m", "immediate", "-D", os.environ["PRIMARY_DATA"]])'


def test_a_dropped_table_is_the_learners_failure(place: Path) -> None:
    result = judge(902, DROPPED, place, "fill.py")
    assert failure(result) == ("rows", 'primary answered: relation "numbers" does not exist\nLINE 1: SELECT count(*) FROM numbers\n'
                               "                             ^")  # fmt: skip
    assert nothing_left()


def test_a_server_that_was_stopped_blocks_the_verdict_and_leaves_all_sound(place: Path) -> None:
    result = judge(902, STOPPED, place, "fill.py")
    assert result.verdict == Verdict.BLOCKED
    assert "primary does not answer" in result.checks[1].because
    assert nothing_left()
    solution = lab.get(902).folder / "solution"
    assert verify.run(lab.get(902), work=solution).verdict == Verdict.PASSED


def test_a_program_that_stays_behind_holding_a_lock_is_ended(place: Path) -> None:
    result = judge(902, LOCKED, place, "fill.py")
    assert result.verdict == Verdict.FAILED, result
    assert failure(result)[1] == "0 rows"
    assert nothing_left()


def run_itself(command: list[str], work: Path) -> subprocess.CompletedProcess[str]:
    """Run a lab's script by itself."""
    script = paths.labs() / "901-count-rows" / "verify.py"
    variables = {**os.environ, "PYTEST_ADDOPTS": ""}
    return subprocess.run([*command, str(script)], capture_output=True, text=True, check=False, env=variables, cwd=work)


@pytest.mark.parametrize("answer", ["solution", "wrong/counts-the-header", "start"])
def test_the_script_by_itself_gives_the_same_verdict(answer: str, course: Path, place: Path) -> None:
    subject = lab.get(901)
    shutil.copytree(subject.folder / answer, subject.work)
    expected = verify.run(subject).exit_code
    script = run_itself([sys.executable], place)
    plain = run_itself([sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], place)
    assert (script.returncode, plain.returncode) == (expected, expected), script.stdout + plain.stdout
    assert Verdict(list(Verdict)[expected]) in plain.stdout


def test_a_broken_verifier_cannot_judge_and_does_not_blame(course: Path, place: Path) -> None:
    script = course / "labs" / "901-count-rows" / "verify.py"
    for text in ("import nonsense\n", "def test_counts():\n    '''x'''\n    raise KeyError('oops')\n", "import os\nos.abort()\n"):
        script.write_text(text)
        result = verify.run(lab.get(901), work=lab.get(901).folder / "solution")
        assert result.verdict == Verdict.CANNOT_JUDGE, text
        told = result.reason + result.fix + "".join(check.because + check.fix for check in result.checks)
        assert "our fault" in told


def test_a_check_over_its_time_limit_cannot_judge(course: Path) -> None:
    folder = course / "labs" / "901-count-rows"
    (folder / "verify.py").write_text("def test_counts():\n    '''x'''\n    while True: pass\n")
    settings = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(settings.replace('name = "counts"', 'name = "counts"\nseconds = 1', 1))
    result = verify.run(lab.get(901), work=folder / "solution")
    assert result.verdict == Verdict.CANNOT_JUDGE
    assert "longer than its limit of" in result.checks[1].because


def test_killing_the_command_ends_the_verifier_and_its_stack(place: Path) -> None:
    """The verifier hears that its parent is gone, and ends what it started."""
    subject = lab.get(902)
    work = place / "work"
    shutil.copytree(subject.folder / "solution", work)
    (work / "fill.py").write_text("import time; print('waiting', flush=True); time.sleep(600)")
    command = [sys.executable, "-m", "delab.cli", "verify", "902", "--work", str(work)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    wait.until(lambda: process.all_inside(paths.runtime() / "runs"), seconds=30, what="the learner's program to run")
    child.kill()
    child.communicate()
    wait.until(lambda: not process.all_inside(paths.runtime() / "runs"), seconds=10, what="the program to end")
    wait.until(lambda: not process.all_inside(*(at / "scratch" for at in paths.places())), seconds=10, what="the stack to end")
    wait.until(lambda: templates.repair() or nothing_left(), seconds=10, what="the verifier to end and give up its folders")


def test_down_during_a_verification_blocks_it(place: Path) -> None:
    work = place / "work"
    shutil.copytree(lab.get(902).folder / "solution", work)
    (work / "fill.py").write_text("import time; time.sleep(600)")
    lab_command = [sys.executable, "-m", "delab"]
    child = subprocess.Popen([*lab_command, "verify", "902", "--json", "--work", str(work)], stdout=subprocess.PIPE)
    wait.until(lambda: process.all_inside(paths.runtime() / "runs"), seconds=30, what="the learner's program to run")
    subprocess.run([*lab_command, "down"], check=True, stdout=subprocess.DEVNULL)
    told = json.loads(child.communicate()[0])
    assert (told["verdict"], child.returncode) == ("blocked", 3)
    assert "lab down" in told["reason"]
    assert nothing_left()


def test_a_verifier_that_hangs_says_where(course: Path, place: Path) -> None:
    folder = course / "labs" / "901-count-rows"
    hang = "\n\n@pytest.fixture(scope='module', autouse=True)\ndef slow():\n    yield\n    time.sleep(600)\n"
    text = (folder / "verify.py").read_text().replace("import random\n", "import random\nimport time\n\nimport pytest\n", 1)
    (folder / "verify.py").write_text(text.replace("\n\nif __name__", f"{hang}\n\nif __name__"))
    (folder / "lab.toml").write_text((folder / "lab.toml").read_text().replace("minutes = 30", "minutes = 30\nseconds = 3"))
    result = verify.run(lab.read(folder), work=folder / "solution")
    assert result.verdict == Verdict.CANNOT_JUDGE
    assert "in slow" in result.reason


def test_the_result_is_json_of_the_documented_schema(place: Path) -> None:
    import jsonschema

    schema = json.loads((Path(__file__).parents[2] / "docs" / "result.schema.json").read_text())
    command = [sys.executable, "-m", "delab.cli", "verify", "901", "--json", "--seed", "3", "--work"]
    for answer in ("solution", "wrong/counts-the-header", "start"):
        work = lab.get(901).folder / answer
        done = subprocess.run([*command, str(work)], capture_output=True, text=True, check=False)
        told = json.loads(done.stdout)
        jsonschema.validate(told, schema)
        assert (told["schema"], told["seed"], told["exit_code"]) == (1, 0 if answer == "start" else 3, done.returncode) or told[
            "seed"
        ] == 3


def test_the_kept_schema_is_the_one_of_the_types() -> None:
    from delab.checks import schema

    assert (Path(__file__).parents[2] / "docs" / "result.schema.json").read_text() == schema.text()
