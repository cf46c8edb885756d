"""Where stacks come from: services are initialised once, kept as a template, and copied.

    RUNTIME/templates/KEY/   one folder a service, and stack.json with the ports that its files speak of
    RUNTIME/stacks/NAME/     a lab's stack, likewise
    RUNTIME/scratch/ID/      a verification's own stack, where there is plenty in memory; its process holds ID.lock
    RUNTIME/spares/KEY/      a scratch stack on disk that was given back: the next one only renews what changed in it
    RUNTIME/locks/           one lock a stack and a template

A folder ending in `.new` is unfinished. `repair` removes it, and whatever a killed command left running.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from delab import files, paths, process, runtime
from delab.layout import Layout
from delab.local import LocalStack
from delab.services.base import Service

SPARES = 2  # for each kind of stack


@dataclass(frozen=True)
class Plan:
    """What a stack is made of. `prepare(stack, seed)` loads its data; `data_key` changes when that changes."""

    name: str
    services: tuple[Service, ...]
    prepare: Callable[[LocalStack, int], None] | None = None
    data_key: str = ""
    seed: int = 0

    def key(self, with_data: bool) -> str:
        """The name of the template: the same key, the same bytes."""
        parts = [repr(service) + service.version() for service in self.services]
        parts += [self.data_key, str(self.seed)] if with_data else []
        return f"{self.name}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def live(plan: Plan) -> LocalStack:
    """The lab's lasting stack, made from its template (with data) the first time."""
    stack = lasting(plan.name, plan.services, runtime.chosen(runs_on(paths.runtime() / "stacks" / plan.name)))
    with stack.lock():
        leave(stack)
        if not (stack.folder / "stack.json").exists():
            instantiate(template(plan, with_data=plan.prepare is not None), stack)
        stack.layout = Layout.read(stack.folder)
        remember(stack)
    return stack


def lasting(name: str, services: tuple[Service, ...], kind: str) -> LocalStack:
    """A lab's lasting stack on a runtime."""
    folder = paths.runtime() / "stacks" / name
    if kind == "local":
        return LocalStack(name, folder, services)
    from delab.compose import ComposeStack

    return ComposeStack(name, folder, services)


def runs_on(folder: Path) -> str:
    """The runtime on which a lasting stack was last started."""
    with suppress(OSError):
        return (folder / "runtime").read_text()
    return "local"


def remember(stack: LocalStack) -> None:
    """Note the runtime, so that any later command finds what runs."""
    if runs_on(stack.folder) != stack.runtime:
        (stack.folder / "runtime").write_text(stack.runtime)


def leave(stack: LocalStack) -> None:
    """Stop a lasting stack on the runtime that it was started on, if it now shall run on another: its data stay."""
    before = runs_on(stack.folder)
    if before != stack.runtime and (stack.folder / "stack.json").exists():
        other = lasting(stack.name, tuple(node.service for node in stack), before)
        other.layout, other.held = Layout.read(stack.folder), stack.held
        other.stop()


def renew(plan: Plan) -> LocalStack:
    """The lab's lasting stack as new: stopped, and every file that changed put back."""
    stack = lasting(plan.name, plan.services, runtime.chosen(runs_on(paths.runtime() / "stacks" / plan.name)))
    with stack.lock():
        leave(stack)
        source = template(plan, with_data=plan.prepare is not None)
        if (stack.folder / "stack.json").exists():
            stack.layout = Layout.read(stack.folder)
            stack.end()
            stack.folder.rename(unfinished(stack.folder))
        instantiate(source, stack)
        remember(stack)
    return stack


def existing(name: str, services: tuple[Service, ...]) -> LocalStack | None:
    """A lasting stack, if it has been made."""
    stack = lasting(name, services, runs_on(paths.runtime() / "stacks" / name))
    with suppress(FileNotFoundError):
        stack.layout = Layout.read(stack.folder)
        return stack
    return None


def scratch(plan: Plan) -> "Scratch":
    """A scratch stack on the runtime of choice."""
    if runtime.chosen() == "local":
        return Scratch(plan)
    from delab import engine
    from delab.compose import ComposeScratch

    engine.client()  # says at once what is in the way
    return ComposeScratch(plan)


class Scratch(LocalStack):
    """A stack that belongs to this process and goes with it, without data until its owner loads some."""

    repair_hint = "repeat the verification"
    starts_lazy = False

    def __init__(self, plan: Plan) -> None:
        place = files.make_folder(paths.scratch())
        super().__init__(f"{plan.name}-{secrets.token_hex(4)}", place, plan.services)
        self.folder = place / self.name
        self.held = files.own(place / f"{self.name}.lock")
        source = template(plan, with_data=False)
        self.spares = paths.runtime() / "spares" / source.name
        self.spare = place.is_relative_to(paths.runtime())  # in memory a copy is quicker than a renewal
        if self.spare:
            take_spare(files.make_folder(self.spares), self.folder)
        instantiate(source, self)

    def destroy(self) -> None:
        """Kill all, keep a folder on disk for the next one, give up the ownership."""
        self.end()
        if self.spare:
            give_spare(self.folder, self.spares)
        else:
            files.remove_tree(self.folder)
        self.folder.with_name(f"{self.name}.lock").unlink(missing_ok=True)
        os.close(self.held)


def take_spare(spares: Path, folder: Path) -> None:
    """Rename a spare, if there is one, to the unfinished state of `folder`."""
    for spare in spares.iterdir():
        with suppress(FileNotFoundError):  # another process was quicker
            spare.rename(unfinished(folder))
            return


def give_spare(folder: Path, spares: Path) -> None:
    """Keep a folder for the next scratch stack, unless there are enough."""
    if spares.is_dir() and len(list(spares.iterdir())) < SPARES:
        folder.rename(spares / folder.name)
    else:
        files.remove_tree(folder)


def unfinished(folder: Path) -> Path:
    """The name of a folder while it is being made."""
    return folder.with_name(f"{folder.name}.new")


def instantiate(source: Path, stack: LocalStack) -> None:
    """Copy a template to a stack with ports of its own; a crash leaves only a `.new` folder."""
    draft = unfinished(stack.folder)
    files.make_folder(draft.parent)
    if draft.exists():
        files.sync_tree(source, draft)
    else:
        files.make_folder(draft)
        files.copy_tree(source, draft)
    old, stack.layout = Layout.read(source), Layout.choose(tuple(node.service for node in stack))
    stack.layout.write(draft)
    draft.rename(stack.folder)
    ports = dict(zip(old.all(), stack.layout.all(), strict=True))
    for node in stack:
        node.service.moved(node.place, ports)


def template(plan: Plan, *, with_data: bool) -> Path:
    """The template of a plan, made if it is not there. One with data is made from the one without."""
    key = plan.key(with_data)
    target = paths.runtime() / "templates" / key
    with files.locked(paths.lock(key)) as descriptor:
        if not (target / "stack.json").exists():
            build(plan, target, descriptor, with_data)
            forget_others(plan, target)
    return target


def build(plan: Plan, target: Path, descriptor: int, with_data: bool) -> None:
    """Make a template in a `.new` folder, stop its services in good order, and put it in place."""
    draft = target.with_name(f"{target.name}.new")
    files.make_folder(draft.parent)
    stack = LocalStack(f"{target.name}", draft, plan.services)
    stack.held, stack.starts_lazy = descriptor, False
    stack.destroy()
    try:
        if with_data:
            fill(stack, plan)
        else:
            initialise(stack, plan)
        close(stack)
        draft.rename(target)
    finally:
        stack.destroy()


def initialise(stack: LocalStack, plan: Plan) -> None:
    """Create and start the services one after the other, so that each finds those it reaches."""
    files.make_folder(stack.folder)
    stack.layout = Layout.choose(plan.services)
    stack.start_links()
    for node in stack:
        files.make_folder(node.place.folder, paths.service_user())
        for name in node.service.folders:
            files.make_folder(node.place.folder / name, paths.service_user()).chmod(0o700)
        if node.service.started:
            node.service.create(node.place)
        if node in stack.supervised() and not node.service.created_stopped:
            node.start()


def fill(stack: LocalStack, plan: Plan) -> None:
    """Copy the template without data and load the data into it."""
    assert plan.prepare is not None
    folder, stack.folder = stack.folder, stack.folder.with_name(f"{stack.folder.name}.copy")
    instantiate(template(plan, with_data=False), stack)
    stack.folder.rename(folder)
    stack.folder = folder
    stack.start()
    plan.prepare(stack, plan.seed)


def close(stack: LocalStack) -> None:
    """Let every service settle, stop all, and keep nothing of this run: logs, records, links."""
    for node in stack.supervised():
        if node.alive():
            node.service.settle(node.place)
    for node in stack:
        node.stop()
    stack.sweep()
    for node in stack:
        node.place.log.unlink(missing_ok=True)
    files.remove_tree(stack.folder / "link")
    stack.layout.write(stack.folder)
    os.sync()


def forget_others(plan: Plan, target: Path) -> None:
    """Remove this lab's templates of earlier versions."""
    wanted = {plan.key(True), plan.key(False)}
    for other in target.parent.glob(f"{plan.name}-*"):
        if other.name not in wanted and not other.name.endswith((".new", ".copy")):
            files.remove_tree(other)
            files.remove_tree(paths.runtime() / "spares" / other.name)


def repair() -> None:
    """Remove what killed commands left: scratch stacks without an owner, and unfinished folders."""
    scratch = [lock for place in paths.places() for lock in place.glob("scratch/*.lock")]
    for lock in (*scratch, *paths.runtime().glob("runs/*.lock")):
        if (descriptor := files.free_lock(lock)) is not None:
            discard(lock.with_suffix(""))
            lock.unlink(missing_ok=True)
            os.close(descriptor)
    collect()
    for draft in (*paths.runtime().glob("templates/*.new"), *paths.runtime().glob("templates/*.copy")):
        if (descriptor := files.free_lock(paths.lock(draft.stem))) is not None:
            discard(draft)
            os.close(descriptor)


def collect(*, everything: bool = False) -> None:
    """Remove containers that killed commands left, or all of ours; free where there never was one."""
    if (paths.runtime() / "containers").exists():
        from delab import engine

        engine.collect(everything=everything)
    if any((paths.runtime() / "projects").glob("*.lock")):
        from delab import projects

        projects.sweep()


def discard(folder: Path) -> None:
    """End everything that works in a folder or was started for it, and remove it."""
    process.kill([*process.all_inside(folder), *process.marked(str(folder))])
    files.remove_tree(folder)
    files.remove_tree(unfinished(folder))
