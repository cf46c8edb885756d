"""Apache Airflow: API server, scheduler, DAG processor and triggerer as one service; its metadata are in the stack's PostgreSQL."""

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from delab import paths, process, secrets, wait
from delab.errors import Blocked
from delab.runtime import Endpoint
from delab.services.base import Place
from delab.services.base import Service as Base
from delab.services.postgres import SUPERUSER, connect

USER, METADATA = "admin", "airflow"
MIGRATE_SECONDS = 300
COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")  # as the API server's health names them
DAGS = Path(__file__).parent.parent.parent / "dags"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Section, option, value: what makes Airflow fit a laptop. The default starts 32 workers, two log servers and 64 example DAGs.
SETTINGS = {
    "core": {
        "load_examples": "False",
        "executor": "LocalExecutor",
        "parallelism": "4",  # small tasks; the place of one that has ended is sometimes seen as free a second late
        "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "simple_auth_manager_users": f"{USER}:admin",
        "mp_start_method": "fork",
        "default_timezone": "utc",
    },
    "api": {"host": "127.0.0.1", "workers": "1", "expose_config": "False"},
    "database": {"check_migrations": "False", "sql_alchemy_pool_size": "3", "sql_alchemy_max_overflow": "5"},
    "scheduler": {"scheduler_idle_sleep_time": "0.2", "job_heartbeat_sec": "3", "catchup_by_default": "False"},
    "workers": {"min_heartbeat_interval": "1"},  # a task's end is sometimes seen only after so many seconds; the default is 5
    "triggerer": {"job_heartbeat_sec": "3", "default_capacity": "100"},
    "dag_processor": {
        "refresh_interval": "3",  # seconds until a new file is seen
        "bundle_refresh_check_interval": "1",
        "file_parsing_sort_mode": "modified_time",  # a file that was saved is parsed at once …
        "min_file_process_interval": "60",  # … and one that was not, seldom
        "parsing_processes": "1",
    },
    "logging": {"logging_level": "INFO", "colored_console_log": "False"},
    "metrics": {"legacy_names_on": "False"},  # else each process reads a table of a thousand names
    "usage_data_collection": {"enabled": "False"},
}


class Service(Base, frozen=True, kw_only=True):
    """Options: `database` names the PostgreSQL; `course_dags` shows the reusable DAGs of `dags/` beside the learner's."""

    database: str = "postgres"
    course_dags: bool = False
    lazy: bool = True
    settings: dict[str, str] = msgspec.field(default_factory=dict)  # "section.option" to value

    packs: ClassVar[tuple[str, ...]] = ("airflow",)
    as_person: ClassVar[bool] = True  # it runs the learner's code, as the learner, whose files it must be able to read
    start_seconds: ClassVar[float] = 90

    def reaches(self) -> tuple[str, ...]:
        """The metadata's server."""
        return (self.database,)

    def version(self) -> str:
        """What the metadata's tables depend on."""
        from importlib.metadata import PackageNotFoundError, version

        with contextlib.suppress(PackageNotFoundError):
            return f"{version('apache-airflow')} {version('apache-airflow-core')} {METADATA}"
        return METADATA

    def create(self, place: Place) -> None:
        """Make the metadata's database and its tables: the one slow step, done once for a template."""
        with connect(self.server(place)) as session, session.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {METADATA}")
        for folder in (place.data, place.folder / "dags"):
            folder.mkdir(exist_ok=True)
        variables = {**os.environ, **self.environment(place)}
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        limit = MIGRATE_SECONDS * wait.scale()
        try:
            done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired as error:
            raise Blocked(
                f"airflow db migrate took longer than {limit:.0f} s", "on a slow machine set LAB_TIMEOUT_SCALE=3"
            ) from error
        if done.returncode:
            raise Blocked(f"airflow db migrate failed: {done.stderr.strip()[-600:]}", "see `lab doctor`: disk, memory")

    def server(self, place: Place) -> Endpoint:
        """The PostgreSQL as Airflow reaches it: through the link."""
        return Endpoint("127.0.0.1", place.peers[self.database], SUPERUSER, secrets.password(SUPERUSER), "postgres")

    def before_start(self, place: Place) -> None:
        """End components whose parent was killed; put the user's password in place."""
        process.kill(process.all_inside(place.folder))
        for folder in (place.data, place.folder / "dags"):
            folder.mkdir(exist_ok=True)
        self.passwords(place).write_text(json.dumps({USER: secrets.password(METADATA)}))
        self.passwords(place).chmod(0o600)

    def passwords(self, place: Place) -> Path:
        """The file in which the auth manager looks users up."""
        return place.data / "passwords.json"

    def command(self, place: Place) -> list[str]:
        """One process that has Airflow imported and forks the components."""
        return [sys.executable, "-m", "delab.airflow_main"]

    def environment(self, place: Place) -> dict[str, str]:
        """Airflow's whole configuration: nothing of it is in a file, so nothing has to follow when a port moves."""
        chosen = {f"AIRFLOW__{section.upper()}__{key.upper()}": value for section, key, value in self.options(place)}
        none = ",".join(filter(None, (os.environ.get("NO_PROXY", ""), "127.0.0.1,localhost")))
        return {
            "AIRFLOW_HOME": str(place.data),
            f"AIRFLOW_CONN_{self.database.upper()}": self.connection(place),
            "NO_PROXY": none,
            "no_proxy": none,
            "PYTHONSAFEPATH": "1",
            "PYTHONWARNINGS": "ignore",
            **chosen,
        }

    def options(self, place: Place) -> list[tuple[str, str, str]]:
        """Every option that says where something is, and what makes Airflow fit a laptop, as section, key, value."""
        logs = place.folder / "logs"
        url = f"http://127.0.0.1:{place.port}"
        own = {
            "core": {
                "fernet_key": base64.urlsafe_b64encode(digest("airflow-fernet")[:32]).decode(),
                "simple_auth_manager_passwords_file": str(self.passwords(place)),
                "execution_api_server_url": f"{url}/execution/",
                "dags_folder": str(self.dags(place)),
                "plugins_folder": str(place.data / "plugins"),
            },
            "api": {"port": str(place.port), "base_url": url, "secret_key": digest("airflow-session").hex()},
            "api_auth": {"jwt_secret": digest("airflow-jwt").hex()},
            "database": {"sql_alchemy_conn": self.sqlalchemy(place)},
            "logging": {"base_log_folder": str(logs), "dag_processor_child_process_log_directory": str(logs / "dag_processor")},
            "dag_processor": {"dag_bundle_config_list": json.dumps(self.bundles(place))},
        }
        fixed = [(section, *pair) for table in (SETTINGS, own) for section, part in table.items() for pair in part.items()]
        return fixed + [(*name.split(".", 1), value) for name, value in self.settings.items()]  # type: ignore[misc]

    def sqlalchemy(self, place: Place) -> str:
        """The metadata's address."""
        at = self.server(place)
        return f"postgresql+psycopg2://{at.user}:{at.password}@{at.host}:{at.port}/{METADATA}"

    def connection(self, place: Place) -> str:
        """The Airflow connection by which DAGs reach the server's own database; its id is the server's name."""
        at = self.server(place)
        return f"postgres://{at.user}:{quote(at.password)}@{at.host}:{at.port}/{at.database}"

    def dags(self, place: Place) -> Path:
        """Where DAGs are found: the learner's folder for a lab's lasting stack, else a folder of the stack's own."""
        stack = place.folder.parent
        return paths.work() / stack.name if stack.parent.name == "stacks" else place.folder / "dags"

    def bundles(self, place: Place) -> list[dict[str, Any]]:
        """The DAG bundles: the learner's, and the course's if asked for."""
        found = {"work": self.dags(place), **({"course": DAGS} if self.course_dags else {})}
        kind = "airflow.dag_processing.bundles.local.LocalDagBundle"
        return [{"name": name, "classpath": kind, "kwargs": {"path": str(path)}} for name, path in found.items()]

    def endpoint(self, place: Place) -> Endpoint:
        """The API server, which is also the user interface."""
        return Endpoint("127.0.0.1", place.port, USER, secrets.password(METADATA))

    def ready(self, place: Place) -> bool:
        """All components are healthy, by what the API server says over HTTP."""
        told = health(place.port)
        return bool(told) and all(told.get(name) == "healthy" for name in COMPONENTS)

    def variables(self, place: Place) -> dict[str, str]:
        """Address, user, and the configuration, so that the `airflow` command works in a learner's shell."""
        at = self.endpoint(place)
        own = {
            "URL": f"http://{at.host}:{at.port}",
            "USER": at.user,
            "PASSWORD": at.password,
            "HOST": at.host,
            "PORT": str(at.port),
        }
        told = {f"{self.name.upper()}_{key}": value for key, value in own.items()}
        return {**super().variables(place), **self.environment(place), **told}

    def greeting(self, place: Place) -> str:
        """Where the user interface is."""
        at = self.endpoint(place)
        return f"http://{at.host}:{at.port}  user {at.user}  password {at.password}"


def digest(role: str) -> bytes:
    """64 bytes that belong to a role, from its generated password."""
    return hashlib.sha512(secrets.password(role).encode()).digest()


def health(port: int, seconds: float = 3) -> dict[str, str]:
    """The state of each component, as the API server on `port` tells it; empty if it does not."""
    with (
        contextlib.suppress(OSError, ValueError),
        NO_PROXY.open(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=seconds) as answer,
    ):
        return {name: str(part.get("status")) for name, part in json.load(answer).items()}
    return {}
