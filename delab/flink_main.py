"""A Flink session cluster as children of one process: `python -I -S flink_main.py PLAN`, so that it is killed and paused as one.

PLAN is JSON: {"jobmanager": [program, argument, …], "taskmanager": […]}. A TaskManager that ends is started again, as a container
platform would do; when the JobManager ends, all end. Standard library only: its memory is the lab's.
"""

import json
import os
import signal
import subprocess
import sys
import time
from types import FrameType

STOP_SECONDS = 8.0  # that the JVMs have to end in good order
PAUSE = 0.5  # seconds before a TaskManager is started again
TICK = 0.1  # seconds between two looks


class Cluster:
    """The two JVMs."""

    def __init__(self, plan: dict[str, list[str]]) -> None:
        self.plan = plan
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.ending = False

    def start(self, name: str) -> None:
        """Start one of them."""
        self.children[name] = subprocess.Popen(self.plan[name])

    def end(self, *_: int | FrameType | None) -> None:
        """Note that all shall end."""
        self.ending = True

    def run(self) -> int:
        """Watch them until the end; the code of the JobManager, or 0 when told to end."""
        for name in self.plan:
            self.start(name)
        while not self.ending:
            if (code := self.children["jobmanager"].poll()) is not None:
                print(f"the JobManager ended with code {code}", flush=True)
                self.stop()
                return code or 1
            self.look_after_workers()
            time.sleep(TICK)
        self.stop()
        return 0

    def look_after_workers(self) -> None:
        """Start a TaskManager again that has ended."""
        for name, child in list(self.children.items()):
            if name != "jobmanager" and (code := child.poll()) is not None:
                print(f"the {name} ended with code {code}; starting it again", flush=True)
                time.sleep(PAUSE)
                self.start(name)

    def stop(self) -> None:
        """End the workers, then the JobManager; kill what does not end."""
        deadline = time.monotonic() + STOP_SECONDS
        for name in reversed(self.plan):
            self.children[name].terminate()
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def main(plan: str) -> int:
    """Run the cluster of a plan."""
    cluster = Cluster(json.loads(plan))
    signal.signal(signal.SIGTERM, cluster.end)
    signal.signal(signal.SIGINT, cluster.end)
    os.environ.pop("PYTHONPATH", None)
    return cluster.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
