"""Labels: what grants, receipts and their refusals say in codes, in short words of both languages.

What customers read on a screen has the Chinese word and the English one side by side, `有效 GRANTED`, so that nobody
has to choose; a whole text (a notice, a summary, a trace) comes in one language, by `--language`. Programs read the
codes: nothing of this is in `--json`.
"""

from contracts.adjudication.reasons import Text, find_text

STATUSES = (
    Text("REQUESTED", "待您答复", "REQUESTED"),
    Text("EDITED", "修改后授权", "EDITED"),
    Text("GRANTED", "已授权", "GRANTED"),
    Text("DENIED", "已谢绝", "DENIED"),
    Text("EXPIRED", "已到期", "EXPIRED"),
    Text("REVOKED", "已撤回", "REVOKED"),
)
"""Of a request and of a grant."""
DENIAL_STATUSES = (
    Text("GRANTED", "生效中", "in force"),
    Text("EXPIRED", "已到期", "EXPIRED"),
    Text("REVOKED", "已撤回", "REVOKED"),
)
"""Of a denial, which is no grant although the chain enters it as one."""
EFFECTS = (Text("permit", "允许", "permits"), Text("deny", "拒绝", "DENIES"))
PURPOSES = (
    Text("HPAYMT", "理赔", "claims"),
    Text("CAREMGT", "诊疗", "treatment"),
    Text("BTG", "紧急", "EMERGENCY"),
    Text("PUBHLTH", "公共卫生", "public health"),
    Text("DSRCH", "医学研究", "research"),
    Text("PATRQT", "本人要求", "her own request"),
    Text("HLEGAL", "依法调取", "by law"),
)
CASES = (Text("one-case", "一案一授权", "one case"), Text("standing", "长期", "standing"))
MODES = (
    Text("VIEW", "仅查看", "VIEW"),
    Text("STORE", "交付并保存", "STORE"),
    Text("EXECUTE", "就地计算", "EXECUTE"),
)
EXECUTIONS = (
    Text("data-to-insurer", "数据交付接收方", "data to the recipient"),
    Text("rules-visit-data", "规则就地计算，病历不离开", "rules visit the data"),
)
RECORD_TYPES = (
    Text("admission", "入院", "admission"),
    Text("item-list", "费用清单", "item list"),
    Text("invoice", "发票", "invoice"),
    Text("interim-bill", "中期账单", "interim bill"),
    Text("discharge-summary", "出院小结", "discharge summary"),
    Text("document", "附件", "attached document"),
)
GRANTORS = (
    Text("customer", "本人", "customer"),
    Text("guardian", "监护人", "guardian"),
    Text("delegate", "受托人", "delegate"),
    Text("heir", "继承人", "heir"),
)
CAPACITIES = (
    Text("adult", "成年", "adult"),
    Text("youth", "十四至十七周岁", "youth"),
    Text("child", "未满十四周岁", "child"),
    Text("ward", "被监护人", "ward"),
    Text("deceased", "已去世", "deceased"),
)
"""In what way a party of a grant knows its subject."""
LINKS = (
    Text("matched", "身份一致", "matched"),
    Text("mismatch", "身份不一致", "MISMATCH"),
    Text("not linked", "尚未核对", "not linked"),
)
"""What a party of a grant found of her identity."""
RECORD_KINDS = (
    Text("original", "原始", "original"),
    Text("reversal", "冲销", "reversal"),
    Text("replacement", "更正", "replacement"),
)
HOLDINGS = (
    Text("custodian", "保管", "has it"),
    Text("shared", "已授权交付", "shared, not yet answered"),
    Text("delivered", "已送达", "delivered"),
    Text("disputed", "有异议", "disputed"),
    Text("lapsed", "已失效", "lapsed, nobody answered"),
    Text("ordered", "依法调取", "ordered by law"),
    Text("claim", "留存", "kept"),
)
"""What an organisation has of a record, or of what was made of a claim."""
CLAIM_STATUSES = (
    Text("REPORTED", "已报案", "REPORTED"),
    Text("ASSEMBLING", "收集病历中", "ASSEMBLING"),
    Text("AWAITING_CONSENT", "等待授权", "AWAITING_CONSENT"),
    Text("SETTLED", "已理算", "SETTLED"),
    Text("PAID", "已赔付", "PAID"),
    Text("PENDED", "待人工复核", "PENDED"),
    Text("RECOVERING", "追回中", "RECOVERING"),
    Text("WITHDRAWN", "已撤回", "WITHDRAWN"),
)
"""The codes stay: they are what other commands, programs and the documentation say."""
CLAIM_STEPS = (
    Text("reported", "报案", "reported"),
    Text("extended", "并入住院", "extended"),
    Text("awaiting", "等待授权", "awaiting"),
    Text("resumed", "恢复处理", "resumed"),
    Text("settled", "理算", "settled"),
    Text("payment", "支付", "payment"),
    Text("withdrawn", "撤回", "withdrawn"),
    Text("acknowledged", "客户确认", "acknowledged"),
    Text("disputed", "客户有异议", "disputed"),
)
CONDITIONS = (
    Text("grant", "没有授权", "there is no such grant"),
    Text("status", "授权已撤回或未生效", "the grant was revoked, or is not in force"),
    Text("expiry", "授权已到期", "the grant has ended"),
    Text("effect", "这是拒绝，不是授权", "it is a denial and permits nothing"),
    Text("purpose", "目的不符", "the grant is for another purpose"),
    Text("recipient", "接收方不符", "the grant or the stay is for another recipient"),
    Text("source", "不含该医院", "the grant does not name this hospital"),
    Text("subject", "不是本人的授权", "the grant is about somebody else"),
    Text("record type", "不含该类记录", "the grant does not cover this type of record"),
    Text("encounter", "不含该次住院", "the grant does not cover this stay"),
    Text("case", "仅限另一案件", "the grant is for another claim alone"),
    Text("execution", "处理方式不符", "the grant has the rules computed elsewhere"),
    Text("mode", "授权方式不含此行为", "the grant's mode does not allow it"),
    Text("uses", "次数已用完", "all uses of the grant are used"),
    Text("frequency", "期间内次数已用完", "all uses of this period are used"),
    Text("link", "身份尚未核对或核对不一致", "hospital or recipient has not matched her identity"),
    Text("deceased", "本人已去世，授权终止", "she has died: her grants have ended"),
    Text("capacity", "双方所知的行为能力不同", "hospital and recipient know different things of her age"),
    Text("grantor", "授权人无权代为授权", "whoever gave it may not act for her"),
    Text("authority", "代为授权的权限不成立", "the authority to act for her does not hold"),
    Text("countersignature", "监护人尚未共同同意", "the guardian has not countersigned"),
    Text("denial", "客户已拒绝", "a denial stands against it"),
    Text("record dates", "记录日期不在授权范围内", "the grant means records of other days"),
    Text("field set", "该目的没有可交付的内容", "nothing is released for this purpose"),
    Text("quota", "当日尝试次数过多", "too many attempts today"),
    Text("custodian", "病历由另一医院保管", "another hospital keeps the records"),
    Text("claim", "尚未报案或不需该记录", "no claim that needs the record is reported"),
    Text("reversal", "记录已冲销", "the record is reversed"),
    Text("erasure", "已要求删除或已删除", "it was erased, or that was asked for"),
    Text("emergency", "没有进行中的紧急查看", "no emergency is open for it"),
    Text("role", "机构身份不符", "only another kind of organisation may"),
    Text("basis", "该法律依据不适用于此机构", "the law entitles another kind of organisation"),
    Text("insurer", "不是该案的保险公司", "the claim is another insurer's"),
    Text("signature", "签名不成立", "a signature does not hold"),
    Text("premises", "规则所需条件不成立", "what the rules were brought does not hold"),
    Text("rules", "规则与生效的合约不同", "the rules are not those in force"),
    Text("no share", "从未交付给询问方", "nothing was shared with who asked"),
    Text("share lapsed", "交付已失效", "its share was not answered in time"),
    Text("order", "不是询问方的调取令", "the order is another regulator's"),
)
"""What a grant or attempt fails, by the name that a refusal has for it."""


def name_both(texts: tuple[Text, ...], id_: str) -> str:
    """Return a code's word in Chinese and in English; what has none speaks for itself, once."""
    text = find_text(texts, id_)
    return text.zh if text.zh == text.en else f"{text.zh} {text.en}"


def name_purpose(purpose: str) -> str:
    """Return a purpose in both languages with its code: `理赔 claims (HPAYMT)`."""
    return f"{name_both(PURPOSES, purpose)} ({purpose})"


def name_types(record_types: list[str] | tuple[str, ...]) -> str:
    """Return types of records in both languages, with commas."""
    return ", ".join(name_both(RECORD_TYPES, item) for item in record_types)


def explain_condition(condition: str, text: str = "") -> str:
    """Return which condition failed: its Chinese words, its name, and the chain's own sentence where there is one.

    Args:
        condition: As a refusal names it: `record type`.
        text: What the chain says of it in English, with the values; the condition's own words if empty.
    """
    known = find_text(CONDITIONS, condition)
    words = f"{condition}: {text or known.en}"
    return words if known.zh == known.en else f"{known.zh} · {words}"
