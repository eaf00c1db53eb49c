"""The methods of casework by their NSIDs: cases, removals, automation and the list of members, around one desk.

One table for the doors, for the command line where no service runs, and for tests.
"""

from typing import NamedTuple

from labeler.moderation.cases import CaseBook
from labeler.moderation.history import History
from labeler.ports import Clock
from labeler.reputation.judge import Judge
from labeler.service.access import Caller, Role, require_operator
from labeler.service.http import JSON_BYTES, Answer, Check, Procedure, Query
from labeler.service.operator.act_on_case import ActOnCase
from labeler.service.operator.automation import AutomationDoors
from labeler.service.operator.case_view import CaseViews
from labeler.service.operator.desk import ACTS, Desk
from labeler.service.operator.list_standings import ListStandings
from labeler.service.operator.member_list import MemberList
from labeler.service.operator.read_cases import GetCase, ListCases
from labeler.service.operator.removals import Removals

LIST_CASES = "email.atmos.operator.listCases"
GET_CASE = "email.atmos.operator.getCase"
CLAIM_CASE = "email.atmos.operator.claimCase"
COMMENT_CASE = "email.atmos.operator.commentCase"
REOPEN_CASE = "email.atmos.operator.reopenCase"
RESOLVE_CASE = "email.atmos.operator.resolveCase"
PROPOSE_REMOVAL = "email.atmos.operator.proposeRemoval"
CONFIRM_REMOVAL = "email.atmos.operator.confirmRemoval"
GET_AUTOMATION = "email.atmos.operator.getAutomation"
SET_AUTOMATION = "email.atmos.operator.setAutomation"
LIST_STANDINGS = "email.atmos.operator.listStandings"


class Office(NamedTuple):
    """What the methods work with."""

    desk: Desk
    judge: Judge
    cases: CaseBook
    history: History
    members: MemberList
    clock: Clock


def casework(office: Office, limit: int = JSON_BYTES) -> dict[str, Query | Procedure]:
    """Every method with who may call it; bodies may have `limit` bytes."""
    desk, judge, cases, history, members, clock = office
    views = CaseViews(desk, judge, cases, clock)
    acts, removals = ActOnCase(desk, cases, views), Removals(desk, cases)
    automation = AutomationDoors(desk, judge, history)

    def asked(answer: Answer) -> Query:
        return Query(answer, _at_least(Role.TRIAGE), checked=True)

    def told(answer: Answer, role: Role) -> Procedure:
        return Procedure(answer, _at_least(role), limit)

    return {
        LIST_CASES: asked(ListCases(cases, views).answer),
        GET_CASE: asked(GetCase(desk, views).answer),
        CLAIM_CASE: told(acts.claim, ACTS["claim"]),
        COMMENT_CASE: told(acts.comment, ACTS["comment"]),
        REOPEN_CASE: told(acts.reopen, ACTS["reopen"]),
        RESOLVE_CASE: told(acts.resolve, ACTS["resolve"]),
        PROPOSE_REMOVAL: told(removals.propose, Role.ADMIN),
        CONFIRM_REMOVAL: told(removals.confirm, Role.ADMIN),
        GET_AUTOMATION: asked(automation.get),
        SET_AUTOMATION: told(automation.set, Role.ADMIN),
        LIST_STANDINGS: asked(ListStandings(members).answer),
    }


def _at_least(role: Role) -> Check:
    def check(caller: Caller | None) -> object:
        return require_operator(caller, role)

    return check
