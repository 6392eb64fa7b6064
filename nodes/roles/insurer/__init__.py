"""The insurer: what it sold, what it is handed, and how a closed stay becomes a payout without anybody's application.

    portfolio     products and policies, and what opens the chain's commitments to them
    premises      what chain and register say of a claim before it is settled
    visiting      rules that visit a hospital: the premises out, the result checked and settled on
    desk          one claim: what is left to do, derived from chain and register
    erasing       what is destroyed of a record or claim that the insurer is asked to erase
    payments      a payment that is due -> a sealed instruction to the rail
    events        which claim an event is about
    yearbook      what the payments of each month add up to
    reporting     the yearly report, as it goes to the chain
    inquiries     what operators and customers ask about claims
    agent         all of it behind the agent's boundary, and what the operator asks

How documents become a case and a decision becomes a settlement is in `nodes.roles.claims`. Nothing is decided here:
decisions are `contracts.adjudication`'s, or a person's.
"""

from nodes.roles.insurer.agent import Insurer as Insurer
