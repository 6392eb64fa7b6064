"""A decision's trace as lines of text, in Chinese or English, for people who want to check the arithmetic by hand.

The first line is the calculation on one line; then come the steps in their order, and last what waits for whom and
how to have a person look at it.
"""

from fractions import Fraction

from contracts.adjudication.case import PAYERS
from contracts.adjudication.decision import Decision, Trace
from contracts.adjudication.reasons import CODES, DETAILS, RULES, Language, Text, find_text

_OUTCOMES = (Text("pass", "通过", "pass"), Text("fail", "不通过", "fail"), Text("unknown", "未知", "unknown"))
_ACTIONS = (
    Text("go-on", "继续", "go on"),
    Text("ask", "询问", "asked for"),
    Text("assume", "按产品约定视为通过", "assumed to hold, as the product says"),
    Text("review", "待人工复核", "waits for a person"),
    Text("accepted", "人工复核：承保", "accepted by a person"),
    Text("refused", "人工复核：不承保", "refused by a person"),
)
_DISPOSITIONS = (
    Text("PAY", "赔付", "pay"),
    Text("PARTIAL_PENDED", "先付无争议部分，其余待复核", "pay the undisputed part, the rest waits"),
    Text("PENDED", "待复核，暂不赔付", "waits for a person, nothing moves"),
    Text("NONE", "无可赔付金额", "nothing payable"),
)
_TERMS = (
    Text("pended", "待复核", "pended"),
    Text("refused", "不承保", "refused"),
    Text("deductible", "免赔额", "deductible"),
    Text("tiers", "级别", "tiers"),
    Text("limits", "限额", "limit"),
    Text("rounded", "四舍五入", "rounded"),
    Text("advances", "预付款", "advances"),
    Text("already-settled", "已赔付", "already settled"),
    Text("recovery", "应追回", "to recover"),
)
_UNCHANGED = Text("unchanged", "无须调整", "changes nothing")
_NOTHING_LEFT = Text("nothing-left", "没有剩余金额", "no amount is left")
REVIEW = Text(
    "review",
    "对自动理算结果可要求说明并申请人工复核（个人信息保护法第二十四条）。",
    "You may ask for an explanation and for a review by a person (Personal Information Protection Law, article 24).",
)


def render_trace(decision: Decision, language: Language = "en") -> list[str]:
    """Return the calculation, its steps and what follows, one text per line."""
    disposition = find_text(_DISPOSITIONS, decision.disposition).speak(language)
    lines = [f"{disposition}: {show_amount(Fraction(decision.payable))} {decision.currency}"]
    if decision.disposition != "PENDED":
        lines.append(render_formula(decision, language))
    lines.extend(render_step(step, language) for step in decision.trace)
    for reason in decision.reasons:
        place = f" [{reason.line}]" if reason.line else ""
        action = find_text(_ACTIONS, reason.action).speak(language)
        lines.append(f"{reason.code} {find_text(CODES, reason.code).speak(language)}{place}: {action}")
    lines.append(REVIEW.speak(language))
    return lines


def render_formula(decision: Decision, language: Language = "en") -> str:
    """Return the whole calculation on one line, as `6,480.00 − 4,320.00 pool − 100.00 deductible = 2,060.00`."""
    text = show_amount(Fraction(decision.trace[0].before))
    plain = True
    for step in decision.trace:
        before, after = Fraction(step.before), Fraction(step.after)
        if before == after:
            continue
        if step.rule in ("R12", "R13"):
            text = f"{text} × {_percent(after / before)}" if plain else f"({text}) × {_percent(after / before)}"
            plain = True
            continue
        text += f" {'−' if after < before else '+'} {show_amount(abs(before - after))} {_term(step, language)}"
        plain = False
    moved = decision.transfer - decision.recovery
    if moved < 0:
        return f"{text} = −{show_amount(Fraction(-moved))} {find_text(_TERMS, 'recovery').speak(language)}"
    return f"{text} = {show_amount(Fraction(moved))}"


def _term(step: Trace, language: Language) -> str:
    if step.rule == "R10":
        return find_text(PAYERS, step.subject).speak(language)
    if step.rule == "R14":
        return find_text(_TERMS, "limits").speak(language)
    key = step.detail
    if step.rule in ("R03", "R04", "R05", "R06", "R07", "R08", "R09", "R12", "R13", "R19"):
        refused = step.action == "refused" or (step.rule == "R19" and step.detail == "reviewed")
        key = "refused" if refused else "pended"
    return find_text(_TERMS, key).speak(language)


def render_step(step: Trace, language: Language = "en") -> str:
    """Return one step: the rule, what it found, what that leads to, and the amount before and after."""
    name = find_text(tuple(rule.name for rule in RULES), step.rule).speak(language)
    before, after = Fraction(step.before), Fraction(step.after)
    detail = find_text(DETAILS, step.detail).speak(language)
    if step.detail in ("ratio", "tiers"):
        detail = _percent(after / before) if before else _NOTHING_LEFT.speak(language)
    elif step.detail in ("rounded", "advances") and before == after:
        detail = _UNCHANGED.speak(language)
    if step.subject:
        detail += f" ({find_text(PAYERS, step.subject).speak(language)})"
    if step.amount is not None:
        detail += f" {show_amount(Fraction(step.amount))}"
    line = f" [{step.line}]" if step.line else ""
    code = f" {step.code}" if step.code else ""
    text = f"{step.rule} {name}{line}: {detail}"
    if step.outcome != "pass":
        outcome = find_text(_OUTCOMES, step.outcome).speak(language)
        text += f"; {outcome}, {find_text(_ACTIONS, step.action).speak(language)}"
    change = f": {show_amount(before)} → {show_amount(after)}" if before != after else ""
    return f"{text}{code}{change}"


def show_amount(amount: Fraction) -> str:
    """Return minor units as yuan with thousands separators; a fraction of a 分 is shown in full as a fraction."""
    whole = amount.numerator // amount.denominator
    rest = amount - whole
    if whole < 0:
        return f"−{show_amount(-amount)}"
    text = f"{whole // 100:,}.{whole % 100:02}"
    return text if rest == 0 else f"{text}+{rest}分"


def _percent(ratio: Fraction) -> str:
    hundredths = ratio * 10_000
    if hundredths.denominator != 1:
        return f"{ratio.numerator}/{ratio.denominator}"
    whole, rest = divmod(hundredths.numerator, 100)
    return f"{whole} %" if rest == 0 else f"{whole}.{rest:02}".rstrip("0") + " %"
