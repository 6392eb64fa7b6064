"""The regulator: orders records under a law, keeps them as long as its own law says, and erases them then.

    agent      orders, what is fetched under them, and the answers
    erasing    what it destroys of a record that it ordered, and on which day a hold on it begins
"""

from nodes.roles.regulator.agent import Regulator as Regulator
from nodes.roles.regulator.agent import RegulatorError as RegulatorError
