"""What the learner's commands do."""

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from delab import course, daemons, lab, packs, progress, projects, report, templates, warehouse, workspace
from delab.errors import LabError
from delab.local import LocalNode, LocalStack


def stack_of(subject: lab.Lab) -> LocalStack:
    """The lab's own lasting stack, started."""
    templates.repair()
    stack = templates.live(course.plan(subject))
    stack.start()
    return stack


def start(console: Console, subject: lab.Lab) -> None:
    """Packs, services, data, the learner's folder; then the task and the next command."""
    packs.ensure(subject.packs())
    if subject.about.images:
        projects.images(subject)
    copied = workspace.prepare(subject)
    if subject.about.services:
        with console.status(f"starting {', '.join(subject.about.services)}"):
            stack = stack_of(subject)
        for node in stack:
            console.print(f" {node.name}: {state_of(node)}", style="green" if node.service.started else "")
            if greeting := node.service.greeting(node.place):
                console.print(Text(f"   {greeting}"), soft_wrap=True)
    daemons.begin(subject)
    told = f"{len(copied)} files of the starter are in" if copied else "your files are untouched in"
    console.print(f"Lab {subject.number}, {subject.about.title}: {told} {report.short(subject)}\n", style="bold")
    report.show_task(console, subject)
    for line in choices(subject):
        console.print(line, soft_wrap=True)
    console.print(f"\nThe whole story: labs/{subject.slug}/README.md", style="bold")
    console.print(f"Check your work: make verify-{subject.number}", style="bold")
    if subject.streams:
        console.print(f"See topics, lag and windows move: make watch-{subject.number}", style="bold")


def choices(subject: lab.Lab) -> list[str]:
    """Where the starter offers one file in several forms: how to choose."""
    offered = [[name for name in names.split("|") if (subject.start / name).exists()] for names in subject.about.files]
    return [
        f"\nYour choice: {' or '.join(names)}. The one that you change is handed in; leave the other as it came, or delete it."
        for names in offered
        if len(names) > 1
    ]


def state_of(node: LocalNode) -> str:
    """What a lab that starts says of a service."""
    if node.service.embedded:
        return "starts in your own programs"
    return f"{'ready' if node.service.started else 'yours to make,'} on port {node.endpoint.port}"


def hint(console: Console, subject: lab.Lab, all_of_them: bool) -> None:
    """The next rung of the ladder."""
    hints = subject.about.hints
    taken = progress.read().get(subject.number, progress.Reached()).hints
    now = min(taken + 1, len(hints))
    for number in range(1 if all_of_them else now, now + 1):
        console.print(Text(f"Hint {number} of {len(hints)}", style="bold"))
        console.print(Markdown(hints[number - 1]))
    progress.update(subject.number, hints=now)
    left = len(hints) - now
    console.print(f"{left} more: make hint-{subject.number}" if left else "That was the last one.", style="bright_black")


def solution(console: Console, subject: lab.Lab, force: bool) -> None:
    """Lay the reference beside the learner's work, and show its explanation."""
    if not force and not progress.read().get(subject.number, progress.Reached()).passed:
        number = subject.number
        fix = f"make hint-{number} helps; FORCE=1 make solution-{number} shows it now"
        raise LabError(f"you have not passed lab {number} yet", fix)
    target = workspace.lay_solution(subject)
    if (target / "README.md").exists():
        console.print(Markdown((target / "README.md").read_text()))
    console.print(f"\nThe reference is in {os.path.relpath(target)}; your own work is where it was.", style="bold")


def reset(console: Console, subject: lab.Lab) -> None:
    """A fresh starter and fresh data; the old work is kept."""
    templates.repair()
    kept = workspace.reset(subject)
    if kept:
        console.print(f"Your old work is kept in {os.path.relpath(kept)}", style="bold", soft_wrap=True)
    if subject.about.services:
        stack = templates.renew(course.plan(subject))
        stack.start()
    console.print(f"Lab {subject.number} is as new: {report.short(subject)}")


def environment(subject: lab.Lab) -> dict[str, str]:
    """The person's variables and the lab's; its Python is the first on PATH, also in a lab without services."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DBT_"))}
    mine["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if not subject.about.services:
        return mine
    stack = stack_of(subject)
    return {
        **mine,
        **stack.environment(),
        **(warehouse.libpq(warehouse.server(stack).endpoint) if "dbt" in subject.packs() else {}),
    }


def run(subject: lab.Lab, command: list[str]) -> None:
    """Become the program, in the learner's folder."""
    if not subject.work.is_dir():
        raise LabError(f"lab {subject.number} has not been started", f"make lab-{subject.number}")
    command = command[1:] if command[0] == "--" else command
    variables = environment(subject)
    os.chdir(subject.work)
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606 - no shell is the point
    except OSError as error:
        raise LabError(f"{command[0]}: {error.strerror}", "programs of the lab and Python are on its PATH") from error


def psql(subject: lab.Lab, service: str, options: list[str]) -> None:
    """Open psql on a server."""
    names = [name for name, entry in subject.about.services.items() if entry.get("kind", name) == "postgres"]
    if service.startswith("-") or (service and service not in names):
        options, service = [service, *options], ""
    if not names:
        raise LabError(f"lab {subject.number} has no PostgreSQL", "its services are in its lab.toml")
    variables = environment(subject)
    dsn = variables[f"{(service or names[0]).upper()}_DSN"]
    program = str(Path(variables["PATH"].split(os.pathsep)[0]) / "psql")
    sys.exit(subprocess.run([program, dsn, *options], env=variables, check=False).returncode)
