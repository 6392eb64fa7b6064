"""The adjudicator: a pure function from a case to a decision, pinned by hash like every contract.

It reads no state and has no transactions. An insurer runs it where the plaintext lies, or a hospital does for an
insurer's rules that visit; the chain sees commitments to its input and output. The rules, in their order:

    R01 consent   R02 policy    R03 duplicate   R04 waiting period   R05 pre-existing   R06 exclusions
    R07 network   R08 stay      R09 lines       R10 other cover      R11 deductible     R12 ratio
    R13 tiers     R14 limits    R15 rounding    R16 advances         R19 human review
"""
