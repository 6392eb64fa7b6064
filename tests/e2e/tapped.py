"""A node as `nodes.process` runs it, with its sockets tapped, and what taps record.

It dials its peers through relays, which keep what is on the wire: TLS. And it writes down each frame to another node
before TLS, as whoever had the nodes' own keys would see it.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from nodes.network import frames, transport
from nodes.process import main
from tests.e2e.relays import Relay

FOLDER = "XINPEI_TEST_TAPES"
"""Names the folder for what is recorded."""


class Tapes:
    """What tapped programs have recorded in a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if it is not there."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.environment = {FOLDER: str(folder)}
        """What tapped programs need in theirs."""

    def wire(self, *ports: int) -> bytes:
        """Return all that went over the connections to these ports, or to any; both directions."""
        paths = [path for path in sorted(self.folder.glob("*.wire")) if not ports or _target(path) in ports]
        return b"\n".join(path.read_bytes() for path in paths)

    def targets(self) -> set[int]:
        """Return the ports whose connections said something."""
        return {_target(path) for path in self.folder.glob("*.wire") if path.stat().st_size}

    def sent(self) -> list[bytes]:
        """Return what each node sent to others, before TLS."""
        return [path.read_bytes() for path in sorted(self.folder.glob("*.frames"))]


def _target(path: Path) -> int:
    return int(path.name.split("-", maxsplit=1)[0])


class Relays:
    """One relay for each port that this process dials."""

    def __init__(self, folder: Path) -> None:
        """Begin without any."""
        self._folder = folder
        self._relays: dict[int, Relay] = {}

    def reach(self, port: int) -> int:
        """Return the port of the relay in front of one."""
        if port not in self._relays:
            self._relays[port] = Relay(port, self._folder)
        return self._relays[port].port


def tap(folder: Path) -> None:
    """Put the taps in."""
    encode_frame, open_connection = frames.encode_frame, asyncio.open_connection
    relays = Relays(folder)
    tape = (folder / f"{os.getpid()}.frames").open("ab", buffering=0)

    def note_frame(payload: bytes) -> bytes:
        frame = encode_frame(payload)
        tape.write(frame)
        return frame

    async def dial(host: str, port: int, **options: Any) -> Any:
        return await open_connection(host, relays.reach(port), **options)

    setattr(transport, "encode_frame", note_frame)  # noqa: B010 - a function for everybody else
    setattr(asyncio, "open_connection", dial)  # noqa: B010


if __name__ == "__main__":
    tap(Path(os.environ[FOLDER]))
    sys.exit(main())
