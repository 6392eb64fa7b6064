"""What `scripts/generate-reference` writes: the pages of docs/reference that follow from the code.

source        a module's text: docstrings, the strings below fields, annotations
structs       the codec's structs as tables
wire_format   docs/reference/wire-format.md
limits        docs/reference/limits.md
contracts     docs/reference/contracts.md
commands      docs/reference/cli.md
routes        docs/reference/api.md
pages         all of them: to write, and to compare
"""
