"""What a customer does with her wallet: who she is, what she grants and denies, who looked, what is kept of her.

customer      a wallet, and who acts for whom
wallet        what it holds, its passphrase and its backup
recovery      keepers, and a lost pseudonym through them
consent       granting, delegating, attesting, revoking; `granted` says what was
requests      what organisations ask of her (`consent request` is theirs), and her answers
explaining    who may see what, under which grant
activity      every look at her records
record        who has them, and having them erased
"""
