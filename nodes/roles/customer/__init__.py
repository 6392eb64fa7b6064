"""The customer: what a person does with her wallet at the desks of her hospital and her insurer.

`customer` is what she does herself; `offers` draws up what she is asked to sign; `looking` shows who looked at her
records; `renewing` and `recovering` give her new keys while she has the old ones, and after she has lost them.
"""
