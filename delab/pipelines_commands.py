"""What `lab new pipeline` and `lab update-pipeline` show."""

from pathlib import Path

from rich.console import Console

from delab import packs, pipelines

PACKS = ("templates",)


def create(out: Console, name: str, template: str, into: Path) -> None:
    """Lay out a project, and say how to go on."""
    pipelines.place(name, template, into)
    packs.ensure(PACKS)
    made = pipelines.create(name, template, into)
    out.print(f"laid out [bold]{made}[/bold] from the template {template}\n\nnext:", soft_wrap=True)
    out.print(f"  cd {made}", soft_wrap=True)
    out.print(f"  git init && git add -A && git commit -m 'From delab, template {template}'")
    out.print("  README.md: how to set it up, test it, run it, and what to configure on a cluster", soft_wrap=True)
    if not pipelines.told(made, "_commit"):
        out.print("\nThis delab is no git clone, so the project can't be brought up to date later.")


def update(out: Console, project: Path) -> int:
    """Update a project; returns the exit code: 1 if conflicts are left."""
    packs.ensure(PACKS)
    changed, conflicts = pipelines.update(project)
    if not changed:
        out.print("nothing has changed in the template")
    for file in changed:
        out.print(f"  {'conflict' if file in conflicts else 'changed '}  {file}", soft_wrap=True)
    if conflicts:
        out.print("\nIn the files with conflicts, choose between <<<<<<< and >>>>>>>; then git add them.")
    elif changed:
        out.print("\nLook at it (git diff), run the tests, commit.")
    return 1 if conflicts else 0
