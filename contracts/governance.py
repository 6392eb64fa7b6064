"""Governance: the members decide who belongs to the network, who votes on blocks, and which code runs.

    status      from    when
    open        -       a member has proposed it
    passed      open    a vote makes the approvals weigh more than two thirds; the action is done in the same block
    rejected    open    a vote makes the rejections weigh a third or more: it can pass no more
    stale       open    a vote finds that what it was made against has changed, or that it cannot be done any more
    expired     open    its time has passed (clock)

Nothing leaves any of the last four: an action is done at most once. All are kept, and listed by query.

Rules:

    1. Every organisation but an auditor may propose, at most OPEN_MAX at a time; a proposal is open for PROPOSAL_MS. A
       consensus key is proposed by its own organisation, so nobody gets another's key into its name. An auditor has no
       part in deciding on what it audits: it proposes nothing, and so never gets a validator.
    2. Each organisation that has a validator has one vote, worth the validator's power. Votes are counted anew at each
       vote, against the set decided last: who was removed meanwhile does not count.
    3. A vote counts while the key that cast it is its organisation's newest: whoever re-keys takes back what a stolen
       key said, and may vote again.
    4. A proposal names what it was made against: the rows that it will change. If they have changed, it is stale. A
       removal is not against the keys of who is to go: by replacing them it would put off its removal again and again.
    5. A change of the validators also needs approvals that can go on without the others: those who approved and stay,
       and a validator whose new key has just signed, must be a quorum of the new set. So nobody is voted out by those
       who then could not decide, and members that are down cannot be left as the ones on whom everything waits.
    6. There is always a validator, never more than VALIDATORS_MAX; all have power 1, as turns are equal too.
    7. A key serves one name, once, for ever (contract `keys`): also consensus keys.

    what                              acts
    keys of an organisation           at the next height
    seal key, certificate             at once
    validators                        two heights later; the block in between is made also on an idle chain
    code                              at the height that the proposal names, two heights later at the soonest

What an upgrade's code does cannot be seen here: the chain has its hashes. It must have every contract that is in force.
Whether it can read the rows that are there is checked by each member before it votes (`xinpei contract add`).

    table        key                      value
    proposals    number                   Proposal
    votes        number, organisation     MemberVote
    open         organisation, number     its open proposals
    numbers      "next"                   the number of the next proposal
"""

from contracts.keys import KEY_VERSIONS_MAX, Keys, rotation_message
from contracts.membership import ORGANISATIONS_MAX, Membership
from contracts.proposals import (
    AddOrganisation,
    AddValidator,
    CastVote,
    ListProposals,
    MemberVote,
    Number,
    Proposal,
    ProposalChanged,
    ProposalEnds,
    ProposalStatus,
    ProposalView,
    Propose,
    RekeyOrganisation,
    RekeyValidator,
    RemoveOrganisation,
    RemoveValidator,
    ReplaceCredentials,
    ShowProposal,
    UpgradeContracts,
    organisation_message,
    validator_message,
)
from ledger.execution.contract import (
    CUSTOMER_PREFIX,
    VALIDATORS_MAX,
    Contract,
    Hash,
    Struct,
    Table,
    Validator,
    ValidatorSet,
    clock,
    encode,
    hash_tagged,
    query,
    reject,
    replace,
    transaction,
    verify,
)

PROPOSAL_MS = 14 * 86_400_000
"""Fourteen days: members meet in a week, and one of them is on holiday."""
OPEN_MAX = 8
LIST_ROWS_MAX = 50
UPGRADE_DELAY_HEIGHTS = 2
"""As for validators: a node that lacks the code hears of it one block before it must stop."""


class OpenProposal(Struct):
    """Table `open`."""

    number: Number


class NextNumber(Struct):
    """Table `numbers`."""

    number: Number


class Governance(Contract):
    """Proposals and votes."""

    name = "governance"
    proposals = Table("proposals", Proposal)
    votes = Table("votes", MemberVote)
    open_rows = Table("open", OpenProposal)
    numbers = Table("numbers", NextNumber)

    # ------------------------------------------------------------------------------------------- transactions

    @transaction
    def propose(self, message: Propose) -> None:
        """Put an action to the vote."""
        proposer = self.call(Membership).require_member().name
        if self.call(Membership).is_auditor(proposer):
            reject("FORBIDDEN", f"signer: an auditor decides nothing and proposes nothing, got {proposer}")
        action = message.action
        if isinstance(action, AddValidator | RekeyValidator) and action.name != proposer:
            reject("FORBIDDEN", f"signer: expected {action.name}, whose consensus key it is, got {proposer}")
        if message.against != self._basis(message):
            reject("STALE_PROPOSAL", "against: expected the basis as it is now; ask for it again")
        refusal = self._refusal(message)
        if refusal != "":
            reject("IMPOSSIBLE", refusal)
        self._check_proof(message)
        if len(list(self.open_rows.scan(proposer))) >= OPEN_MAX:
            reject("TOO_MANY", f"expected at most {OPEN_MAX} open proposals of {proposer}")
        counter = self.numbers.get("next")
        number = 1 if counter is None else counter.number
        self.numbers.put("next", NextNumber(number + 1))
        expires_ms = self.context.time_ms + PROPOSAL_MS
        row = Proposal(proposer, message, self.context.height, expires_ms, "open", None, "")
        self.proposals.put(number, row)
        self.open_rows.put((proposer, number), OpenProposal(number))
        self.schedule(expires_ms, "expire", ProposalEnds(number))
        self._tell("proposed", number, row, proposer)

    @transaction
    def vote(self, message: CastVote) -> None:
        """Approve or reject a proposal, once; what follows from it follows in this block."""
        voter = self.call(Membership).require_member().name
        validators = self._validators()
        if validators.get(voter) is None:
            reject("FORBIDDEN", f"signer: expected an organisation with a validator, got {voter}")
        row = self.proposals.get(message.number)
        if row is None:
            reject("UNKNOWN_PROPOSAL", f"number: there is no proposal {message.number}")
        if row.status != "open" or row.expires_ms <= self.context.time_ms:
            status = "expired" if row.status == "open" else row.status
            reject("PROPOSAL_CLOSED", f"proposal {message.number} is {status}")
        known = self.votes.get((message.number, voter))
        if known is not None and self._counts(voter, known):
            reject("ALREADY_VOTED", f"{voter} has voted on proposal {message.number} at height {known.height}")
        vote = MemberVote(message.approve, self.context.key_version, self.context.height)
        self.votes.put((message.number, voter), vote)
        self._tell("voted", message.number, row, voter)
        self._decide(message.number, row, validators, voter)

    @clock
    def expire(self, message: ProposalEnds) -> None:
        """Close a proposal whose time has passed."""
        row = self.proposals.get(message.number)
        if row is not None and row.status == "open":
            self._close(message.number, row, "expired", "", row.proposer)

    # ------------------------------------------------------------------------------------------------ queries

    @query
    def basis(self, message: Propose) -> Hash:
        """Return what an action is made against as it is now; `against` of the message is not looked at."""
        return self._basis(message)

    @query
    def show(self, message: ShowProposal) -> ProposalView | None:
        """Return a proposal as it stands, or None."""
        row = self.proposals.get(message.number)
        return None if row is None else self._view(message.number, row)

    @query
    def list_proposals(self, message: ListProposals) -> tuple[ProposalView, ...]:
        """Return a page of proposals, oldest first."""
        rows = self.proposals.scan((), message.after, LIST_ROWS_MAX)
        return tuple(self._view(int(key[0], 16), row) for key, row in rows)

    # --------------------------------------------------------------------------------------------- the count

    def _decide(self, number: int, row: Proposal, validators: ValidatorSet, voter: str) -> None:
        approving, rejecting = self._tally(number, validators)
        if self._basis(row.proposal) != row.proposal.against:
            self._close(number, row, "stale", "what it was made against has changed", voter)
            return
        refusal = self._refusal(row.proposal)
        if refusal != "":
            self._close(number, row, "stale", refusal, voter)
            return
        if validators.is_quorum(_power(validators, approving)) and self._can_go_on(row.proposal, validators, approving):
            self._do(row.proposal)
            self._close(number, row, "passed", "", voter)
        elif 3 * _power(validators, rejecting) >= validators.total_power:
            self._close(number, row, "rejected", "", voter)

    def _tally(self, number: int, validators: ValidatorSet) -> tuple[list[str], list[str]]:
        """Return whose approvals and whose rejections count now, sorted by name."""
        approving: list[str] = []
        rejecting: list[str] = []
        for key, vote in self.votes.scan((number,)):
            if validators.get(key[1]) is not None and self._counts(key[1], vote):
                (approving if vote.approve else rejecting).append(key[1])
        return approving, rejecting

    def _counts(self, voter: str, vote: MemberVote) -> bool:
        actor = self.call(Membership).actors.get(voter)
        if actor is None:
            return False
        newest = actor.keys[-1]
        return newest.version == vote.key_version and newest.until_height is None

    def _can_go_on(self, message: Propose, validators: ValidatorSet, approving: list[str]) -> bool:
        """Whether those who approved and stay, and a key that has just signed, are a quorum of the set to come."""
        action = message.action
        following = self._following(message, validators)
        if following == validators.validators:
            return True
        present = list(approving)
        if isinstance(action, AddValidator | RekeyValidator) and action.name not in present:
            present.append(action.name)
        chosen = ValidatorSet(following)
        return chosen.is_quorum(_power(chosen, present))

    def _close(self, number: int, row: Proposal, status: ProposalStatus, reason: str, by: str) -> None:
        closed = replace(row, status=status, closed_height=self.context.height, reason=reason)
        self.proposals.put(number, closed)
        self.open_rows.delete((row.proposer, number))
        self._tell("proposal-closed", number, closed, by)

    def _tell(self, event: str, number: int, row: Proposal, by: str) -> None:
        self.emit(event, ProposalChanged(number, action_name(row.proposal), row.status, by))

    def _view(self, number: int, row: Proposal) -> ProposalView:
        validators = self._validators()
        approving, rejecting = self._tally(number, validators)
        power = _power(validators, approving)
        return ProposalView(number, row, tuple(approving), tuple(rejecting), power, validators.total_power)

    # -------------------------------------------------------------------------------------------- the actions

    def _validators(self) -> ValidatorSet:
        found = self.call(Membership).validators.get("current")
        if found is None:
            reject("NO_VALIDATORS", "this chain has no validators")
        return found

    def _basis(self, message: Propose) -> bytes:
        """Return the hash of the rows that an action changes."""
        membership = self.call(Membership)
        action = message.action
        if isinstance(action, UpgradeContracts):
            return hash_tagged("xinpei/governance-basis/v1", encode(membership.pins_decided()))
        rows = encode((membership.actors.get(action.name), membership.organisations.get(action.name)))
        if isinstance(action, RemoveOrganisation | RemoveValidator):
            rows = encode(membership.is_member(action.name))
        is_about_votes = isinstance(action, AddValidator | RemoveValidator | RekeyValidator | RemoveOrganisation)
        voters = encode(self._validators()) if is_about_votes else b""
        return hash_tagged("xinpei/governance-basis/v1", encode((rows, voters)))

    def _refusal(self, message: Propose) -> str:
        """Return why an action cannot be done now; empty if it can."""
        action = message.action
        if isinstance(action, UpgradeContracts):
            return self._refuse_upgrade(action)
        if isinstance(action, AddOrganisation):
            return self._refuse_organisation(action)
        if not self.call(Membership).is_member(action.name):
            return f"name: expected a member, got {action.name}"
        if isinstance(action, RekeyOrganisation):
            if self.call(Membership).newest_version(action.name) >= KEY_VERSIONS_MAX:
                return f"expected at most {KEY_VERSIONS_MAX} keys of {action.name}"
            return self._refuse_key(action.public_key)
        if isinstance(action, ReplaceCredentials):
            return self._refuse_credentials(action)
        return self._refuse_validators(message)

    def _refuse_credentials(self, action: ReplaceCredentials) -> str:
        membership = self.call(Membership)
        credentials = membership.organisations.get(action.name)
        if credentials is None or credentials.seal_key == action.seal_key:
            return ""
        return membership.refuse_seal_key(action.name, action.seal_key)

    def _refuse_organisation(self, action: AddOrganisation) -> str:
        membership = self.call(Membership)
        if membership.actors.get(action.name) is not None:
            return f"name: expected one that no organisation ever had, got {action.name}"
        if action.role == "customer" or action.name.startswith(CUSTOMER_PREFIX):
            return f"name and role: expected an organisation's, got {action.name}, {action.role}"
        if membership.count_members() >= ORGANISATIONS_MAX:
            return f"expected at most {ORGANISATIONS_MAX} organisations"
        return self._refuse_key(action.public_key)

    def _refuse_key(self, public_key: bytes) -> str:
        return "public key: expected one that nobody ever had" if self.call(Keys).is_taken(public_key) else ""

    def _refuse_validators(self, message: Propose) -> str:
        action = message.action
        validators = self._validators()
        if isinstance(action, AddValidator | RekeyValidator):
            if (validators.get(action.name) is not None) != isinstance(action, RekeyValidator):
                return f"name: {action.name} {'votes already' if isinstance(action, AddValidator) else 'does not vote'}"
            taken = self._refuse_key(action.public_key)
            if taken != "":
                return taken
        if isinstance(action, RemoveValidator) and validators.get(action.name) is None:
            return f"name: {action.name} does not vote"
        count = len(self._following(message, validators))
        if not 1 <= count <= VALIDATORS_MAX:
            return f"validators: expected 1 to {VALIDATORS_MAX} afterwards, got {count}"
        return ""

    def _refuse_upgrade(self, action: UpgradeContracts) -> str:
        names = [pin.name for pin in action.contracts]
        if any(names[place] <= names[place - 1] for place in range(1, len(names))):
            return "contracts: expected names sorted, each once"
        decided = self.call(Membership).pins_decided()
        missing = [pin.name for pin in decided if pin.name not in names]
        if missing:
            return f"contracts: expected every contract that is in force, {missing[0]} is missing"
        if action.contracts == decided:
            return "contracts: expected other code than was decided last"
        soonest = self.context.height + UPGRADE_DELAY_HEIGHTS
        if action.from_height < soonest:
            return f"from_height: expected {soonest} or later, got {action.from_height}"
        return ""

    def _check_proof(self, message: Propose) -> None:
        """Check that a new key's holder has signed; raises `VerificationError`."""
        action = message.action
        chain_id = self.context.chain_id
        if isinstance(action, AddOrganisation):
            signed = organisation_message(
                chain_id, action.name, action.role, action.public_key, action.seal_key, action.certificate_hash
            )
            verify("enrolment", action.public_key, signed, action.proof)
        elif isinstance(action, RekeyOrganisation):
            version = self.call(Membership).newest_version(action.name) + 1
            signed = rotation_message(chain_id, action.name, action.public_key, version)
            verify("enrolment", action.public_key, signed, action.proof)
        elif isinstance(action, AddValidator | RekeyValidator):
            signed = validator_message(chain_id, action.name, action.public_key)
            verify("enrolment", action.public_key, signed, action.proof)

    def _following(self, message: Propose, validators: ValidatorSet) -> tuple[Validator, ...]:
        """Return the validators after an action, sorted by name."""
        action = message.action
        kept = validators.validators
        if isinstance(action, RemoveValidator | RemoveOrganisation | RekeyValidator):
            kept = tuple(item for item in kept if item.name != action.name)
        if isinstance(action, AddValidator | RekeyValidator):
            kept = tuple(sorted((*kept, Validator(action.name, action.public_key, 1)), key=_name))
        return kept

    def _do(self, message: Propose) -> None:
        action = message.action
        membership = self.call(Membership)
        validators = self._validators()
        following = self._following(message, validators)
        if isinstance(action, AddValidator | RekeyValidator):
            self.call(Keys).take(action.public_key, action.name)
        if following != validators.validators:
            membership.elect(ValidatorSet(following))
        if isinstance(action, UpgradeContracts):
            membership.pin_code(action.contracts, action.from_height)
        elif isinstance(action, AddOrganisation):
            membership.admit(action.name, action.role, action.public_key, action.seal_key, action.certificate_hash)
        elif isinstance(action, RemoveOrganisation):
            membership.expel(action.name)
        elif isinstance(action, RekeyOrganisation):
            membership.replace_key(action.name, action.public_key)
        elif isinstance(action, ReplaceCredentials):
            membership.replace_credentials(action.name, action.seal_key, action.certificate_hash)


def action_name(message: Propose) -> str:
    """Return the name of a proposal's action, as its tag says it."""
    action = message.action
    if isinstance(action, UpgradeContracts):
        return "upgrade-contracts"
    if isinstance(action, AddOrganisation):
        return "add-organisation"
    if isinstance(action, RemoveOrganisation):
        return "remove-organisation"
    if isinstance(action, RekeyOrganisation):
        return "rekey-organisation"
    if isinstance(action, ReplaceCredentials):
        return "replace-credentials"
    if isinstance(action, AddValidator):
        return "add-validator"
    return "remove-validator" if isinstance(action, RemoveValidator) else "rekey-validator"


def _name(validator: Validator) -> str:
    return validator.name


def _power(validators: ValidatorSet, names: list[str]) -> int:
    return sum(validators.power(name) for name in names)
