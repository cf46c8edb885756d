"""The command line: `lab VERB …`. Each make target is a thin wrapper of one of these."""

import sys
from functools import cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delab import lab as labs
from delab.errors import LabError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    help="A data-engineering lab on your own machine: start a lab, work, and have your work checked on the real systems.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
LEARN, STACK, PIPELINES, AUTHOR = "The labs", "The services", "Pipelines of your own", "For authors"
new = typer.Typer(help="Lay out a pipeline of your own: `lab new pipeline NAME --template dag`.", no_args_is_help=True)
app.add_typer(new, name="new", rich_help_panel=PIPELINES)


@cache
def console(*, stderr: bool = False) -> "Console":
    """The terminal; made late, because a verification's process should start before anything else is imported."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def the_lab(value: str) -> labs.Lab:
    """A lab from its number, its folder or its verify.py."""
    path = Path(value)
    if value.isdigit():
        return labs.get(int(value))
    return labs.read((path.parent if path.is_file() else path).resolve())


LabArgument = Annotated[labs.Lab, typer.Argument(parser=the_lab, metavar="N", help="The lab's number.")]


def main() -> None:
    """Run the command; a failure that a person can act on is told in plain words and ends with code 3."""
    mount_data()
    try:
        app(standalone_mode=True)
    except LabError as error:
        from delab import report

        report.show_error(console(stderr=True), error)
        sys.exit(3)
    except KeyboardInterrupt:
        console(stderr=True).print("stopped")
        sys.exit(130)


@app.command(rich_help_panel=LEARN)
def start(lab: LabArgument) -> None:
    """Start a lab: its services, its data, your folder; then show the task."""
    from delab import commands

    commands.start(console(), lab)


@app.command(rich_help_panel=LEARN)
def verify(
    lab: LabArgument,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON (docs/result-schema.md).")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit report to this file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Use the data of an earlier verification.")] = None,
    work: Annotated[Path | None, typer.Option(help="Judge this folder instead of yours in work/.")] = None,
) -> None:
    """Check your work. Exit code: 0 passed, 1 failed, 2 not started, 3 blocked, 4 cannot judge."""
    from delab import verify_command as commands

    raise typer.Exit(commands.verify(console, lab, as_json=json, junit=junit, seed=seed, work=work))


@app.command(rich_help_panel=LEARN)
def hint(lab: LabArgument, all_of_them: Annotated[bool, typer.Option("--all", help="Show those seen so far too.")] = False) -> None:
    """Show the next hint."""
    from delab import commands

    commands.hint(console(), lab, all_of_them)


@app.command(rich_help_panel=LEARN)
def solution(lab: LabArgument, force: Annotated[bool, typer.Option(help="Show it before you have passed.")] = False) -> None:
    """Lay the reference solution beside your work, once you have passed."""
    from delab import commands

    commands.solution(console(), lab, force)


@app.command(rich_help_panel=LEARN)
def reset(lab: LabArgument) -> None:
    """Begin again: a fresh starter and fresh data. Your old work is kept, and its place printed."""
    from delab import commands

    commands.reset(console(), lab)


@app.command(rich_help_panel=LEARN)
def watch(lab: LabArgument) -> None:
    """Verify again on each save; Enter verifies by hand, q ends. With Kafka: shows topics, lag, windows, watermark meanwhile."""
    from delab import watching

    watching.watch(console(), lab)


@app.command("labs", rich_help_panel=LEARN)
def catalogue() -> None:
    """List all labs with your progress."""
    from delab import progress, report

    report.show_catalogue(console(), labs.everything(), progress.read())


@app.command("verify-all", rich_help_panel=LEARN)
def verify_all() -> None:
    """Check again every lab that you have passed."""
    from delab import verify_command as commands

    raise typer.Exit(commands.verify_all(console))


@app.command(rich_help_panel=LEARN, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(lab: LabArgument, command: Annotated[list[str], typer.Argument(help="A program and its arguments, after `--`.")]) -> None:
    """Run a program in your folder, told where the lab's services are: `lab run 2 -- python lag_monitor.py`."""
    from delab import commands

    commands.run(lab, command)


@app.command(rich_help_panel=LEARN, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def psql(
    lab: LabArgument,
    service: Annotated[str, typer.Argument(help="Which server; the first one if left out.")] = "",
    options: Annotated[list[str] | None, typer.Argument(help="Passed on to psql.")] = None,
) -> None:
    """Open psql on one of the lab's servers: `lab psql 2 replica1`."""
    from delab import commands

    commands.psql(lab, service, options or [])


@app.command(rich_help_panel=STACK)
def up() -> None:
    """Start again the services of every lab that you have started."""
    from delab import stack_commands

    stack_commands.up(console())


@app.command(rich_help_panel=STACK)
def down() -> None:
    """Stop everything; data and your files are kept."""
    from delab import stack_commands

    stack_commands.down(console())


@app.command(rich_help_panel=STACK)
def status() -> None:
    """Show what runs: endpoints, memory, state."""
    from delab import stack_commands

    stack_commands.status(console())


@app.command(rich_help_panel=STACK)
def logs(
    service: Annotated[str, typer.Argument(help="A service, or a lab's number and a service: 2/replica1.")] = "",
    lines: Annotated[int, typer.Option("-n", help="How many lines.")] = 20,
) -> None:
    """Show the last lines that services logged."""
    from delab import stack_commands

    stack_commands.logs(console(), service, lines)


@app.command(rich_help_panel=STACK)
def doctor() -> None:
    """Look for what is wrong with this machine, and say the fix."""
    from delab import doctor as module

    raise typer.Exit(module.show(console()))


@new.callback()
def new_something() -> None:
    """Lay out something new, elsewhere."""


@new.command()
def pipeline(
    name: Annotated[str, typer.Argument(help="What it is called: small letters, digits, - and _.")],
    template: Annotated[str, typer.Option("--template", "-t", help="dag, dbt, quality or spark.")],
    into: Annotated[Path, typer.Option(help="The folder to lay it out in; here if left out.")] = Path(),
) -> None:
    """Lay out a stand-alone project of your own from a template: with tests, CI, and a lock of its packages."""
    from delab import pipelines_commands

    pipelines_commands.create(console(), name, template, into)


@app.command("update-pipeline", rich_help_panel=PIPELINES)
def update_pipeline(project: Annotated[Path, typer.Argument(help="The project's folder.")] = Path()) -> None:
    """Bring what has changed in the template into a project laid out by `lab new pipeline`; your changes are kept."""
    from delab import pipelines_commands

    raise typer.Exit(pipelines_commands.update(console(), project))


@app.command(rich_help_panel=AUTHOR)
def audit(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="[N]...", help="Labs; all if left out.")] = None,
    jobs: Annotated[int, typer.Option(help="How many verifications at once (most of one is waiting).")] = 3,
    repeat: Annotated[int, typer.Option(help="How many times.")] = 1,
    minutes: Annotated[float, typer.Option(help="Begin no lab later; other labs come first with each commit.")] = inf,
    cut: Annotated[bool, typer.Option("--cut", help="With --minutes: begin no case later, either.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Go on behind the check that rejects: none may break.")] = False,
) -> None:
    """Prove labs: the starter fails, every right answer passes, every wrong one is rejected by the check meant for it."""
    from delab import auditing, projects, rotation

    chosen = [the_lab(value) for value in numbers] if numbers else labs.everything()
    chosen = projects.runnable(console(), chosen)
    chosen = chosen if minutes == inf else rotation.order(chosen)
    raise typer.Exit(auditing.audit_all(console(), chosen, jobs=jobs, repeat=repeat, minutes=minutes, cut=cut, whole=whole))


@app.command("new-lab", rich_help_panel=AUTHOR)
def new_lab(number: Annotated[int, typer.Argument()], title: Annotated[str, typer.Argument()]) -> None:
    """Lay out the folder of a new lab."""
    from delab import new_lab as module

    console().print(f"laid out {module.create(number, title)}; fill in what is marked, then: lab audit {number}")


@app.command(hidden=True)
def packs(lab: LabArgument) -> None:
    """Print the packs of packages that a lab needs, one a line."""
    for pack in lab.packs():
        typer.echo(pack)


def mount_data() -> None:
    """Add `lab data …`, imported only when it is asked for."""
    if len(sys.argv) > 1 and sys.argv[1] in ("data", "-h", "--help"):
        from delab.data.commands import app as data

        app.add_typer(data, name="data", help="Practice data sets: list, describe, make, card.", rich_help_panel=AUTHOR)


if __name__ == "__main__":
    main()
