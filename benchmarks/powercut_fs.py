"""A file system in memory that a power cut can hit at any moment, and that then forgets what was not synced.

`python benchmarks/powercut_fs.py MOUNTPOINT` mounts it and takes commands on standard input, one JSON object a line:

* `{"do": "arm", "folder": F, "operation": N, "seed": S}`: cut the power of folder F at its N-th change from now on.
* `{"do": "cut", "folder": F}`: cut now, if that has not happened. Answers what was lost.
* `{"do": "revive", "folder": F, "as": G}`: what a disk would hold after the cut appears as folder G.
* `{"do": "drop", "folder": F}`, `{"do": "stop"}`.

The model, which is harsher than most disks. Of each file, what was written since its last fsync is torn and
reordered: every 512-byte sector of every such write survives or not, in any order, so that of two writes to one place
the older may win. Names (create, rename, unlink) are lost from some point on unless their folder was synced. A cut
comes in the middle of an operation: a write may survive in part, an fsync may have happened or not. From then on every
operation fails.

Not modelled: a disk that acknowledges an fsync and lies.
"""

import errno
import json
import os
import random
import stat
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import mfusepy as fuse

SECTOR = 512
Change = tuple[int, bytes | None]  # offset and data; None: truncated to this size


@dataclass
class File:
    """What programs see, what the disk holds, and what lies between."""

    live: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[Change] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        if len(self.live) < offset:
            self.live.extend(bytes(offset - len(self.live)))
        self.live[offset : offset + len(data)] = data
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        if size < len(self.live):
            del self.live[size:]
        else:
            self.live.extend(bytes(size - len(self.live)))
        self.pending.append((size, None))

    def sync(self) -> None:
        self.durable, self.pending = bytes(self.live), []

    def torn(self, rng: random.Random) -> bytes:
        """Return what the disk holds after a cut: any part of what is pending, in any order."""
        pieces: list[Change] = []
        for offset, data in self.pending:
            if data is None:
                pieces.append((offset, None))
                continue
            start = 0
            while start < len(data):
                # Sectors of the disk, not of the write: a write need not begin on one.
                end = min(len(data), (offset + start) // SECTOR * SECTOR + SECTOR - offset)
                pieces.append((offset + start, data[start:end]))
                start = end
        share = rng.choice((0.0, 0.1, 0.5, 0.5, 0.5, 0.9, 1.0))
        kept = [piece for piece in pieces if rng.random() < share]
        if share < 1.0:
            rng.shuffle(kept)
        disk = bytearray(self.durable)
        for offset, data in kept:
            if data is None:
                del disk[offset:]
                disk.extend(bytes(offset - len(disk)))
            else:
                disk.extend(bytes(max(0, offset - len(disk))))
                disk[offset : offset + len(data)] = data
        return bytes(disk)


@dataclass
class Folder:
    """Names and files, with a fuse that may be lit."""

    names: dict[str, File] = field(default_factory=dict)
    durable: dict[str, File] = field(default_factory=dict)
    # Each change of names leaves the whole listing behind it: after a cut, one of these is what the disk holds.
    listings: list[dict[str, File]] = field(default_factory=list)
    operations: int = 0
    fires_at: int = 0
    rng: random.Random = field(default_factory=random.Random)
    after_cut: dict[str, bytes] | None = None
    cut_in: str = ""
    lost_bytes: int = 0

    def renamed(self) -> None:
        self.listings.append(dict(self.names))

    def sync(self) -> None:
        self.durable, self.listings = dict(self.names), []

    def cut(self, operation: str) -> None:
        survivor = self.rng.choice([self.durable, *self.listings])
        self.after_cut = {name: file.torn(self.rng) for name, file in survivor.items()}
        self.lost_bytes = sum(len(data or b"") for file in self.names.values() for _, data in file.pending)
        self.cut_in = operation


class PowerCutFS(fuse.Operations):  # type: ignore[misc]  # mfusepy's base class is untyped
    """One level of folders with files in them; each folder is a disk of its own."""

    use_ns = True

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.folders: dict[str, Folder] = {}

    # -- what a disk does --------------------------------------------------------------------------

    def _split(self, path: str) -> tuple[Folder, str]:
        parts = path.strip("/").split("/")
        folder = self.folders.get(parts[0])
        if folder is None:
            raise fuse.FuseOSError(errno.ENOENT)
        if folder.after_cut is not None:
            raise fuse.FuseOSError(errno.EIO)
        return folder, parts[1] if len(parts) > 1 else ""

    def _file(self, path: str) -> tuple[Folder, File]:
        folder, name = self._split(path)
        if name not in folder.names:
            raise fuse.FuseOSError(errno.ENOENT)
        return folder, folder.names[name]

    def _step(self, folder: Folder, operation: str) -> None:
        """Count a change that has been made to the pending state; cut the power when its turn has come."""
        folder.operations += 1
        if folder.operations == folder.fires_at:
            folder.cut(operation)
            raise fuse.FuseOSError(errno.EIO)

    def _sync(self, folder: Folder, what: File | Folder, operation: str) -> int:
        # Half of the cuts during a sync come just after it is done and before anybody knows.
        if folder.operations + 1 != folder.fires_at or folder.rng.random() < 0.5:
            what.sync()
        self._step(folder, operation)
        return 0

    # -- what programs ask -------------------------------------------------------------------------

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        with self.guard:
            now = time.time_ns()
            times = {"st_mtime": now, "st_ctime": now, "st_atime": now, "st_uid": os.getuid(), "st_gid": os.getgid()}
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, **times}
            folder, name = self._split(path)
            if not name:
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, **times}
            if name not in folder.names:
                raise fuse.FuseOSError(errno.ENOENT)
            size = len(folder.names[name].live)
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size, **times}

    def readdir(self, path: str, fh: int) -> list[str]:
        with self.guard:
            return [".", "..", *(self.folders if path == "/" else self._split(path)[0].names)]

    def mkdir(self, path: str, mode: int) -> int:
        with self.guard:
            self.folders[path.strip("/")] = Folder()
            return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        with self.guard:
            folder, name = self._split(path)
            folder.names[name] = File()
            folder.renamed()
            self._step(folder, "create")
            return 0

    def open(self, path: str, flags: int) -> int:
        with self.guard:
            self._file(path)
            return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with self.guard:
            return bytes(self._file(path)[1].live[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        with self.guard:
            folder, file = self._file(path)
            file.write(offset, bytes(data))
            self._step(folder, "write")
            return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        with self.guard:
            folder, file = self._file(path)
            file.truncate(length)
            self._step(folder, "truncate")
            return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        with self.guard:
            folder, file = self._file(path)
            return self._sync(folder, file, "fsync")

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        with self.guard:
            if path == "/":
                return 0
            folder, _ = self._split(path)
            return self._sync(folder, folder, "fsyncdir")

    def rename(self, old: str, new: str, flags: int = 0) -> int:
        with self.guard:
            folder, name = self._split(old)
            folder.names[new.strip("/").split("/")[1]] = folder.names.pop(name)
            folder.renamed()
            self._step(folder, "rename")
            return 0

    def unlink(self, path: str) -> int:
        with self.guard:
            folder, name = self._split(path)
            del folder.names[name]
            folder.renamed()
            self._step(folder, "unlink")
            return 0

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1 << 20, "f_bfree": 1 << 19, "f_bavail": 1 << 19}

    def chmod(self, path: str, mode: int) -> int:
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: Any = None) -> int:
        return 0

    def flush(self, path: str, fh: int) -> int:
        return 0

    def release(self, path: str, fh: int) -> int:
        return 0

    # -- what the drill asks -----------------------------------------------------------------------

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        with self.guard:
            folder = self.folders[command["folder"]]
            match command["do"]:
                case "arm":
                    folder.rng = random.Random(command["seed"])
                    folder.operations, folder.fires_at = 0, command["operation"]
                case "cut":
                    if folder.after_cut is None:
                        folder.cut("idle")
                    return {"in": folder.cut_in, "operations": folder.operations, "lost_bytes": folder.lost_bytes}
                case "revive":
                    after = {
                        name: File(bytearray(content), content) for name, content in (folder.after_cut or {}).items()
                    }
                    self.folders[command["as"]] = Folder(after, dict(after))
                case "drop":
                    del self.folders[command["folder"]]
            return {}


def main() -> None:
    mountpoint = sys.argv[1]
    filesystem = PowerCutFS()

    def listen() -> None:
        for line in sys.stdin:
            print(json.dumps(filesystem.obey(json.loads(line))), flush=True)

    threading.Thread(target=listen, daemon=True).start()
    fuse.FUSE(filesystem, mountpoint, foreground=True, nothreads=True, direct_io=False)


if __name__ == "__main__":
    main()
