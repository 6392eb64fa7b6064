"""The payment rail: a signer of its own that moves money once for each attempt, and receipts what became of it.

    bank        what moves the money; the shipped one is simulated and pays at once
    attempts    what the rail knows of each attempt, durable before it acts
    agent       instructions checked, attempts driven to their end, receipts on the chain

No real money moves: the bank is a boundary, and what is shipped behind it is a book.
"""

from nodes.roles.rail.agent import Rail as Rail
