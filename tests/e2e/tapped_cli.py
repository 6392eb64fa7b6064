"""`xinpei` itself, with its sockets and those of the nodes that it starts tapped; nothing else of it is changed.

python -m tests.e2e.tapped_cli demo --json
"""

import os
import socket
from pathlib import Path
from typing import Any

from nodes.cli import main
from nodes.cli.operators import network
from tests.e2e.tapped import FOLDER, Relays


def tap(folder: Path) -> None:
    """Put the taps in."""
    create_connection, node_command = socket.create_connection, network.node_command
    relays = Relays(folder)

    def dial(address: tuple[str, int], *arguments: Any, **options: Any) -> Any:
        host, port = address
        return create_connection((host, relays.reach(port)), *arguments, **options)

    def command_tapped(*arguments: Any) -> list[str]:
        program, option, module, *rest = node_command(*arguments)
        assert (option, module) == ("-m", "nodes.process")
        return [program, option, "tests.e2e.tapped", *rest]

    setattr(socket, "create_connection", dial)  # noqa: B010 - a function for everybody else
    setattr(network, "node_command", command_tapped)  # noqa: B010


if __name__ == "__main__":
    tap(Path(os.environ[FOLDER]))
    main()
