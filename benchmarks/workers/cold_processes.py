"""Runs commands as fresh processes, taking turns, and reports what each of them takes.

The most memory of a process is never less than that of the one that started it, so this one
imports next to nothing. Its standard input is ``{"rounds": 15, "commands": [{"name": ...,
"code": ..., "arguments": [...]}]}``; ``{round}`` in an argument is the number of the round.
"""

from __future__ import annotations

import json
import os
import sys
import time

ANSWER = "answer"
"""File that the standard output of a process goes to."""

LISTING = """
import atexit
@atexit.register
def list_modules():
    import json, os, sys
    specs = {name: getattr(it, "__spec__", None) for name, it in sys.modules.items()}
    caches = {name: spec.cached for name, spec in specs.items() if spec and spec.cached}
    raw = [name for name, path in caches.items() if not os.path.exists(path)]
    print(json.dumps({"modules": [*specs], "raw": raw}))
"""
"""Goes before the code in the first round, and says at the end what was imported."""

UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    given = json.load(sys.stdin)
    found: dict[str, dict[str, list]] = {}
    for command in given["commands"]:
        # The first time everything is compiled, and comes into the memory of the machine.
        _, _, answer = ran(command, 0, LISTING)
        listed = json.loads(answer.splitlines()[-1])
        if listed["raw"]:
            sys.exit(f"no bytecode is kept of {', '.join(listed['raw'])}")
        found[command["name"]] = {
            "modules": listed["modules"],
            "seconds": [],
            "memory": [],
            "answers": [],
        }
    for number in range(1, given["rounds"] + 1):
        for command in turned(given["commands"], number):
            seconds, memory, answer = ran(command, number)
            measured = found[command["name"]]
            measured["seconds"].append(seconds)
            measured["memory"].append(memory)
            measured["answers"].append(answer)
    print(json.dumps(found), flush=True)


def turned(commands: list[dict], number: int) -> list[dict]:
    """Return the commands with another one first in each round."""
    first = number % len(commands)
    return commands[first:] + commands[:first]


def ran(command: dict, number: int, before: str = "") -> tuple[float, int, str]:
    """Run a command to its end; return its seconds, its most memory and its output."""
    arguments = [each.replace("{round}", str(number)) for each in command["arguments"]]
    words = [sys.executable, "-c", before + command["code"], *arguments]
    output = (os.POSIX_SPAWN_OPEN, 1, ANSWER, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    began = time.perf_counter()
    process = os.posix_spawn(sys.executable, words, os.environ, file_actions=[output])
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"{command['name']} ended with {os.waitstatus_to_exitcode(status)}")
    with open(ANSWER) as answer:
        return seconds, usage.ru_maxrss * UNIT, answer.read()


if __name__ == "__main__":
    main()
