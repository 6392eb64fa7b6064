"""From the documents of a stay to a decision, its settlement and what opens it, wherever the rules run.

The same code serves the insurer's own desk and the hospital that the insurer's rules visit: `assembly` makes the
adjudicator's case, `settlement` draws up what the chain is told, `casebook` keeps both with what opens them.
"""
