"""Whom a claim waits for, in words of both languages: what everybody may know, which is consent and duplicates."""

from contracts.adjudication.reasons import CODES, Text, find_text
from contracts.listings import Wait

_WORDS = {
    "customer": Text("customer", "等待客户授权", "waits for the customer's consent"),
    "hospital": Text("hospital", "等待医院", "waits for the hospital"),
    "insurer": Text("insurer", "等待保险公司", "waits for the insurer"),
    "rail": Text("rail", "等待支付回执", "waits for the payment's receipt"),
}
_CORRECT = Text("correct", "由医院更正账单", "the hospital corrects the bill")
_COORDINATE = Text(
    "coordinate",
    "另一保险公司先赔；待其赔付后，客户以 claim coordinate 告知余额",
    "another insurer pays first; once it has, the customer tells what is left: claim coordinate",
)
_CONFIRMS = Text("confirms", "正在查收病历", "which confirms the records")
_DECIDES = Text("decides", "病历已全部查收，待理算或人工处理", "which has all records: it settles, or a person decides")
_PERSON = Text("person", "待人工复核", "a person there decides")
_PAYMENT = Text(
    "payment",
    "付款被退回或拒付，或支付渠道已被移除，待其说明",
    "a payment came back or was rejected, or its rail was removed and it states what became of it",
)
_RECORDS = Text("records", "住院未结束或病历未交齐", "the stay goes on, or its records are not handed over")


def describe_wait(wait: Wait, status: str) -> str:
    """Return one line that says whom a claim waits for, and why as far as that is open.

    Args:
        wait: From the chain's view of the claim.
        status: The claim's, with ASSEMBLING derived.
    """
    word = _WORDS[wait.whom]
    if wait.code:
        code, _, condition = wait.code.partition(" ")
        text = find_text(CODES, code)
        told = f"{wait.code} {text.zh} · {text.en}"
        if condition:
            return f"{word.zh} · {word.en}: {told}"
        turn = _COORDINATE if wait.whom == "customer" else _CORRECT
        return f"{told}; {turn.zh} · {turn.en}"
    count = f" ({wait.delivered}/{wait.parts})" if wait.parts else ""
    reason = _reason(wait, status)
    if reason is None:
        return f"{word.zh} · {word.en}{count}"
    return f"{word.zh}：{reason.zh} · {word.en}: {reason.en}{count}"


def _reason(wait: Wait, status: str) -> Text | None:
    if wait.whom == "hospital":
        return _RECORDS
    if wait.whom != "insurer":
        return None
    if status == "PENDED":
        return _PERSON
    if status in ("SETTLED", "RECOVERING"):
        return _PAYMENT
    if status != "ASSEMBLING":
        return None
    return _DECIDES if wait.delivered == wait.parts else _CONFIRMS
