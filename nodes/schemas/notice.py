"""The notice: what a customer reads before she signs, in Chinese and English.

It is rendered from the grant's own terms, so that it cannot promise something else, and its SHA-256 is in the grant.
The text is kept by the customer and given to whoever has to prove what she read.

    PIPL    asks for                                                       where
    17      who handles, how to reach them, purpose, manner, kinds, how    1 to 6, 8
            long, how to exercise rights
    23      the recipient's name, contact, purpose, manner and kinds, and  1 to 4, 12
            a separate consent
    29      a separate consent for sensitive information                   4, 12
    30      why it is necessary, and its effect on the person              9
    31      a parent's or guardian's consent under 14                      11

One notice speaks of one recipient and one purpose; providing and collecting are named as two acts.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from nodes.schemas.civil_time import write_day
from nodes.schemas.terms import GrantTerms

Language = Literal["zh", "en"]

RECORD_TYPE_NAMES: dict[str, tuple[str, str]] = {
    "admission": ("入院登记", "admission"),
    "discharge-summary": ("出院小结", "discharge summary"),
    "document": ("附件(如影像、病历扫描件)", "attached documents, such as images and scans"),
    "interim-bill": ("中途费用清单", "interim bill"),
    "invoice": ("医疗收费电子票据及医保结算信息", "invoice with the basic insurance's settlement"),
    "item-list": ("费用明细", "list of items"),
}
"""Record type -> its name in Chinese and in English."""
PURPOSE_NAMES: dict[str, tuple[str, str]] = {
    "HPAYMT": ("办理您的医疗保险理赔", "to settle your medical insurance claims"),
    "CAREMGT": ("为您诊疗和护理", "to treat and care for you"),
    "BTG": (
        "在紧急情况下抢救您(每次使用均会通知您并受监管机构审查)",
        "to treat you in an emergency (each use is announced and reviewed)",
    ),
    "PUBHLTH": ("公共卫生管理", "public health"),
    "DSRCH": ("医学研究", "medical research"),
    "PATRQT": ("按您本人的要求", "as you yourself ask"),
}
MODE_NAMES: dict[str, tuple[str, str]] = {
    "VIEW": ("仅查看,不保存", "looked at and not kept"),
    "STORE": ("传输给接收方并由其保存", "handed to the recipient and kept there"),
    "EXECUTE": (
        "由接收方的规则在提供方处运算,只有结果离开",
        "visited by the recipient's rules where they are; only the result leaves",
    ),
}
Kind = Literal["claim", "visit", "treatment", "health"]
"""What a recipient does: it is given records for a claim, its rules visit them, it treats the customer, or it watches
over public health."""
LEARNS: dict[Kind, tuple[str, str]] = {
    "claim": ("接收方将知悉您的病情和费用。", "learns of your illness and your expenses."),
    "treatment": (
        "接收方的医务人员将知悉您的病情。",
        "learns of your illness: its physicians read what they are given.",
    ),
    "health": (
        """接收方将知悉提供方所登记的诊断及其日期、入出院日期和是否死亡,
    但不知悉您是谁。""",
        """learns diagnoses and their days, when you were admitted and discharged, and whether you died;
    it is not told who you are.""",
    ),
    "visit": (
        """接收方只知悉运算结果:应付和免赔金额、限额类别的金额、原因代码。
    程序不能判定的部分,须您另行同意移交记录后由人工复核。""",
        """learns the result alone: amounts payable and deducted, sums of limited categories, codes of reasons.
    What the program leaves undecided a person can only review once you consent to a hand-over.""",
    ),
}
"""Kind -> what the recipient learns."""
HOLDS: dict[Kind, tuple[str, str]] = {
    "claim": ("您的身份信息、医疗健康信息和费用信息", "your identity, your health, your expenses"),
    "visit": ("您的身份信息、医疗健康信息和费用信息", "your identity, your health, your expenses"),
    "treatment": ("您的身份信息和医疗健康信息", "your identity, your health"),
    "health": ("您的医疗健康信息,不含身份信息", "your health, without your identity"),
}
"""Kind -> what sensitive information is among the categories."""
BY_PROGRAM = (
    "由程序按产品条款计算,任何不利于您的判断均由人工作出;您有权要求说明和人工复核。",
    """the payout is computed by a program from the product's terms; whatever goes against you is
    decided by a person, and you can ask for the reasons and for a review.""",
)
DECIDES: dict[Kind, tuple[str, str]] = {
    "claim": BY_PROGRAM,
    "visit": BY_PROGRAM,
    "treatment": (
        "没有。医务人员阅读您的病历,诊疗由人决定;您有权要求说明。",
        """none. Physicians read your records, and people decide how you are treated; you can ask for
    the reasons.""",
    ),
    "health": (
        "没有。没有程序据此作出任何决定。",
        "none. No program decides anything on what is provided.",
    ),
}
"""Kind -> what is decided by a program."""
FILE_YOURSELF = (
    "不同意不影响您就医;您可以自行提交理赔申请。",
    "If you do not agree you are treated all the same, and you can file a claim yourself.",
)
DECLINING: dict[Kind, tuple[str, str]] = {
    "claim": FILE_YOURSELF,
    "visit": FILE_YOURSELF,
    "treatment": (
        "不同意不影响您就医,但接收方不会从提供方得到您的病历。",
        "If you do not agree you are treated all the same, without what the provider knows of you.",
    ),
    "health": (
        "不同意不影响您就医和理赔;医院依法必须报告的事项不取决于您的同意。",
        """If you do not agree you are treated and insured all the same. What a law has hospitals report
    does not rest on your consent.""",
    ),
}
"""Kind -> what a refusal means for the customer."""
COMPARING = (
    "提供方和接收方将用您的证件信息与各自的记录比对,均一致后授权方可使用。",
    "Both organisations compare your document with their own records; without both matches the grant cannot be used.",
)
COMPARES: dict[Kind, tuple[str, str]] = {
    "claim": COMPARING,
    "visit": COMPARING,
    "treatment": COMPARING,
    "health": (
        "提供方将用您的证件信息与其记录比对,一致后授权方可使用;接收方只得到化名,得不到您的证件信息。",
        """The provider compares your document with its own records; without a match the grant cannot be used. The
    recipient is given a pseudonym and not your document.""",
    ),
}
"""Kind -> who checks whose records these are."""
ACTING_NAMES: dict[str, tuple[str, str]] = {
    "guardian": ("监护人", "guardian"),
    "delegate": ("受托人", "delegate"),
    "heir": ("近亲属", "close relative"),
}


@dataclass(frozen=True, slots=True)
class NoticeTerms:
    """What a notice is rendered from."""

    terms: GrantTerms
    contact_hospital: str
    contact_recipient: str
    acting: str | None = None
    """In what way somebody acts for the customer: guardian, delegate, heir; None for herself."""


def render_notice(notice: NoticeTerms, language: Language) -> str:
    """Return the notice's text in one language."""
    if notice.terms.effect == "deny":
        return _deny_zh(notice) if language == "zh" else _deny_en(notice)
    return _permit_zh(notice) if language == "zh" else _permit_en(notice)


def hash_notice(text: str) -> bytes:
    """Return what the grant has of a notice: SHA-256 of its UTF-8 text."""
    return hashlib.sha256(text.encode()).digest()


def _kind(terms: GrantTerms) -> Kind:
    if terms.role != "insurer":
        return "treatment" if terms.role == "hospital" else "health"
    return "visit" if terms.execution == "rules-visit-data" else "claim"


def _types(terms: GrantTerms, place: int) -> str:
    return ("、" if place == 0 else ", ").join(RECORD_TYPE_NAMES[item][place] for item in terms.record_types)


def _permit_zh(notice: NoticeTerms) -> str:
    terms = notice.terms
    kind = _kind(terms)
    visits, is_claims = kind == "visit", kind in ("claim", "visit")
    standing = "有效期内的各案件" if is_claims else "有效期内的各次住院"
    case = "仅限下一个案件(一案一授权)" if terms.case == "one-case" else standing
    stays = f";仅限住院:{'、'.join(terms.stays)}" if terms.stays else ""
    uses = "不限次数" if terms.uses_max is None else f"最多 {terms.uses_max} 次"
    often = f",每 {terms.frequency[1]} 天最多 {terms.frequency[0]} 次" if terms.frequency else ""
    acting = ""
    if notice.acting is not None:
        acting = f"\n    本次由您的{ACTING_NAMES[notice.acting][0]}代为同意,其权限经核验,有期限,且不得超出其范围。"
    provides = "让接收方的规则在其系统内运算" if visits else "向接收方提供"
    collects = "将得到运算结果" if visits else "将收集并使用这些信息"
    return f"""授权告知书

一、提供方:{terms.hospital}(联系方式:{notice.contact_hospital})将{provides}您的下列信息。
二、接收方:{terms.recipient}(联系方式:{notice.contact_recipient}){collects}。
    以上是两个行为,您的本次同意同时包含这两个行为,且仅限于这一家接收方、这一个目的。
三、目的:{PURPOSE_NAMES[terms.purpose][0]}({terms.purpose})。不用于其他目的,也不再向他人提供。
四、信息种类(均为敏感个人信息,含{HOLDS[kind][0]}):{_types(terms, 0)}。
五、处理方式:{MODE_NAMES[terms.mode][0]};范围:{case}{stays};{uses}{often}。
    传输和保存均加密,保存方持有密钥;链上只有化名和承诺值,没有姓名、病情和金额。
六、记录日期:{write_day(terms.first_day)} 至 {write_day(terms.last_day)};授权于 {write_day(terms.expires_day)} 终止;
    接收方应在 {write_day(terms.erase_day)} 前删除,法律规定必须保存的除外。以上三个期限各自独立。
七、自动化决定:{DECIDES[kind][0]}
八、您的权利:您可以随时撤回(xinpei consent revoke)、查询谁看过您的记录、要求更正和删除。
    撤回不影响撤回前已完成的处理;撤回后未交付的记录不再交付。
    您也可以在不撤回的情况下拒绝其中一部分(xinpei consent grant --deny)。
九、必要性和影响:不提供这些信息,接收方无法办理上述事项;提供后,{LEARNS[kind][0]}
    {DECLINING[kind][0]}
十、机构核验:{COMPARES[kind][0]}
十一、未满十四周岁者由监护人同意;已满十四周岁不满十八周岁者由本人和监护人共同同意;本人去世后授权终止。{acting}
十二、本告知书只涉及一家接收方和一个目的,须单独同意;对其他接收方或目的需另行同意。
"""


def _permit_en(notice: NoticeTerms) -> str:
    terms = notice.terms
    kind = _kind(terms)
    visits, is_claims = kind == "visit", kind in ("claim", "visit")
    standing = "any claim while it runs" if is_claims else "any stay while it runs"
    case = "the next claim only" if terms.case == "one-case" else standing
    stays = f", for the stays {', '.join(terms.stays)} only" if terms.stays else ""
    uses = "any number of times" if terms.uses_max is None else f"at most {terms.uses_max} times"
    often = f", at most {terms.frequency[0]} in {terms.frequency[1]} days" if terms.frequency else ""
    acting = ""
    if notice.acting is not None:
        acting = (
            f"\n    Here your {ACTING_NAMES[notice.acting][1]} consents for you, under an authority that was checked, "
            "that ends, and that may not be widened."
        )
    provides = "let the recipient's rules compute on" if visits else "provide"
    collects = "receive the result of it" if visits else "collect and use it"
    return f"""Notice of consent

1.  Provider: {terms.hospital} (contact: {notice.contact_hospital}) will
    {provides} the information below.
2.  Recipient: {terms.recipient} (contact: {notice.contact_recipient}) will {collects}.
    These are two acts; your consent covers both, for this one recipient and this one purpose only.
3.  Purpose: {PURPOSE_NAMES[terms.purpose][1]} ({terms.purpose}). Nothing else, and nobody else.
4.  Categories, all of them sensitive personal information ({HOLDS[kind][1]}):
    {_types(terms, 1)}.
5.  Manner: {MODE_NAMES[terms.mode][1]};
    for {case}{stays}; {uses}{often}.
    Encrypted on the way, and where it is kept, by whoever keeps it; the chain has a pseudonym and commitments, no name,
    no illness and no amount.
6.  Dates of the records: {write_day(terms.first_day)} to {write_day(terms.last_day)}. The grant ends on
    {write_day(terms.expires_day)}; the recipient must erase by {write_day(terms.erase_day)} unless a law demands to
    keep. These are three clocks, and none moves another.
7.  Automated decisions: {DECIDES[kind][1]}
8.  Your rights: withdraw at any time (xinpei consent revoke), ask who has seen your records, have them corrected or
    erased. What was done before a withdrawal stands; what was not yet handed over is not handed over any more. You can
    also deny a part without withdrawing the rest (xinpei consent grant --deny).
9.  Why, and what it means for you: without this information the recipient cannot do what is said in 3; with it, it
    {LEARNS[kind][1]}
    {DECLINING[kind][1]}
10. {COMPARES[kind][1]}
11. Under 14 a guardian consents; at 14 to 17 you and your guardian both do; with your death the grant ends.{acting}
12. This notice is about one recipient and one purpose and needs a separate consent; others need others.
"""


def _deny_zh(notice: NoticeTerms) -> str:
    terms = notice.terms
    stays = f";仅限住院:{'、'.join(terms.stays)}" if terms.stays else ""
    return f"""拒绝告知书

一、您拒绝 {terms.hospital}(联系方式:{notice.contact_hospital})向 {terms.recipient}(联系方式:
    {notice.contact_recipient})提供:{_types(terms, 0)}{stays}。
二、目的:{PURPOSE_NAMES[terms.purpose][0]}({terms.purpose})。对其他目的和其他接收方没有影响。
三、拒绝优先于授权:只有在此之后作出的、范围更窄的授权才构成例外。拒绝前已完成的处理不受影响。
四、拒绝至 {write_day(terms.expires_day)} 止,您可以随时撤回拒绝(xinpei consent revoke)。
五、拒绝不影响您就医;需要这些资料的理赔将等待您的同意,您也可以自行提交理赔申请。
"""


def _deny_en(notice: NoticeTerms) -> str:
    terms = notice.terms
    stays = f" of the stays {', '.join(terms.stays)}" if terms.stays else ""
    return f"""Notice of denial

1.  You deny that {terms.hospital} (contact: {notice.contact_hospital}) provides to {terms.recipient}
    (contact: {notice.contact_recipient}): {_types(terms, 1)}{stays}.
2.  Purpose: {PURPOSE_NAMES[terms.purpose][1]} ({terms.purpose}). Other purposes and recipients are not affected.
3.  A denial is over every grant; only a narrower grant that you give after it is an exception. What was done before
    stands.
4.  It ends on {write_day(terms.expires_day)}, and you can take it back at any time (xinpei consent revoke).
5.  You are treated all the same. A claim that needs what you deny waits for your consent, and you can file it yourself.
"""
