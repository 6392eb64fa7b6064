"""The command line: `xinpei`, one group of commands, each a thin layer over the API, the wallet or a file.

main        the group, lazily loaded; errors become one sentence and an exit code
options     what every command takes: --home, --json, --as; `terms` what a grant means
output      what a command prints, for people or for programs
session     who acts, and the clients of the nodes
asking      private text, from files or the terminal; `identifying` who somebody is

customers   what a customer does with her wallet
desks       what an organisation's operator does
claims      claims and their proofs, for everybody
operators   running nodes, and governing the network
simulate    breaking a simulated network
demo        the whole story on a network of its own

Exit codes: 0 done, or it holds; 1 refused, or it does not hold; 2 wrong use.
"""

from nodes.cli.main import main

__all__ = ["main"]
