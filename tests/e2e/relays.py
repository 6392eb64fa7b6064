"""A relay that stands in front of a port of this machine and keeps every byte that goes through, in files."""

import contextlib
import itertools
import os
import socket
import threading
from pathlib import Path
from socket import create_connection

_numbers = itertools.count()


class Relay:
    """Passes connections on to a port and writes down both directions, a file for each, before it passes them on."""

    def __init__(self, port: int, folder: Path) -> None:
        """Listen on a free port.

        Args:
            port: Where connections are passed on to.
            folder: For the files; their names begin with that port.
        """
        self._target = port
        self._folder = folder
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(threading.Thread(target=self._accept, daemon=True))

    def close(self) -> None:
        """Take no more connections, and wait for the end of those that there were."""
        self._server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                try:
                    far = create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                for source, target in ((near, far), (far, near)):
                    name = f"{self._target}-{os.getpid()}-{next(_numbers)}.wire"
                    self._start(
                        threading.Thread(target=_pass_on, args=(source, target, self._folder / name), daemon=True)
                    )

    def _start(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()


def _pass_on(source: socket.socket, target: socket.socket, path: Path) -> None:
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as tape:
        while data := source.recv(65536):
            tape.write(data)
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()
