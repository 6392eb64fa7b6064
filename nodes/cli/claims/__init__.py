"""Claims, for everybody whom they concern, and the proofs that anyone can check.

claim         listing, watching, reviewing, withdrawing, taking home the proof
finding       a claim by the start of its id, as whoever asks
own_opening   what a customer's wallet opens
watching      until nothing more is to be expected
verification  `xinpei verify`, without a network
"""
