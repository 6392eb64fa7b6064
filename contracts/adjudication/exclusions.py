"""The exclusions that most medical products share, as one reviewed set of data.

A product lists the exclusions it has; this is the list a case file means by `"exclusions": "standard"`. Codes are
ICD-10 (Chinese national edition, 2.0) and ICD-9-CM-3 for procedures. A third party's liability and the
circumstances of an event are seldom written into a hospital's record: for those the set assumes and prints it,
while a product with other clauses states its own.
"""

from contracts.adjudication.product import Exclusion

STANDARD_EXCLUSIONS: tuple[Exclusion, ...] = (
    Exclusion(
        "self-harm",
        "自杀或自伤",
        "Self-harm",
        "NCOV-003",
        ("X6", "X7", "X80", "X81", "X82", "X83", "X84"),
        (),
        "self-harm",
        "assume",
    ),
    Exclusion("crime", "故意犯罪或拒捕", "Crime or resisting arrest", "NCOV-003", ("Y35",), (), "crime", "assume"),
    Exclusion(
        "alcohol-or-drugs",
        "酗酒、吸毒",
        "Alcohol and drugs",
        "NCOV-001",
        ("F10", "F11", "F12", "F14", "F16", "F19", "K70", "T40", "T51"),
        (),
        "alcohol-or-drugs",
        "assume",
    ),
    Exclusion("congenital", "先天性疾病", "Congenital conditions", "NCOV-001", ("Q",), (), None, "assume"),
    Exclusion(
        "cosmetic",
        "整形美容",
        "Cosmetic treatment",
        "NCOV-003",
        ("Z41.0", "Z41.1"),
        ("21.87", "86.82", "86.83"),
        None,
        "assume",
    ),
    Exclusion(
        "dental",
        "牙科治疗",
        "Dental treatment",
        "NCOV-003",
        ("K00", "K01", "K02", "K03", "K04", "K05", "K06", "K07", "K08"),
        ("23.", "24."),
        None,
        "assume",
    ),
    Exclusion(
        "pregnancy",
        "妊娠、分娩、流产、不孕",
        "Pregnancy, childbirth, infertility",
        "NCOV-001",
        ("O", "N97", "Z31", "Z32", "Z33", "Z34", "Z35", "Z36", "Z37"),
        ("72.", "73.", "74."),
        None,
        "assume",
    ),
    Exclusion(
        "check-up",
        "体检、疗养",
        "Check-ups and convalescence",
        "NCOV-003",
        ("Z00", "Z01", "Z02", "Z10", "Z54"),
        (),
        None,
        "assume",
    ),
    Exclusion("rehabilitation", "康复治疗", "Rehabilitation", "NCOV-003", ("Z50",), ("93.",), None, "assume"),
    Exclusion(
        "experimental", "实验性治疗", "Experimental treatment", "NCOV-003", ("Z00.6",), (), "experimental", "assume"
    ),
    Exclusion("work-injury", "工伤", "Work injury", "CLAI-007", (), (), "work-injury", "assume"),
    Exclusion("third-party", "第三方责任", "Third party liable", "CLAI-007", (), (), "third-party-liable", "assume"),
    Exclusion(
        "outside-mainland", "中国大陆以外", "Outside the mainland", "NCOV-003", (), (), "outside-mainland", "assume"
    ),
)
"""R06 of the adjudication rules, in the order in which they are checked."""
