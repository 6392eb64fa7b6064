"""What a hospital, an insurer and the payment rail do with what they see on the chain.

Agents are drivers' guests: they never open a socket or read a clock. Each is stepped with what happened and returns
what it wants done, so that the real node and the simulator run the same agents.
"""
