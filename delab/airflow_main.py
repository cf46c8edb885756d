"""Airflow's components as children of one process: `python -m delab.airflow_main`, configured by AIRFLOW__… variables.

Each component as a command of its own pays 3–5 seconds of processor time for the same imports and keeps them in memory four times.
Here they are imported once and then shared by fork. The API server, which has six seconds of its own to do, is forked as soon as
Airflow itself is there; the others when the database answers. The garbage collector, which would look at all this again and
again, is off meanwhile. A component that ends is forked again, after a pause that grows; when
one can't even begin, or the parent is told to end, all end.
"""

import contextlib
import functools
import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

STOP_SECONDS = 10.0  # that components have to end in good order
PAUSES = (0.2, 1.0, 2.0, 5.0)  # before the first, second, … start again
STEADY = 20.0  # seconds after which a component counts as having begun
TICK = 0.2  # seconds between two looks at the children
TRIES = 4  # deaths before that, in a row, after which all end


@functools.cache
def preload() -> None:
    """All imports, and the API built, for a server that forks whole Airflows (see delab.fork_server): without a stack yet.

    What Airflow reads of its configuration while it is imported is the same for all stacks (`services.airflow.SETTINGS`); what
    belongs to one is taken up by `adopt`.
    """
    from delab.services.airflow import SETTINGS

    title("airflow (imported)")  # the first time takes the variables out of its way, and must be before a fork gets others
    home = tempfile.gettempdir()
    own = {"AIRFLOW_HOME": home, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody@127.0.0.1:1/none"}
    own["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = f"{home}/passwords.json"
    fixed = {f"AIRFLOW__{section}__{name}".upper(): value for section, part in SETTINGS.items() for name, value in part.items()}
    os.environ.update({**fixed, **own})
    preload_shared()
    preload_jobs()
    preload_api()


def preload_api() -> None:
    """Build the API."""
    import airflow.api_fastapi.main
    import uvicorn.lifespan.on
    import uvicorn.loops.auto
    import uvicorn.protocols.http.auto  # noqa: F401

    for mount in airflow.api_fastapi.main.app.routes:
        if hasattr(getattr(mount, "app", None), "_cadwyn_initialize"):
            mount.app._cadwyn_initialize()  # else the first request would have to wait for it


def adopt() -> None:
    """In a fork of a process that is preloaded: take up this stack's configuration."""
    from airflow import settings
    from airflow.api_fastapi import main
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.core_api.app import init_config

    settings.configure_vars()
    settings.configure_logging()
    settings.configure_orm()
    settings.conf.mask_secrets()
    init_config(main.app)
    get_auth_manager().init()


def preload_shared() -> None:
    """Import what the API server and the others share, without a thread or a connection: neither survives a fork."""
    import airflow.sdk.execution_time.task_runner  # noqa: F401
    from airflow.providers_manager import ProvidersManager
    from sqlalchemy.orm import configure_mappers

    from delab.airflow_versions import latest_only

    latest_only()
    ProvidersManager().initialize_providers_configuration()
    configure_mappers()  # else each process does it at its first query
    gc.unfreeze = lambda: None  # the executor's, after each fork: the next collection would copy all that is shared


def preload_jobs() -> None:
    """Import what the other components and their tasks share."""
    import airflow.api_fastapi.execution_api.app
    import airflow.dag_processing.manager
    import airflow.dag_processing.processor
    import airflow.jobs.dag_processor_job_runner
    import airflow.jobs.scheduler_job_runner
    import airflow.jobs.triggerer_job_runner
    import airflow.providers.postgres.hooks.postgres
    import airflow.providers.standard.operators.bash
    import airflow.providers.standard.operators.python
    import airflow.sdk  # noqa: F401


def forget_the_dead() -> None:
    """Jobs that the metadata calls running belong to a parent that is gone: health must not take them for ours."""
    from airflow import settings
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(Job).where(Job.state == "running").values(state="failed"))
    settings.engine.dispose()


def database_answers() -> bool:
    """Whether the metadata can be reached; makes it ready for our jobs."""
    import sqlalchemy.exc

    try:
        forget_the_dead()
    except sqlalchemy.exc.OperationalError as error:
        print(f"waiting for the metadata's database: {str(error.orig).strip()}", flush=True)
        return False
    return True


def scheduler() -> None:
    """Decides what runs, and runs it by its executor."""
    from airflow.jobs.job import Job, run_job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    runner = SchedulerJobRunner(job=Job(), num_runs=-1)
    run_job(job=runner.job, execute_callable=runner._execute)


def dag_processor() -> None:
    """Parses DAG files."""
    from airflow.dag_processing.manager import DagFileProcessorManager
    from airflow.jobs.dag_processor_job_runner import DagProcessorJobRunner
    from airflow.jobs.job import Job, run_job

    runner = DagProcessorJobRunner(job=Job(), processor=DagFileProcessorManager(max_runs=-1))
    run_job(job=runner.job, execute_callable=runner._execute)


def triggerer() -> None:
    """Waits for what deferred tasks wait for."""
    from airflow.configuration import conf
    from airflow.jobs.job import Job, run_job
    from airflow.jobs.triggerer_job_runner import TriggererJobRunner

    heartbeat = conf.getfloat("triggerer", "job_heartbeat_sec")
    runner = TriggererJobRunner(job=Job(heartrate=heartbeat), capacity=conf.getint("triggerer", "default_capacity"))
    run_job(job=runner.job, execute_callable=runner._execute)


def api_server() -> None:
    """Answers people (user interface, REST) and tasks (execution API)."""
    import airflow.api_fastapi.main  # noqa: F401 - builds the application
    import uvicorn
    from airflow.configuration import conf

    keep()
    host, port = conf.get("api", "host"), conf.getint("api", "port")
    uvicorn.run("airflow.api_fastapi.main:app", host=host, port=port, workers=1, access_log=False, log_config=None)


COMPONENTS: dict[str, Callable[[], None]] = {
    "api-server": api_server,
    "scheduler": scheduler,
    "dag-processor": dag_processor,
    "triggerer": triggerer,
}


@dataclass
class Child:
    """One component: its process while it runs, and when it may be started (again)."""

    name: str
    pid: int = 0
    began: float = 0
    deaths: int = 0
    due: float = 0

    def start(self) -> None:
        """Fork it."""
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            become(self.name)

    def ended(self, status: int) -> None:
        """Note its end, and when it is due again."""
        now = time.monotonic()
        self.deaths = 1 if now - self.began > STEADY else self.deaths + 1
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # the scheduler's workers would wait for work for ever
        self.due = now + PAUSES[min(self.deaths, len(PAUSES)) - 1]
        self.pid = 0
        print(f"{self.name} ended with {os.waitstatus_to_exitcode(status)}", flush=True)


def become(name: str) -> None:
    """In the child: be the component, and never return."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, ended)
        signal.signal(signal.SIGINT, ended)
        title(f"airflow {name}")
        COMPONENTS[name]()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(number: int, frame: FrameType | None) -> None:
    """What SIGTERM does to a component that has no way of its own."""
    raise SystemExit(0)


def title(text: str) -> None:
    """Show in lists of processes what this one is."""
    with contextlib.suppress(ImportError):
        from setproctitle import setproctitle

        setproctitle(text)


class Supervisor:
    """The parent: keeps the children alive until it is told to stop."""

    def __init__(self) -> None:
        self.children = [Child(name) for name in COMPONENTS]
        self.stopping = self.connected = False
        self.code = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def stop(self, *_: object) -> None:
        """A signal: end soon."""
        self.stopping = True

    def run(self) -> int:
        """Keep all alive; returns the exit code."""
        while not self.stopping:
            self.look()
            time.sleep(TICK)
        self.end()
        return self.code

    def look(self) -> None:
        """Reap who ended, start who is due."""
        self.reap()
        self.connected = self.connected or database_answers()
        for child in self.children if self.connected else ():
            if child.deaths >= TRIES and not self.stopping:
                print(f"{child.name} can't be started; giving up", flush=True)
                self.code, self.stopping = 1, True
            elif not child.pid and child.due <= time.monotonic() and not self.stopping:
                child.start()

    def reap(self) -> None:
        """Note every child that has ended."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                for child in self.children:
                    if child.pid == found[0]:
                        child.ended(found[1])

    def end(self) -> None:
        """Ask all to end, then kill; the triggerer is not waited for: it waits ten seconds for its own child, for nothing."""
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.pid for child in self.children if child.name != "triggerer") and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.05)
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each that lives."""
        for child in self.children:
            if child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)


def keep() -> None:
    """Take all that there is out of the garbage collector's sight (it would copy shared pages), and turn it on."""
    gc.freeze()
    gc.enable()


def main() -> int:
    """Import and supervise."""
    title("airflow")
    if preload.cache_info().currsize:
        adopt()
        return Supervisor().run()
    gc.disable()
    preload_shared()
    supervisor = Supervisor()
    supervisor.children[0].start()
    preload_jobs()
    keep()
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
