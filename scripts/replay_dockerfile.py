"""Replay a Dockerfile's steps in a clean folder, without a container engine.

    make docker-check
    .venv/bin/python scripts/replay_dockerfile.py --serve --prefix /tmp/replay

Each stage gets a folder of its own as its file system: the image's paths below the top folders that
the Dockerfile itself makes (by WORKDIR, COPY, VOLUME, ENV) lead there. COPY honours .dockerignore
and ``--from``. RUN gets a clean environment, in which a ``python:`` stage has a fresh virtual
environment as its Python and a ``node:`` stage the machine's Node.js; ``useradd`` only makes the
home folder. With ``--serve`` the image's command is started on a free port, as the image's user
where that is possible, and must become healthy by the image's own health check.

What this cannot show: the base images themselves, and the layers' sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pathspec
from dockerfile_parse import DockerfileParser

KEPT = re.compile(
    r"^(PIP_|NPM_CONFIG_|npm_config_|SSL_|REQUESTS_|NODE_EXTRA|https?_proxy|no_proxy)", re.I
)
"""Variables of this machine that only say how the package registries are reached."""

SHIMS = {
    "useradd": 'for last; do :; done\nmkdir -p "$HOME"\necho "useradd: would add user $last"',
    "chown": '[ "$(id -u)" != 0 ] || exec /bin/chown "$@"',
}


class ReplayError(Exception):
    """A step failed, or is of a kind that this script does not know."""


@dataclass
class Stage:
    """One stage of the build and its file system."""

    name: str
    base: str
    root: Path
    workdir: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    port: str = ""
    user: str = "root"


class Replay:
    """Walks through the instructions of one Dockerfile."""

    def __init__(self, dockerfile: Path, prefix: Path) -> None:
        self.context = dockerfile.parent
        self.prefix = prefix
        parser = DockerfileParser(path=str(dockerfile), cache_content=True)
        self.steps = [
            (step["instruction"], " ".join(step["value"].split()))
            for step in parser.structure
            if step["instruction"] != "COMMENT"
        ]
        self.stages: dict[str, Stage] = {}
        ignored = self.context / ".dockerignore"
        lines = ignored.read_text().splitlines() if ignored.is_file() else []
        # Patterns count from the context's root, unlike those of .gitignore.
        anchored = [
            line if line.startswith(("**", "#", "!")) or not line else f"/{line}" for line in lines
        ]
        self.ignored = pathspec.PathSpec.from_lines("gitwildmatch", anchored)
        self.own = self._own_folders()

    def _own_folders(self) -> re.Pattern[str]:
        """The top folders that the Dockerfile makes; only these lead into the stage's folder."""
        tops = set()
        for instruction, value in self.steps:
            if instruction in {"WORKDIR", "VOLUME", "COPY", "ENV"}:
                tops.update(re.findall(r"(?:^|[\s=])/([\w.-]+)", value))
        names = "|".join(map(re.escape, sorted(tops))) or "(?!)"
        return re.compile(rf"(?<![\w./:-])/(?=(?:{names})(?:[/\s\"':;,]|$))")

    def mapped(self, text: str, stage: Stage) -> str:
        """`text` with the image's own absolute paths led into the stage's folder."""
        return self.own.sub(f"{stage.root}/", text)

    def run(self) -> Stage:
        """Do every step; gives the last stage."""
        stage: Stage | None = None
        for instruction, value in self.steps:
            print(f"\n--- {instruction} {value}", flush=True)
            if instruction == "FROM":
                stage = self._from(value)
                continue
            if stage is None:
                raise ReplayError(f"{instruction} stands before the first FROM")
            step = getattr(self, f"_{instruction.lower()}", None)
            if step is None:
                raise ReplayError(f"{instruction} is not supported by this script")
            step(value, stage)
        if stage is None:
            raise ReplayError("the Dockerfile has no FROM")
        return stage

    def _from(self, value: str) -> Stage:
        match = re.fullmatch(r"(\S+)(?: AS (\S+))?", value, re.IGNORECASE)
        if not match:
            raise ReplayError(f"FROM {value} is not understood")
        base, name = match[1], match[2] or f"stage{len(self.stages)}"
        stage = Stage(name, base, self.prefix / name)
        stage.root.mkdir(parents=True)
        tools = stage.root / ".tools"
        tools.mkdir()
        path = [
            str(tools),
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ]
        for program, script in SHIMS.items():
            shim = tools / program
            shim.write_text(f"#!/bin/sh\n{script}\n")
            shim.chmod(0o755)
        if base.startswith("python:"):
            version = base.removeprefix("python:").split("-")[0]
            subprocess.run(
                [_python(version), "-m", "venv", str(stage.root / ".python")], check=True
            )
            path.insert(1, str(stage.root / ".python" / "bin"))
        elif base.startswith("node:"):
            node = shutil.which("node")
            if node is None:
                raise ReplayError(f"{base}: this machine has no Node.js")
            path.insert(1, str(Path(node).parent))
        else:
            raise ReplayError(f"{base}: only python: and node: images can be replayed")
        kept = {key: text for key, text in os.environ.items() if KEPT.match(key)}
        home = stage.root / "root"
        home.mkdir()
        stage.environment = {**kept, "PATH": ":".join(path), "HOME": str(home), "LANG": "C.UTF-8"}
        self.stages[name] = stage
        return stage

    def _workdir(self, value: str, stage: Stage) -> None:
        stage.workdir = os.path.normpath(Path(stage.workdir) / value)
        self._inside(stage.workdir, stage).mkdir(parents=True, exist_ok=True)

    def _inside(self, path: str, stage: Stage) -> Path:
        return stage.root / os.path.normpath(Path(stage.workdir) / path).lstrip("/")

    def _env(self, value: str, stage: Stage) -> None:
        for name, text in re.findall(r'(\w+)=("[^"]*"|\S+)', value):
            plain = text.strip('"')
            plain = re.sub(
                r"\$\{?(\w+)\}?", lambda match: stage.environment.get(match[1], ""), plain
            )
            stage.environment[name] = self.mapped(plain, stage)

    def _run(self, value: str, stage: Stage) -> None:
        self._shell(["/bin/sh", "-ec", self.mapped(value, stage)], stage)

    def _shell(self, command: list[str], stage: Stage) -> None:
        folder = self._inside(".", stage)
        if subprocess.run(command, cwd=folder, env=stage.environment).returncode != 0:
            raise ReplayError(f"this step failed: {' '.join(command)}")

    def _copy(self, value: str, stage: Stage) -> None:
        words = value.split()
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        *sources, target = [word for word in words if not word.startswith("--")]
        unknown = set(options) - {"from", "chown", "chmod"}
        if unknown:
            raise ReplayError(f"COPY --{unknown.pop()} is not supported by this script")
        into_folder = target.endswith("/") or len(sources) > 1
        destination = self._inside(target, stage)
        for source in sources:
            if "from" in options:
                other = self.stages[options["from"]]
                found, files = other.root / source.lstrip("/"), None
            else:
                found = self.context / source
                files = set(self._context_files(found))
            if not found.exists():
                raise ReplayError(f"COPY: {source} does not exist")
            if found.is_file():
                end = destination / found.name if into_folder else destination
                end.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, end)
                continue
            for file in found.rglob("*"):
                if file.is_file() and (files is None or file in files):
                    end = destination / file.relative_to(found)
                    end.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(file, end)

    def _context_files(self, top: Path) -> Iterator[Path]:
        """The files below `top` that .dockerignore leaves in the context."""
        if top.is_file():
            yield top
        for folder, folders, names in os.walk(top):
            here = Path(folder)
            folders[:] = [
                name
                for name in folders
                if not self.ignored.match_file(f"{(here / name).relative_to(self.context)}/")
            ]
            for name in names:
                if not self.ignored.match_file(str((here / name).relative_to(self.context))):
                    yield here / name

    def _user(self, value: str, stage: Stage) -> None:
        stage.user = value

    def _volume(self, value: str, stage: Stage) -> None:
        self._inside(value, stage).mkdir(parents=True, exist_ok=True)

    def _expose(self, value: str, stage: Stage) -> None:
        stage.port = value.split("/")[0]

    def _cmd(self, value: str, stage: Stage) -> None:
        stage.command = _exec_form(value)

    def _healthcheck(self, value: str, stage: Stage) -> None:
        stage.health = _exec_form(value.partition("CMD ")[2])

    def serve(self, stage: Stage, patience: float) -> None:
        """Start the command and wait until the health check passes, then stop it with SIGTERM."""
        port = _free_port()

        def local(words: list[str]) -> list[str]:
            return [self.mapped(word.replace(stage.port, str(port)), stage) for word in words]

        folder = self._inside(".", stage)
        command, check = local(stage.command), local(stage.health)
        user = _user_id(stage)
        who = "the current user" if user is None else f"user {user}"
        print(f"\n--- start {' '.join(command)} (as {who})", flush=True)
        server = subprocess.Popen(command, cwd=folder, env=stage.environment, user=user, group=user)
        try:
            deadline = time.monotonic() + patience
            while subprocess.run(
                check, cwd=folder, env=stage.environment, capture_output=True
            ).returncode:
                if server.poll() is not None:
                    raise ReplayError(
                        f"the command ended by itself with exit code {server.returncode}"
                    )
                if time.monotonic() > deadline:
                    raise ReplayError(f"not healthy after {patience:.0f} s")
                time.sleep(0.5)
            print("--- healthy", flush=True)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)
        print(f"--- stopped, exit code {server.returncode}")


def _python(version: str) -> str:
    """The machine's interpreter of that version, else the one that runs this."""
    for name in (f"python{version}", sys.executable):
        try:
            subprocess.run([name, "-c", ""], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return name
    raise ReplayError(f"this machine has no Python {version}")


def _user_id(stage: Stage) -> int | None:
    """The image's user, if this process may become it and it can read the Python here."""
    if os.geteuid() != 0 or not stage.user.isdigit():
        return None
    user = int(stage.user)
    probe = ["python", "-c", ""]
    try:
        subprocess.run(probe, env=stage.environment, user=user, group=user, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return user


def _exec_form(value: str) -> list[str]:
    try:
        words = json.loads(value)
    except ValueError:
        raise ReplayError(f"only the JSON form of a command is supported: {value}") from None
    return [str(word) for word in words]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Replay, and serve if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dockerfile", type=Path, nargs="?", default=Path("Dockerfile"))
    parser.add_argument(
        "--prefix", type=Path, help="new folder for the stages (default: a temporary one)"
    )
    parser.add_argument(
        "--serve", action="store_true", help="start the command and check its health"
    )
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds until it must be healthy"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        prefix = (options.prefix or Path(temporary)).resolve()
        Path(temporary).chmod(0o755)
        try:
            replay = Replay(options.dockerfile.resolve(), prefix)
            stage = replay.run()
            if options.serve:
                replay.serve(stage, options.patience)
        except ReplayError as error:
            print(f"replay: {error}", file=sys.stderr)
            return 1
    print("\nreplay: every step went through")
    return 0


if __name__ == "__main__":
    sys.exit(main())
