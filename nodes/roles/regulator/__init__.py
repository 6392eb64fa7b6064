"""The regulator: orders records under a law, keeps them as long as its own law says, and erases them then.

    agent      orders, what is fetched under them, and the answers
    documents  attached documents that were ordered, chunk by chunk
    book       what the chain has commitments of: the orders' numbers
    reviewing  uses of break-glass: their reasons, asked of who broke it, and the review that each gets
    erasing    what it destroys of a record that it ordered, and on which day a hold on it begins

Nothing of it is silent: an order is an entry that its customer sees before anything is handed over.
"""

from nodes.roles.regulator.agent import Regulator as Regulator
from nodes.roles.regulator.agent import RegulatorError as RegulatorError
