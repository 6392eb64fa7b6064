"""What those do who run nodes and govern the network.

network       up, status, metrics, down
chain         executing a store again, comparing two
key           an organisation's keys, and replacing them
govern        proposals and votes
contract      the contract sets of a home folder
"""
