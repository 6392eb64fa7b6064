"""Every bound of the protocol, in one place, each with the reason for its value.

A bound that is not here does not exist: what a peer, a client or a contract can make grow is held by one of
these. Changing one changes which blocks are valid, so they are part of the protocol version.
"""

PROTOCOL_VERSION = 1
"""Raised whenever bytes, hashes or votes change. It stands in every header and every signed vote."""

HASH_BYTES = 32
"""SHA-256."""

CHAIN_ID_CHARACTERS_MAX = 48
NAME_CHARACTERS_MAX = 64
"""Contract, method and actor names: long enough for `c-` and 52 characters of base32."""

CONTRACTS_MAX = 64
"""Contracts with state: every state proof lists their roots, about 45 bytes each."""

ARGUMENTS_BYTES_MAX = 16 * 1024
"""One transaction's arguments. The largest honest message is a closing of 32 parts, about 3 KB."""

SUBMISSION_TRANSACTIONS_MAX = 256
"""Transactions under one signature: at 100 the signature's cost per transaction is already below the rest."""

SUBMISSION_BYTES_MAX = 512 * 1024
"""One submission on the wire. Small enough that eight fit into one block."""

BLOCK_BYTES_MAX = 4 * 1024 * 1024
"""All submissions of one block: a proposal must reach everybody well within one propose timeout."""

BLOCK_TRANSACTIONS_MAX = 4096
"""At a worst case of METER_UNITS_MAX each, execution stays under a quarter of the propose timeout because the
block's own meter (BLOCK_METER_UNITS_MAX) ends first."""

BLOCK_EVIDENCE_MAX = 16
"""Evidence items in one block: at most a few validators misbehave, the rest waits for the next block."""

FRAME_BYTES_MAX = BLOCK_BYTES_MAX + 256 * 1024
"""One frame between peers: a full proposal with its header and signatures."""

METER_UNITS_MAX = 200_000
"""Charges of one transaction. A unit is roughly one loop turn or call (about 0.1 us, at most 0.26); an honest
settlement of one stay uses about 6,000, one of the largest claim that may be entered about 170,000."""

BLOCK_METER_UNITS_MAX = 1_500_000
"""Charges of one block: about an eighth of the propose timeout if every unit is of the dearest kind (0.26 us on two
cores), which leaves half of a quarter to slower machines; about 0.2 s of ordinary contract code."""

CALL_DEPTH_MAX = 48
"""Contract functions inside one another. Far below what any Python's own stack allows, so that every node stops at
the same call; the deepest honest one is about 12."""

BLOCK_CLOCK_CALLS_MAX = 64
"""Due clock calls that one block runs; the rest waits for the next block, which is due at once."""

BLOCK_CLOCK_METER_UNITS_MAX = 750_000
"""Charges that clock calls may use of one block's: the other half belongs to transactions."""

QUERY_METER_UNITS_MAX = 5_000_000
"""Charges of one query: about a second of one node, agreed on by nobody."""

CANDIDATES_MAX = 8
"""Executed candidates of one height kept in memory: one per round that is still talked about."""

VERIFIED_SUBMISSIONS_MAX = 16_384
"""Submissions whose signature was verified and need not be again: four times what the mempool holds."""

EVENT_BYTES_MAX = 4 * 1024
EVENTS_PER_TRANSACTION_MAX = 32
REASON_CHARACTERS_MAX = 300
STATE_VALUE_BYTES_MAX = 64 * 1024
"""One state entry. A table row that grows beyond this wants to be a table of its own."""

INTEGER_BITS_MAX = 512
"""Intermediate integers in contract code; products of two exact fractions of amounts stay below it."""

SEQUENCE_ITEMS_MAX = 1024 * 1024
"""Bytes, characters or items that one operation in contract code may produce."""

EXPIRY_HEIGHTS_MAX = 1_000
"""How far ahead a transaction may set its expiry height: the replay window, kept in the state."""

RECOVERY_WAIT_MS_MIN = 3 * 24 * 60 * 60 * 1000
"""What a genesis demands of the wait before a customer's keepers give her pseudonym another key, unless its founders
choose otherwise: longer than a weekend, so that she still has a working day to see it and to veto."""

EXPIRY_MS_MAX = 24 * 60 * 60 * 1000
"""How far ahead of block time a transaction may set its expiry time. Both expiries bound the replay window."""

CLOCK_SKEW_MS_MAX = 10_000
"""How far a first proposal's time may lie from a validator's own logged clock; beyond it, prevote nil."""

MEMPOOL_SUBMISSIONS_MAX = 4_096
MEMPOOL_BYTES_MAX = 64 * 1024 * 1024
"""What waits for a block, in memory only: sixteen full blocks."""

MEMPOOL_SIGNER_SUBMISSIONS_MAX = 512
MEMPOOL_SIGNER_BYTES_MAX = MEMPOOL_BYTES_MAX // 4
"""Waiting submissions of one signer, and what they weigh: one loud member cannot crowd out the others."""

BLOCK_SIGNER_TRANSACTIONS_MAX = 2_048
"""Transactions of one signer in one block; failures cost nothing, so a quota must."""

EVIDENCE_AGE_HEIGHTS_MAX = 10_000
"""Older evidence is refused: the keys of that height may have been destroyed."""

EVIDENCE_PENDING_MAX = 64
"""Evidence that waits for a block, in memory only: four full blocks."""

VALIDATORS_MAX = 64
"""Every validator verifies every vote; the certificate of 43 precommits is about 6 KB."""

VOTING_POWER_TOTAL_MAX = 2**40
"""Keeps 3 * power within 64-bit integers in any implementation."""

VALIDATOR_SET_DELAY_HEIGHTS = 2
"""Validator changes of height H act at H + 2, as CometBFT does, so that both engines agree."""

ROUND_MAX = 10_000
"""Rounds of one height that votes are kept for; capped timeouts make this days of failed rounds."""

FUTURE_ROUNDS_MAX = 2
"""Rounds beyond ours in which one validator's votes are kept, its newest ones: enough to learn where it is."""

FUTURE_MESSAGES_MAX = 64
"""Votes of the next height that are kept per peer until we are there; what is lost is sent again on request."""

PEERS_MAX = 128
"""Peers whose heights are remembered: every validator twice."""

CATCH_UP_BLOCKS_MAX = 16
"""Blocks sent to a peer that is behind, per request of it."""

SNAPSHOT_CHUNK_BYTES = 1024 * 1024
"""Keys and values of one chunk of a snapshot, unless a single entry has more: verified in about 50 ms, so that a node
that takes chunks goes on answering in between."""

SNAPSHOT_CHUNK_BYTES_MAX = 2 * SNAPSHOT_CHUNK_BYTES
"""One encoded chunk: what surrounds its entries is less than they are."""

SNAPSHOT_PARTS_MAX = 16_384
"""Chunks of one snapshot: their list fits into a frame whatever their names and prefixes; a state of 1 GB if chunks
were as small as they get, of some 5 GB as they are."""

WALK_STEPS_MAX = 64
"""Changes of the validator set that are shown at once: 64 sets of 64 validators fit into a frame."""

CANDIDATE_BLOCKS_MAX = 8
"""Executed candidates of one height kept in memory beside the locked and the valid one."""

ANSWER_STATUS_EVERY_MS = 50
"""A peer that says what it lacks is answered this often at most; executing the blocks of one answer takes it longer."""

RESEND_SUBMISSIONS_MAX = 64
"""Old local submissions sent again per tick."""

RESEND_AFTER_MS = 2_000
"""How long a local submission waits for a block before it is sent again."""

TIMEOUT_PROPOSE_MS = 3_000
"""At least four times what the dearest block takes to execute (BLOCK_METER_UNITS_MAX), also on half as fast a core."""
TIMEOUT_PREVOTE_MS = 500
TIMEOUT_PRECOMMIT_MS = 500
TIMEOUT_DELTA_MS = 250
"""Added per round, so that an unknown but finite delay is met eventually."""

TIMEOUT_MAX_MS = 20_000
"""Timeouts stop growing here: others ended at more than an hour after a partition."""

AMOUNT_MINOR_UNITS_MAX = 10**13
"""10^13 分 is 100 billion yuan: above any claim and any yearly total, far below the group order, so that sums of
commitments never wrap."""
