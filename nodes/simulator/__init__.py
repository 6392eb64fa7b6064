"""Many replicas in one process, under a virtual clock: the same core as the network's, and worse weather.

One seed gives one trace. Messages are delayed, lost, repeated and reordered, links are cut, nodes crash between any
two effects and lose everything that was not durable, clocks are wrong, and validators lie. What must never happen is
checked from outside the replicas, while it runs.
"""
