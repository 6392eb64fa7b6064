"""What is played in the simulator: a consortium with its real contracts and role agents, its customers, its troubles.

consortium   who founds the network, with which keys
household    the agents of one simulated node
paperwork    forms of made-up stays
customers    what customers and the desks do, one seeded life each
plans        what will happen to one customer
options      what one seed draws: sizes, weather, liars, lives
trouble      what is broken on purpose, and when
forgers      agents of members that cheat
auditor      what blocks mean, checked from outside the contracts
money        what was committed to, checked against what was moved
faults       one seed: safety under faults, then healing and liveness
elections    the members change who votes
roster       who votes, counted from outside the contracts
campaign     many seeds in several processes, and what happened in all of them
revision     what a run was made from
planning     a network at work for days, measured
figures      what is asked of it, and what was measured
report       a planner's answer, as text and as a page
plots        the page's plots
"""
