"""docker-compose.yml, read as data: a test for each thing that people stumble over. No engine is needed."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
ONE_SHOT = {"airflow-migrate"}
PROFILES = {"postgres", "kafka", "airflow", "dbt", "spark", "all", "cluster"}
each = pytest.mark.parametrize("name", SERVICES)


def test_the_profiles_are_those_that_are_told() -> None:
    assert {profile for service in SERVICES.values() for profile in service["profiles"]} == PROFILES


@each
def test_what_a_service_waits_for_is_in_each_of_its_profiles(name: str) -> None:
    for other in SERVICES[name].get("depends_on", {}):
        assert set(SERVICES[name]["profiles"]) <= set(SERVICES[other]["profiles"])


@each
def test_starts_are_gated_on_health_not_on_started(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if other in ONE_SHOT else "service_healthy")


@pytest.mark.parametrize("name", ONE_SHOT)
def test_a_running_service_waits_for_each_one_shot_or_up_wait_would_fail(name: str) -> None:
    for profile in SERVICES[name]["profiles"]:
        waiting = [other for other in SERVICES.values() if profile in other["profiles"] and name in other.get("depends_on", {})]
        assert any(other["restart"] == "unless-stopped" for other in waiting)
    assert SERVICES[name]["restart"] == "no"


@each
def test_each_lasting_service_has_a_health_check_that_asks_over_the_network(name: str) -> None:
    if name in ONE_SHOT:
        return
    script = next(part for part in SERVICES[name]["healthcheck"]["test"] if "healthy-" in part)
    text = (ROOT / "docker" / "files" / Path(script).name).read_text()
    asks = {"postgres": "psql -qXtA -h 127.0.0.1", "kafka": "describe_cluster", "airflow": "http://127.0.0.1"}
    asks |= {"dbt": "SELECT 1", "spark": "SELECT 1"}
    assert asks[Path(script).stem.removeprefix("healthy-")] in text
    assert "pg_isready" not in text


def test_nothing_needs_an_engine_newer_than_debians() -> None:
    assert not re.search(r"^\s*start_interval:|[{,] *start_interval:", TEXT, re.M)


@each
def test_ports_are_on_loopback_and_can_be_moved(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z0-9]+_PORT:-\d+\}:\d+", port)


@each
def test_a_service_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "user", "devices"} & set(service)
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@each
def test_a_service_is_bounded(name: str) -> None:
    service = SERVICES[name]
    assert megabytes(service) <= 2560
    assert service["pids_limit"] <= 512
    assert service["logging"]["options"]["max-size"]


def megabytes(service: dict[str, Any]) -> int:
    """The memory limit of a service."""
    return int(re.fullmatch(r"(\d+)m", service["mem_limit"])[1])  # type: ignore[index]


def test_the_limits_of_a_profile_fit_a_laptop() -> None:
    totals = {
        profile: sum(megabytes(s) for key, s in SERVICES.items() if profile in s["profiles"] and key not in ONE_SHOT)
        for profile in PROFILES
    }
    assert max(totals.values()) <= 7168, totals  # bounds; what they use is about a third (bench/compose.py)


def test_no_secret_is_in_the_file() -> None:
    assert all(set(how) == {"file"} for how in FILE["secrets"].values())
    for service in SERVICES.values():
        told = " ".join(f"{key}={value}" for key, value in service.get("environment", {}).items()).lower()
        assert not re.search(r"password|secret|_key|token", told)


def test_every_secret_is_generated_and_ignored_by_git() -> None:
    generator = (ROOT / "scripts" / "secrets").read_text()
    names = re.search(r"for name in (.*); do", generator)[1].split()  # type: ignore[index]
    assert set(FILE["secrets"]) == {*names, "ca"}
    assert "/docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "docker/secrets" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_proxys_certificates_are_lent_to_builds_only() -> None:
    assert all("ca" not in service.get("secrets", []) for service in SERVICES.values())
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    assert not re.search(r"^COPY.*\b(ca|no-ca\.pem)\b", dockerfile, re.M)


@each
def test_data_are_in_named_volumes(name: str) -> None:
    named = [volume.split(":")[0] for volume in SERVICES[name].get("volumes", []) if not volume.startswith(".")]
    assert set(named) <= set(FILE["volumes"])
    assert all(volume.endswith(":ro") for volume in SERVICES[name].get("volumes", []) if volume.startswith("."))


def test_a_slot_is_not_made_by_the_base_backup_which_fails_the_second_time() -> None:
    script = (ROOT / "docker" / "files" / "postgres.sh").read_text()
    code = [line for line in script.splitlines() if not line.lstrip().startswith("#")]
    assert not any("--create-slot" in line or re.search(r"pg_basebackup.* -C\b", line) for line in code)


def test_the_way_down_names_all_profiles() -> None:
    for path in (ROOT / "README.md", ROOT / "docker-compose.yml", ROOT / ".github" / "workflows" / "ci.yml"):
        for line in path.read_text().splitlines():
            if "docker compose" in line and re.search(r"\bdown\b", line):
                assert "--profile '*'" in line, f"{path.name}: {line}"


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("compose-lint")
    if not linter.exists():
        pytest.skip("compose-lint is not installed")
    options = ["--config", "docker/compose-lint.yml", "--strict-config", "--fail-on", "low", "--skip-suppressed"]
    done = subprocess.run([linter, "check", "docker-compose.yml", *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
