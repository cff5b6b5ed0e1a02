"""Where the code lies that templates point at: folders of this machine, and archives in S3, each unpacked once."""

import hashlib
import io
import os
import shutil
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.s3.models import s3_backends

from muster_local.lambda_host import FOLDER_PREFIX

# No bucket can have these names: what a template of this machine points at, and what `sam build` made of one.
SOURCES = "(sources)"
BUILD = "(build)"


class CodeError(Exception):
    """There is nothing at a location, or nothing that can be unpacked; the message says where."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where something lies: in a bucket, or below the root of this machine for one of the names above."""

    bucket: str
    key: str
    version: str | None = None

    def __str__(self) -> str:
        """Return it as a URI."""
        return f"s3://{self.bucket}/{self.key}" + (f"?versionId={self.version}" if self.version else "")

    @property
    def is_complete(self) -> bool:
        """Whether it was built: everything that it imports lies in it, so nothing of ours may be seen there."""
        return self.bucket != SOURCES


def of_this_machine(path: Path, *, built: bool) -> Location:
    """Return the location of a file or folder."""
    return Location(BUILD if built else SOURCES, str(path.resolve()))


class CodeStore:
    """Reads locations. What it unpacks stays until it is closed; the same archive is unpacked once."""

    def __init__(self) -> None:
        """Start with nothing unpacked, and no folder before there is."""
        self._root: Path | None = None
        self._lock = threading.Lock()

    def content(self, location: Location) -> bytes:
        """Return a file's content. Raises CodeError."""
        if location.bucket in {SOURCES, BUILD}:
            try:
                return Path(location.key).read_bytes()
            except OSError as error:
                raise CodeError(f"there is no file {location.key}") from error
        return bytes(_object(location).value)

    def folder(self, location: Location) -> Path:
        """Return the folder with the files of an archive. Raises CodeError."""
        if location.bucket in {SOURCES, BUILD}:
            folder = Path(location.key)
            if not folder.is_dir():
                raise CodeError(f"there is no folder {folder}")
            return folder
        content = self.content(location)
        with self._lock:
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
            target = self._root / hashlib.sha256(content).hexdigest()[:20]
            if not target.exists():
                _unpack(content, target, location)
        return target

    def close(self) -> None:
        """Remove everything that was unpacked."""
        with self._lock:
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)
                self._root = None


def _unpack(content: bytes, target: Path, location: Location) -> None:
    begun = target.with_suffix(".part")
    shutil.rmtree(begun, ignore_errors=True)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(begun)
    except zipfile.BadZipFile as error:
        raise CodeError(f"{location} is no ZIP archive") from error
    begun.rename(target)


def _object(location: Location) -> Any:
    partition, account = s3_backends.bucket_accounts.get(location.bucket, ("aws", ""))
    bucket = s3_backends[account][partition].buckets.get(location.bucket) if account else None
    found = None
    if bucket is not None:
        found = s3_backends[account][partition].get_object(location.bucket, location.key, version_id=location.version)
    if found is None:
        raise CodeError(f"there is no object {location}")
    return found
