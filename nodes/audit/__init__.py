"""Audit: what anybody can check afterwards, offline, with the genesis and nothing else.

    dossier       the file that shows one claim, as canonical JSON
    evidence      what is inside: the state's entries, and which they must be
    deeds         the signatures behind the entries: who did it
    packing       the compact form: a value that comes again is referred to
    collect       builds dossier and openings at a node
    verify        checks a dossier and says the first thing that does not hold
    rules         what the entries must satisfy among themselves: consent, order, arithmetic
    reveal        the openings of a claim: opens them, and adjudicates the case again
    summary       what was proven, in words
    reexecution   a whole chain, block by block, from the genesis
    comparison    where two stores of one chain differ

What is said about a claim is derived from what was proven, never written beside it.
"""
