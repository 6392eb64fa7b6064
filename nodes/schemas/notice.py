"""The notice: what a customer reads before she signs a grant, in Chinese and English.

It is rendered from the grant's own terms, so that it cannot promise something else, and its SHA-256 is in the grant.
The text is kept by the customer and given to whoever has to prove what she read. One notice speaks of one recipient
and one purpose (PIPL 23 and 29); providing and collecting are named as two acts.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]

RECORD_TYPE_NAMES: dict[str, tuple[str, str]] = {
    "admission": ("入院登记", "admission"),
    "discharge-summary": ("出院小结", "discharge summary"),
    "interim-bill": ("中途费用清单", "interim bill"),
    "invoice": ("医疗收费电子票据及医保结算信息", "invoice with the basic insurance's settlement"),
    "item-list": ("费用明细", "list of items"),
}
"""Record type -> its name in Chinese and in English."""


@dataclass(frozen=True, slots=True)
class NoticeTerms:
    """The terms of a grant as people read them."""

    hospital: str
    insurer: str
    record_types: tuple[str, ...]
    first_day: str
    """ISO dates of the first and last day of the records meant."""
    last_day: str
    expires: str
    erase: str
    contact_hospital: str
    contact_insurer: str


def render_notice(terms: NoticeTerms, language: Language) -> str:
    """Return the notice's text in one language."""
    return _render_zh(terms) if language == "zh" else _render_en(terms)


def hash_notice(text: str) -> bytes:
    """Return what the grant has of a notice: SHA-256 of its UTF-8 text."""
    return hashlib.sha256(text.encode()).digest()


def _render_zh(terms: NoticeTerms) -> str:
    types = "、".join(RECORD_TYPE_NAMES[item][0] for item in terms.record_types)
    return f"""授权告知书

一、提供方:{terms.hospital}(联系方式:{terms.contact_hospital})将向接收方提供您的下列信息。
二、接收方:{terms.insurer}(联系方式:{terms.contact_insurer})将收集并使用这些信息。以上是两个行为,您的本次同意同时包含这两个行为,且仅限于这一家接收方、这一个目的。
三、目的:办理您在该保险公司的医疗保险理赔(HPAYMT)。不用于其他目的,也不再向他人提供。
四、信息种类(均为敏感个人信息):{types}。
五、记录日期:{terms.first_day} 至 {terms.last_day}。
六、授权有效期至 {terms.expires};接收方应在 {terms.erase} 前删除,法律规定必须保存的除外。
七、您可以随时撤回:xinpei consent revoke。撤回不影响撤回前已完成的处理;撤回后未交付的记录不再交付。
八、不同意不影响您就医;您可以自行提交理赔申请。
九、理赔计算由程序按产品条款完成,任何不利于您的判断均由人工作出;您有权要求说明和人工复核。
"""


def _render_en(terms: NoticeTerms) -> str:
    types = ", ".join(RECORD_TYPE_NAMES[item][1] for item in terms.record_types)
    return f"""Notice of consent

1. Provider: {terms.hospital} (contact: {terms.contact_hospital}) will provide the information below.
2. Recipient: {terms.insurer} (contact: {terms.contact_insurer}) will collect and use it. These are two acts; your
   consent covers both, for this one recipient and this one purpose only.
3. Purpose: to settle your medical insurance claims with this insurer (HPAYMT). Nothing else, and nobody else.
4. Categories, all of them sensitive personal information: {types}.
5. Dates of the records: {terms.first_day} to {terms.last_day}.
6. The grant ends on {terms.expires}; the recipient must erase by {terms.erase} unless a law demands to keep.
7. You can withdraw at any time: xinpei consent revoke. What was done before stands; what was not yet handed over is
   not handed over any more.
8. If you do not agree you are treated all the same; you can file a claim yourself.
9. The payout is computed by a program from the product's terms; whatever goes against you is decided by a person, and
   you can ask for the reasons and for a review.
"""
