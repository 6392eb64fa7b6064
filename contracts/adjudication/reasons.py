"""The words of an adjudication: rules, reason codes and details, each in Chinese and English.

Programs compare ids, people read labels; a decision stores ids only, so the same decision prints in either
language. Codes are HCX's (the denial codes of the health claims exchanges), so that a member's existing systems know
them. A detail says what about a rule held or did not; it carries no fact of the case.
"""

from typing import Literal

from ledger.execution.contract import Struct

RuleId = Literal[
    "R01", "R02", "R03", "R04", "R05", "R06", "R07", "R08", "R09", "R10", "R11", "R12", "R13", "R14", "R15", "R16",
    "R19",
]  # fmt: skip
"""The rules of a medical claim, in the order in which they run. R17 and R18 are lump sums, R20 is clocks."""
Code = Literal[
    "AUTH-011", "AUTH-012", "AUTH-013", "BENX-002", "BENX-005", "CLAI-007", "DUPL-001", "DUPL-002", "ELIG-001",
    "ELIG-005", "ELIG-006", "ELIG-007", "NCOV-001", "NCOV-002", "NCOV-003", "PRCE-001", "PRCE-003",
]  # fmt: skip
Language = Literal["zh", "en"]


class Text(Struct):
    """One meaning in both languages, under the id that programs compare."""

    id: str
    zh: str
    en: str

    def speak(self, language: Language) -> str:
        """Return the text in one of them."""
        return self.zh if language == "zh" else self.en


class Rule(Struct):
    """A rule's name and the facts it needs."""

    name: Text
    """Under the rule's id."""
    facts: tuple[str, ...]
    """Paths into a `Case`. Where one that may be absent is absent, the rule is unknown and names it."""


RULES: tuple[Rule, ...] = (
    Rule(Text("R01", "授权", "Consent"), ("consent", "hospital", "insurer", "record_types", "stay.admission_day")),
    Rule(Text("R02", "保单有效性", "Policy"), ("policy", "links", "stay.admission_day", "stay.deceased")),
    Rule(Text("R03", "重复理赔", "Duplicate"), ("duplicates",)),
    Rule(
        Text("R04", "等待期", "Waiting period"),
        (
            "product.waiting",
            "policy.inception_day",
            "policy.renewal",
            "stay.accident",
            "diagnosis.onset_day",
            "diagnosis.diagnosed_day",
            "diagnosis.icd10",
        ),
    ),
    Rule(
        Text("R05", "既往症", "Pre-existing condition"),
        ("product.covers_preexisting", "policy.inception_day", "diagnosis.onset_day", "diagnosis.diagnosed_day"),
    ),
    Rule(
        Text("R06", "责任免除", "Exclusions"),
        ("product.exclusions", "diagnosis.icd10", "procedure.code", "stay.circumstances"),
    ),
    Rule(Text("R07", "医院与病房", "Network"), ("product.network", "hospital", "stay.hospital_grade", "stay.ward")),
    Rule(
        Text("R08", "住院", "Stay"),
        (
            "stay.hanging_bed",
            "stay.discharge_day",
            "stay.ordered_discharge_day",
            "policy.until_day",
            "line.day",
            "product.continuation_days",
        ),
    ),
    Rule(Text("R09", "费用明细", "Lines"), ("product.excluded_items", "line.item", "line.reasonable")),
    Rule(Text("R10", "其他补偿", "Other cover"), ("bill", "other_payments")),
    Rule(Text("R11", "免赔额", "Deductible"), ("product.deductible", "accumulator")),
    Rule(Text("R12", "赔付比例", "Ratio"), ("product.ratios", "stay.basic_insurance", "line.split")),
    Rule(Text("R13", "分级赔付", "Tiers"), ("product.amount_tiers", "product.grade_tiers", "stay.hospital_grade")),
    Rule(Text("R14", "限额", "Limits"), ("product.limits", "accumulator")),
    Rule(Text("R15", "四舍五入", "Rounding"), ()),
    Rule(Text("R16", "预付款与已赔付", "Advances"), ("advances", "already_settled")),
    Rule(Text("R19", "人工复核", "Human review"), ("reviews",)),
)

CODES: tuple[Text, ...] = (
    Text("AUTH-011", "处于等待期", "Within the waiting period"),
    Text("AUTH-012", "需要补充信息", "Information is needed"),
    Text("AUTH-013", "授权不成立", "No consent covers this"),
    Text("BENX-002", "已达该项赔付上限", "The maximum benefit for the stay, item or lifetime is reached"),
    Text("BENX-005", "已达年度限额", "The yearly limit is reached"),
    Text("CLAI-007", "应由工伤保险或第三方承担", "Work injury or a third party is liable"),
    Text("DUPL-001", "重复理赔", "The claim was settled before"),
    Text("DUPL-002", "该项目已赔付", "The item was paid before"),
    Text("ELIG-001", "被保险人身份不符", "Not the insured person"),
    Text("ELIG-005", "发生在保障终止之后", "After the last day of cover"),
    Text("ELIG-006", "发生在保障开始之前", "Before the first day of cover"),
    Text("ELIG-007", "非约定医院或病房", "Outside the network"),
    Text("NCOV-001", "疾病不在保障范围", "The diagnosis is not covered"),
    Text("NCOV-002", "既往症不在保障范围", "A pre-existing condition is not covered"),
    Text("NCOV-003", "项目不在保障范围", "The service is not covered"),
    Text("PRCE-001", "金额不平", "The amounts do not balance"),
    Text("PRCE-003", "追回已付金额", "Recovery of an earlier payment"),
)

DETAILS: tuple[Text, ...] = (
    Text("holds", "符合", "holds"),
    Text("missing", "缺少事实", "a fact is missing"),
    Text("no-grant", "没有授权", "there is no grant"),
    Text("grant-inactive", "授权未生效、已过期或已撤回", "the grant is not active"),
    Text("grant-purpose", "授权目的不是理赔支付", "the grant is not for payment (HPAYMT)"),
    Text("grant-party", "授权不包含该医院或保险公司", "the grant names another hospital or insurer"),
    Text("grant-types", "授权不包含所用的记录类型", "the grant does not cover every record type used"),
    Text("grant-dates", "授权日期不包含本次住院", "the grant's dates do not cover the stay"),
    Text("grant-uses", "授权次数已用完", "the grant has no uses left"),
    Text("link-mismatch", "身份核对不一致", "hospital or insurer found another person"),
    Text("deceased", "被保险人已身故，授权终止，由继承人受领", "she died: the grant ends, the heirs are the payee"),
    Text("before-cover", "入院在保障开始之前", "admitted before the first day of cover"),
    Text("after-cover", "入院在保障终止之后", "admitted after the last day of cover"),
    Text("foreign-currency", "账单币种与保单不同", "the bill is in another currency than the policy"),
    Text("payee-currency", "收款账户币种与保单不同", "the payee's account is in another currency than the policy"),
    Text("invoice-settled", "该发票已理赔", "the invoice was settled before"),
    Text("encounter-settled", "该次住院已理赔", "the encounter was settled before"),
    Text("line-settled", "该明细已理赔", "the line was settled before"),
    Text("within-waiting", "在等待期内发生", "within the waiting period"),
    Text("renewal", "续保无等待期", "a renewal has no waiting period"),
    Text("accident", "意外伤害无等待期", "an accident has no waiting period"),
    Text("no-waiting", "产品无等待期", "the product has no waiting period"),
    Text("before-inception", "保单生效前已有", "older than the policy's inception"),
    Text("preexisting-covered", "产品承保既往症", "the product covers pre-existing conditions"),
    Text("excluded-diagnosis", "疾病属于责任免除", "the diagnosis is excluded"),
    Text("excluded-procedure", "手术或操作属于责任免除", "the procedure is excluded"),
    Text("excluded-circumstance", "情形属于责任免除", "the circumstance is excluded"),
    Text("hospital-outside", "医院不在约定范围", "the hospital is outside the network"),
    Text("ward-outside", "病房不在约定范围", "the ward is outside the network"),
    Text("hanging-bed", "挂床住院", "a hanging bed"),
    Text("after-ordered-discharge", "医嘱出院之后的费用", "after the ordered discharge"),
    Text("after-continuation", "超过保障终止后的延续期", "after the continuation that follows expiry"),
    Text("unreasonable", "非合理且必需", "not reasonable and necessary"),
    Text("excluded-item", "项目属于除外费用", "an excluded item"),
    Text("lines-total", "明细合计与账单总额不等", "the lines do not add up to the bill"),
    Text("line-split", "明细的自费、超限价、先行自付与范围内之和不等于金额", "a line's parts do not add up to it"),
    Text("split-total", "明细分项合计与结算字段不等", "the lines' parts do not add up to the settlement's"),
    Text("medfee-parts", "医疗费总额与费用构成不等", "medfee differs from the sum of its four parts"),
    Text("fund-parts", "基金支付总额与各基金之和不等", "fund_pay differs from the sum of the funds"),
    Text("medfee-payers", "医疗费总额与各方支付之和不等", "medfee differs from fund, person and hospital"),
    Text("person-parts", "个人负担与个人支付之和不等", "psn_part differs from account, mutual aid and cash"),
    Text("medfee-bill", "结算单总额与账单总额不等", "medfee differs from the bill"),
    Text("basic-twice", "基本医保支付两处不一致", "basic insurance is stated twice and differs"),
    Text("over-cost", "各方支付合计超过费用", "what others paid is more than the cost"),
    Text("other-cover", "他方支付", "paid by others"),
    Text("consumed-by-others", "他方支付已抵扣免赔额", "what others paid consumed the deductible"),
    Text("deductible", "扣除免赔额", "the remaining deductible"),
    Text("ratio", "按比例", "the ratio"),
    Text("tiers", "按级别", "the tiers"),
    Text("limit-category", "单项限额", "the category's limit"),
    Text("limit-stay", "单次限额", "the stay's limit"),
    Text("limit-year", "年度限额", "the year's limit"),
    Text("limit-life", "终身限额", "the lifetime limit"),
    Text("rounded", "四舍五入到分", "rounded half up to the minor unit"),
    Text("advances", "扣除预付款", "less advances"),
    Text("already-settled", "扣除本案已赔付", "less what this claim was settled with"),
    Text("recovery", "需追回", "to be recovered"),
    Text("held", "有待复核，不追回", "nothing is taken back while something waits for review"),
    Text("nothing-decided", "待人工复核，暂不支付", "waits for a person, nothing moves"),
    Text("undisputed", "无争议部分先付，其余待人工复核", "the undisputed part is paid, the rest waits for a person"),
    Text("automatic", "自动理算，可要求人工复核", "decided by arithmetic; a human review can be asked for"),
    Text("reviewed", "人工复核后理算", "decided after a person's review"),
)  # fmt: skip
"""What a trace entry says about its rule."""


def find_text(texts: tuple[Text, ...], id_: str) -> Text:
    """Return the text of this id; what has none speaks for itself."""
    for text in texts:
        if text.id == id_:
            return text
    return Text(id_, id_, id_)
