"""The office of a member: what its operators decide by hand, as against what its agent does by itself.

`preparing` makes keys and proposal files, `council` proposes and votes, `rotating` replaces the member's own key;
all of them through `member_calls`, the member's questions and transactions to its own node.
"""
