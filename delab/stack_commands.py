"""`lab up`, `down`, `status`, `logs`: the services of all labs that have been started."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from delab import course, daemons, files, lab, paths, process, templates, wait
from delab.errors import LabError, Timeout
from delab.local import LocalNode, LocalStack

VERIFIER = "delab.verifier"  # part of a verifier's command


def stacks() -> Iterator[tuple[lab.Lab, LocalStack]]:
    """Each lab whose stack has been made."""
    for subject in lab.everything():
        if subject.about.services and (stack := templates.existing(subject.slug, subject.services())):
            yield subject, stack


def up(console: Console) -> None:
    """Start every stack that has been made."""
    templates.repair()
    started = 0
    for subject, _ in stacks():
        stack = templates.live(course.plan(subject))
        stack.start()
        daemons.begin(subject)
        console.print(f"lab {subject.number}: {', '.join(node.name for node in stack.supervised())} ready", style="green")
        started += 1
    if not started:
        console.print("No lab has been started yet: make lab-2 starts one, make labs lists them.")


def down(console: Console) -> None:
    """Stop every stack, then whatever else works in the runtime's folder."""
    end_verifications()
    templates.repair()
    for subject, stack in stacks():
        stack.stop()
        console.print(f"lab {subject.number}: stopped")
    templates.collect(everything=True)
    process.kill(process.all_inside(*paths.places()))
    templates.repair()
    files.remove_tree(daemons.home())
    if place := paths.memory():
        files.remove_empty(place / "scratch")
        files.remove_empty(place)
    for lock in paths.runtime().glob("locks/*.lock"):
        lock.unlink(missing_ok=True)
    console.print("Nothing runs any more; data and your files are kept.")


def end_verifications() -> None:
    """End what verifies now, before its services: else it would take their end for the learner's doing."""
    ours = {paths.runtime() / "runs", *(place / "scratch" for place in paths.places())}
    found = [one for one in psutil.process_iter() if verifies(one, ours)]
    process.send(found, signal.SIGTERM)
    with suppress(Timeout):
        wait.until(lambda: all(process.gone(one) for one in found), seconds=5, what="verifications to end")


def verifies(one: psutil.Process, ours: set[Path]) -> bool:
    """Whether a process is a verifier that owns something in these folders."""
    with suppress(psutil.Error, OSError):
        return VERIFIER in one.cmdline() and any(Path(file.path).parent in ours for file in one.open_files())
    return False


def status(console: Console) -> None:
    """A table of what runs."""
    templates.repair()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("lab", "service", "state", "endpoint", "memory"):
        table.add_column(column, justify="right" if column in ("lab", "memory") else "left")
    rows = [status_row(subject, node) for subject, stack in stacks() for node in stack]
    for row in rows:
        table.add_row(*row)
    console.print(table if rows else "No lab has been started yet: make lab-2 starts one, make labs lists them.")
    for subject, stack in stacks():
        for node in stack:
            if node.alive() and (greeting := node.service.greeting(node.place)):
                console.print(Text(f"lab {subject.number}, {node.name}: {greeting}"), soft_wrap=True)
    if servers := daemons.running():
        console.print(f"Kept ready, so that a verification need not import them: {held(servers):.0f} MB until `lab down`")
    if any(str(row[2]).startswith("down") for row in rows):
        console.print("A service that is down is started again by: make up")


def status_row(subject: lab.Lab, node: LocalNode) -> tuple[str | Text, ...]:
    """One service: state, endpoint, proportional set size in MB."""
    found = node.process()
    if found is None:
        idle = "in your own programs" if node.service.embedded else "yours to start"
        state = Text("down", style="red") if node.service.started else Text(idle, style="bright_black")
        return str(subject.number), node.name, state, "", ""
    paused = node.paused()
    state = Text("paused" if paused else "not ready", style="yellow")
    if not paused and node.ready():
        state = Text("ready", style="green")
    at = node.endpoint
    return str(subject.number), node.name, state, f"{at.host}:{at.port}", f"{memory(found):.0f} MB"


def memory(main: psutil.Process) -> float:
    """Proportional set size of a service's processes in MB (resident size where the system does not tell it)."""
    return held(process.tree(main))


def held(processes: Iterable[psutil.Process]) -> float:
    """The same of some processes."""
    total = 0
    for member in processes:
        try:
            told = member.memory_full_info()
            total += getattr(told, "pss", 0) or told.rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 1e6


def logs(console: Console, service: str, lines: int) -> None:
    """The last lines of each log asked for."""
    number, _, name = service.rpartition("/")
    shown = 0
    for subject, stack in stacks():
        for node in stack:
            if name in ("", node.name) and number in ("", str(subject.number)):
                show_log(console, f"lab {subject.number}, {node.name}", node, lines)
                shown += 1
    if not shown:
        raise LabError(f"no service {service!r} has been started", "`lab status` lists them")


def show_log(console: Console, title: str, node: LocalNode, lines: int) -> None:
    """One log's end and place."""
    console.print(Text(f"{title} ({node.place.log})", style="bold"), soft_wrap=True)
    text = node.place.log.read_text(errors="replace").splitlines()[-lines:] if node.place.log.exists() else ["(nothing logged yet)"]
    console.print("\n".join(text), markup=False, soft_wrap=True)
