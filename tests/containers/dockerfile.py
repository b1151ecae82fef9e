"""Reads a Dockerfile and carries out its steps in a folder, as a container's builder does in a layer."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One instruction: its first word, and the rest with its lines joined."""

    word: str
    rest: str


def read_steps(dockerfile: Path) -> list[Step]:
    """The instructions in order, without comments."""
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines()]


def list_context(root: Path, ignored: Path) -> Iterator[Path]:
    """The files that ``COPY . .`` takes from ``root``: of the lines of ``ignored``, the last that fits a file or a folder above
    it counts."""
    rules = [line for line in ignored.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
    wanted = [rule[1:].split("/")[0] for rule in rules if rule.startswith("!")]
    for top in sorted(root.iterdir()):
        if any(fnmatch.fnmatch(top.name, pattern) for pattern in wanted):
            found = sorted(top.rglob("*")) if top.is_dir() else [top]
            yield from (path for path in found if path.is_file() and _is_taken(path.relative_to(root).as_posix(), rules))


def _is_taken(name: str, rules: Sequence[str]) -> bool:
    taken = True
    parts = name.split("/")
    names = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    for rule in rules:
        pattern = rule.lstrip("!")
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
        else:
            # In these patterns a star does not cross folders.
            fits = any(each.count("/") == pattern.count("/") and fnmatch.fnmatch(each, pattern) for each in names)
        if fits:
            taken = rule.startswith("!")
    return taken


def copy_context(root: Path, ignored: Path, target: Path) -> None:
    """Copy what ``COPY . .`` takes into ``target``."""
    for path in list_context(root, ignored):
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)


@dataclass
class Builder:
    """A root folder to which steps are applied."""

    root: Path
    context: Path
    ignored: Path
    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"

    def apply(self, step: Step) -> None:
        """Carry out one step. Those that only describe the image are left out."""
        match step.word:
            case "ARG":
                name, _, value = step.rest.partition("=")
                self.arguments.setdefault(name, value)
            case "ENV":
                self.environment |= dict(part.split("=", 1) for part in shlex.split(step.rest))
            case "USER":
                self.user = step.rest
            case "WORKDIR":
                self.folder = step.rest
            case "COPY":
                self._copy([part for part in step.rest.split() if not part.startswith("--")])
            case "RUN":
                self.run(["sh", "-c", step.rest])
            case _:
                pass

    def _copy(self, parts: Sequence[str]) -> None:
        *sources, _ = parts
        target = self.root / self.folder.lstrip("/")
        if sources == ["."]:
            copy_context(self.context, self.ignored, target)
        else:
            for source in sources:
                shutil.copy2(self.context / source, target / source)
        subprocess.run(["chown", "-R", self.user, str(target)], check=True)

    def start(self, command: Sequence[str], **more: str) -> subprocess.Popen[bytes]:
        """A process inside, as the step's user in its folder."""
        variables = {**self.arguments, **self.environment, **more, "HOME": "/home/easel" if self.user != "0:0" else "/root"}
        variables["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["env", "-C", self.folder, *command]
        return subprocess.Popen(
            ["chroot", f"--userspec={self.user}", str(self.root), *inside], env={**_list_proxies(), **variables}
        )

    def run(self, command: Sequence[str]) -> None:
        """Run to the end. Raises AssertionError if it fails."""
        assert self.start(command).wait() == 0, command


def _list_proxies() -> dict[str, str]:
    """The variables that tell pip and uv how the internet is reached here."""
    return {name: value for name, value in os.environ.items() if re.match(r"(?i)(uv|pip|ssl|https?)_|no_proxy", name)}


def read_entrypoint(steps: Sequence[Step]) -> list[str]:
    """The command that the image starts."""
    return json.loads(next(step.rest for step in steps if step.word == "ENTRYPOINT"))


@contextmanager
def mount_system(root: Path) -> Iterator[None]:
    """The kernel's folders inside ``root``, as containers have them."""
    with ExitStack() as stack:
        for name in ("proc", "sys", "dev"):
            subprocess.run(["mount", "--bind", f"/{name}", str(root / name)], check=True)
            stack.callback(subprocess.run, ["umount", "-l", str(root / name)], check=False)
        yield
