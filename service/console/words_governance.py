"""The stable words of permits' course, rights, incidents and the catalogue, as people read them."""

from service.console.marking import N_

CHECKS = {
    "consent-covers-purpose": N_("consent covers the purpose"),
    "genetic-resources-stay": N_("genetic resources stay in the country"),
    "level-allows-training": N_("classification level allows training"),
    "people-are-colleagues": N_("people are of the organisation"),
    "not-too-long": N_("not longer than allowed"),
    "within-lifetime-budget": N_("within the lifetime budget"),
    "need-is-explained": N_("need is explained"),
    "no-earlier-revocation": N_("no earlier permit was revoked"),
    "no-other-permit-on-it": N_("no other permit on these data"),
    "stays-in-the-sandbox": N_("data stay in the sandbox"),
}
PARTIES = {"hospital": N_("owning hospital"), "ethics": N_("ethics"), "privacy": N_("privacy")}
SIDES = {"holder": N_("holder"), "owner": N_("owner of the data")}
TOLD = {
    "permit-ends": N_("a permit ends soon"),
    "permit-expired": N_("a permit has ended"),
    "patient-withdrawn": N_("a patient has withdrawn"),
    "submission-held": N_("restricted documents are held"),
    "submission-readmitted": N_("a held submission was readmitted"),
    "incident": N_("an incident concerns your patients"),
    "dataset-left": N_("a hospital has left with its data"),
    "retention-ended": N_("data were kept as long as they may be"),
}
KINDS = {
    "withdrawal": N_("withdrawal"),
    "objection": N_("objection to a purpose"),
    "access": N_("access"),
    "correction": N_("correction"),
}
MOVES = {
    "fulfilled": N_("fulfilled"),
    "open": N_("open"),
    "contained": N_("contained"),
    "notified": N_("notified"),
    "prepared": N_("prepared"),
    "delivered": N_("delivered"),
    "shredded": N_("destroyed"),
}

ARTICLE_57 = {
    "leak": N_("leak"),
    "tampering": N_("tampering"),
    "loss": N_("loss"),
    "categories": N_("kinds of personal information"),
    "causes": N_("causes"),
    "harm": N_("possible harm"),
    "remedies": N_("remedies taken"),
    "advice": N_("what people can do themselves"),
    "contact": N_("contact"),
}
DUE = {
    "tell-holder-and-assess": N_("tell the holder; assess the model"),
    "nothing": N_("nothing"),
    "stop": N_("stop"),
    "patient-objects": N_("a patient objects to a purpose"),
}

ACTIONS_GOVERNANCE = {
    "secrecy.show": N_("look at held documents"),
    "secrecy.readmit": N_("readmit a held submission"),
    "secrecy.destroy": N_("destroy a held submission"),
    "dataset.merge-patients": N_("merge two records of a patient"),
    "dataset.describe": N_("describe a dataset"),
    "dataset.measure": N_("release charged figures"),
    "dataset.count": N_("ask for a charged count"),
    "dataset.lineage": N_("look at a dataset's lineage"),
    "dataset.use": N_("look at the use of the data"),
    "dataset.assess": N_("draw up an impact assessment"),
    "dataset.leave": N_("leave with all data"),
    "dataset.take-out": N_("take all data out"),
    "permit.amend": N_("amend an application"),
    "permit.renew": N_("renew a permit"),
    "permit.close": N_("close a permit"),
    "permit.sign": N_("sign a permit"),
    "permit.review-owner": N_("review an application for the hospital"),
    "permit.sign-owner": N_("sign a permit for the owner"),
    "run.start": N_("start a run"),
    "run.checkpoint": N_("pass a checkpoint"),
    "run.release": N_("hand over a model"),
    "extract.prepare": N_("prepare an extract"),
    "extract.show": N_("look at an extract"),
    "extract.fetch": N_("fetch an extract"),
    "rights.file": N_("file a patient's request"),
    "rights.show": N_("look at a patient's request"),
    "rights.decide": N_("decide on a patient's request"),
    "incident.show": N_("look at an incident"),
    "incident.record": N_("record an incident"),
    "incident.subjects": N_("list the patients of an incident"),
}

GOVERNANCE = {**ARTICLE_57, **DUE, **CHECKS, **PARTIES, **SIDES, **TOLD, **KINDS, **MOVES}
"""Every one of them."""
