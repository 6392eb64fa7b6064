"""The command line: `xinpei`, one group of commands, each a thin layer over the API, the wallet or a file.

main        the group, lazily loaded; errors become one sentence and an exit code
options     what every command takes: --home, --json, --as
output      what a command prints, for people or for programs
session     who acts, and the clients of the nodes
network     up, status, down

Exit codes: 0 done, or it holds; 1 refused, or it does not hold; 2 wrong use.
"""

from nodes.cli.main import main

__all__ = ["main"]
