"""The pytest plugin that makes a lab's verify.py a verification: order, limits, evidence, verdict and exit code."""

import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from delab import lab, templates, wait
from delab.checks import handed_in
from delab.checks.evidence import Evidence
from delab.checks.failing import CheckFailed
from delab.checks.result import CheckResult, Failure, Result
from delab.checks.session import OURS, CheckTimeoutError, Session, end_with_parent, explain, time_limit
from delab.checks.work import Work
from delab.errors import Blocked, LabError

KEY = pytest.StashKey[Session]()
VERIFIER = "verify.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that `lab verify` passes on."""
    group = parser.getgroup("delab", "verification of a lab")
    group.addoption("--lab-seed", type=int, help="the seed of the fresh data (default: a random one)")
    group.addoption("--lab-work", type=Path, help="the learner's folder (default: the lab's folder in work/)")
    group.addoption("--lab-judge-starter", action="store_true", help="judge files that are still as they came")
    group.addoption("--lab-result", type=Path, help="write the result to this file, as JSON")
    group.addoption("--lab-events", type=int, help="write a line of JSON for each check to this descriptor")
    group.addoption("--lab-parent", type=int, help="end when this descriptor closes")


def session_of(config: pytest.Config) -> Session | None:
    """The verification, if this pytest run is one."""
    return config.stash.get(KEY, None)


class FilesCheck(pytest.Item):
    """The check of the kit's own that goes before a lab's."""

    def runtest(self) -> None:
        """Look at the files that are handed in."""
        session = self.config.stash[KEY]
        handed_in.check_files(session.lab, session.original)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where pytest says that it is."""
        return self.path, None, handed_in.NAME


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> None:
    """Begin a verification when a lab's verify.py is collected."""
    config = parent.config
    if module_path.name != VERIFIER or not (module_path.parent / "lab.toml").exists() or KEY in config.stash:
        return
    option = config.option
    session = Session(
        lab.read(module_path.parent), work=option.lab_work, seed=option.lab_seed, judge_starter=option.lab_judge_starter
    )
    config.stash[KEY] = session
    if not session.not_started():  # what is imported meanwhile: verify.py is read, and services start
        session.start_servers()
        if "dbt" in session.lab.packs():
            session.start_dbt()
    if option.lab_parent is not None:
        end_with_parent(session, option.lab_parent)


def check_name(item: pytest.Item) -> str:
    """The name of a check: its function's without `test_`."""
    return item.name.removeprefix("test_")


def module_of(item: pytest.Item) -> pytest.Module:
    """The verify.py that a check is in."""
    found = item.getparent(pytest.Module)
    assert found is not None
    return found


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the checks into the order of lab.toml, ours first; leave none if nothing was begun."""
    session = session_of(config)
    if session is None or not items:
        return
    if session.not_started():
        items.clear()
        return
    order = {check.name: place for place, check in enumerate(session.lab.about.checks)}
    items.sort(key=lambda item: order[check_name(item)])
    items.insert(0, FilesCheck.from_parent(module_of(items[0]), name=handed_in.NAME))
    templates.repair()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Begin each check with no evidence."""
    if session := session_of(item.config):
        session.evidence.__init__()  # type: ignore[misc]
        item.stash[BEGAN] = time.monotonic()
    return (yield)


BEGAN = pytest.StashKey[float]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a check that makes no sense after an earlier one failed."""
    session = session_of(item.config)
    if session and (needed := session.because(check_name(item))):
        pytest.skip(f"because of {needed}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Bound a check by its own time limit."""
    session = session_of(item.config)
    if session is None or isinstance(item, FilesCheck):
        return (yield)
    with time_limit(session.lab.check(check_name(item)).seconds * wait.scale()):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Turn what pytest saw into a check's result, and its traceback into what the learner should read."""
    report = yield
    session = session_of(item.config)
    if session is None or (call.when == "teardown" and not call.excinfo):
        return report
    if call.when == "call" or call.excinfo:
        result = outcome_of(item, session, call)
        session.results[result.name] = result
        tell(item.config, result)
        if result.outcome in ("failed", "blocked"):
            report.longrepr = describe(result)
    return report


def outcome_of(item: pytest.Item, session: Session, call: pytest.CallInfo[None]) -> CheckResult:
    """The result of a check."""
    name = check_name(item)
    error = call.excinfo.value if call.excinfo else None
    function = getattr(item, "function", None)
    base = CheckResult(
        name=name,
        requirement=" ".join((function.__doc__ or "").split()) if function else handed_in.REQUIREMENT,
        outcome="passed",
        seconds=round(time.monotonic() - item.stash[BEGAN], 3),
        notes=list(session.evidence.notes),
        plots=list(session.evidence.plots),
    )
    return msgspec.structs.replace(base, **changes(session, name, error))


def changes(session: Session, name: str, error: BaseException | None) -> dict[str, Any]:
    """What an error makes of a check's result."""
    if error is None:
        return {}
    if isinstance(error, pytest.skip.Exception):
        return {"outcome": "skipped", "because": session.because(name) or str(error)}
    if not isinstance(error, Blocked):
        error = outside(session) or error
    if isinstance(error, CheckFailed):
        return {"outcome": "failed", "failure": complete(session, name, error.failure)}
    reason, fix = explain(error)
    if isinstance(error, Blocked):
        return {"outcome": "blocked", "because": reason, "fix": fix}
    if isinstance(error, CheckTimeoutError | LabError):
        fix = fix or "on a slow machine set LAB_TIMEOUT_SCALE=3"
    return {"outcome": "broken", "because": reason, "fix": fix}


def outside(session: Session) -> Blocked | None:
    """What a check that did not pass met and the learner has nothing to do with, if anything."""
    try:
        names = session.lost()
    except Blocked as problem:
        return problem
    said = f"while the check ran, something outside the lab ended {names}: for instance a system that has no memory left"
    return Blocked(said, "verify again; `lab doctor` looks at the machine") if names else None


def complete(session: Session, name: str, failure: Failure) -> Failure:
    """Fill what the check left open from its entry in lab.toml."""
    entry = handed_in.CHECK if name == handed_in.NAME else session.lab.check(name)
    return Failure(
        expected=failure.expected,
        seen=failure.seen,
        why=failure.why or entry.why,
        look=failure.look or entry.look,
        command=failure.command or entry.command,
        hint=failure.hint or (entry.hint if name != handed_in.NAME else 0),
    )


def describe(result: CheckResult) -> str:
    """A failed or blocked check in plain text, for pytest's own report."""
    if result.failure is None:
        return f"{result.because}\n{result.fix}"
    parts = ("expected", "seen", "why", "look", "command")
    return "\n".join(f"{part}: {getattr(result.failure, part)}" for part in parts if getattr(result.failure, part))


def tell(config: pytest.Config, result: CheckResult) -> None:
    """Report a check as soon as it has ended."""
    if config.option.lab_events is not None:
        line = json.dumps({"name": result.name, "outcome": result.outcome, "seconds": result.seconds})
        os.write(config.option.lab_events, line.encode() + b"\n")


@pytest.hookimpl(tryfirst=True)
def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember why a verify.py could not be read."""
    if report.failed:
        COLLECTION_ERRORS.append(str(report.longrepr)[-2000:])


COLLECTION_ERRORS: list[str] = []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close what is left, give the verdict, and make its code pytest's exit code."""
    ours = session_of(session.config)
    if ours is None:
        return
    ours.close()
    if COLLECTION_ERRORS:
        ours.reason, ours.fix = f"verify.py could not be read: {COLLECTION_ERRORS[0]}", OURS
    result = ours.result()
    session.config.stash[RESULT] = result
    session.exitstatus = result.exit_code
    if session.config.option.lab_result:
        session.config.option.lab_result.write_bytes(msgspec.json.encode(result))


RESULT = pytest.StashKey[Result]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """End pytest's own report with the verdict."""
    if (result := config.stash.get(RESULT, None)) is not None:
        terminalreporter.section("verdict")
        terminalreporter.write_line(f"{result.verdict} (lab {result.lab}, seed {result.seed}, exit code {result.exit_code})")


# What a check can ask for


@pytest.fixture(scope="session")
def verification(pytestconfig: pytest.Config) -> Session:
    """The verification itself."""
    return pytestconfig.stash[KEY]


@pytest.fixture(scope="session")
def seed(verification: Session) -> int:
    """The seed of this verification's data."""
    return verification.seed


@pytest.fixture(scope="session")
def work(verification: Session) -> Work:
    """The learner's files in a fresh copy, and ways to run them."""
    return verification.open()


@pytest.fixture
def evidence(verification: Session) -> Evidence:
    """Notes and plots of the check that runs."""
    return verification.evidence


@pytest.fixture(scope="session")
def new_stack(verification: Session) -> Callable[..., templates.Scratch]:
    """Makes another stack with fresh data: `new_stack(seed)`."""
    return verification.new_stack


@pytest.fixture(scope="session")
def airflow(work: Work, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Judges DAG files on the stack (see delab.checks.airflow); its imports go on while the stack starts."""
    from delab.checks.airflow import Airflow

    judge = Airflow(work)
    try:
        yield judge.use(request.getfixturevalue("stack"))
    finally:
        judge.close()


@pytest.fixture(scope="session")
def stack(verification: Session, work: Work) -> templates.Scratch:
    """The lab's services, started, with fresh data; the learner's programs are told where they are."""
    made = verification.new_stack(verification.seed)
    work.environment.update(made.environment())
    return made


@pytest.fixture(scope="session")
def project(verification: Session) -> Iterator[Any]:
    """For labs about Docker: the engine, and a project of this verification's own (delab.projects.Project)."""
    from delab import projects

    made = projects.begin(verification.lab)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def dbt(verification: Session, stack: templates.Scratch, work: Work) -> Any:
    """The dbt project that is handed in, on the lab's first PostgreSQL server: see delab.checks.dbt.Project."""
    from delab import warehouse
    from delab.checks.dbt import Project

    node = warehouse.server(stack)
    work.environment.update(warehouse.libpq(node.endpoint))
    return Project(work, node, verification.start_dbt())
