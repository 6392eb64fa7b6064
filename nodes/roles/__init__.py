"""What a hospital, an insurer and the payment rail do with what they see on the chain.

Agents are drivers' guests: they never open a socket or read a clock. Each is stepped with what happened and returns
what it wants done, so that the real node and the simulator run the same agents.

    hospital, insurer, rail, regulator    the agents
    customer                              the wallet's side: grants, her own records, who looked, new keys
    office                                what a member's operators do by hand: proposals, votes, keys
    exchange                              what members hand each other point to point
    claims                                from documents to decision and settlement, wherever the rules run

The modules beside them serve several of these: who is who (`people`, `linking`), who may act for whom (`authorising`),
where people meet an organisation (`reception`), what the chain says (`lookup`), who looked (`activity`), what is to be
erased (`erasing`).
"""
