"""What happened before a browser looks: members of every standing, with keys, handles and a week of mail.

Everything came in by the public doors: telemetry as the relay hands it in, words as operators say them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from labeler.atproto.keys import PrivateKey
from tests.did_host import DidHost, account, token
from tests.handle_host import NameServer

if TYPE_CHECKING:
    from tests.conftest import Running

DAYS: Final = 5
A_BATCH: Final = 1_000
PROVIDERS: Final = tuple(f"{name}.example" for name in ("bigmail", "postbox", "inbox", "mailhaus", "letters", "pigeon"))
REPO: Final = "com.atproto.admin.defs#repoRef"
EMIT: Final = "tools.ozone.moderation.emitEvent"
GET_STANDING: Final = "email.atmos.reputation.getStanding"
ASK: Final = "email.atmos.operator.askMember"
CREATE_REPORT: Final = "com.atproto.moderation.createReport"
APPEAL: Final = "com.atproto.moderation.defs#reasonAppeal"
STRAY: Final = "stray.test"  # leads to a member that does not claim it


class Member(NamedTuple):
    """A member: `recipients` it wrote to, the first of which `gone` do not exist."""

    name: str
    recipients: int
    gone: int = 0
    complained: int = 0

    @property
    def did(self) -> str:
        return f"did:plc:{self.name:a<24}"

    @property
    def handle(self) -> str:
        return f"{self.name}.test"

    @property
    def key(self) -> PrivateKey:
        return PrivateKey.from_hex(self.name.encode().hex().ljust(64, "7"))

    def token(self, audience: str, lxm: str) -> str:
        """A token for one call of `lxm`, as the member's own server makes it."""
        return token(self.key, iss=self.did, aud=audience, lxm=lxm)


MEADOW: Final = Member("meadow", 200)  # clean
HARBOR: Final = Member("harbor", 200, gone=24)  # throttled
QUARRY: Final = Member("quarry", 120, gone=40)  # suspended by the rules
FOUNDRY: Final = Member(
    "foundry", 150, gone=60, complained=4
)  # and so is this one, until a test of the console lifts it
EMBERS: Final = Member("embers", 120, gone=50)  # a third one on the same day: the breaker holds it at a throttle
HOLLOW: Final = Member("hollow", 40)  # removed
LANTERN: Final = Member("lantern", 60)  # suspended by a moderator, and has appealed
THICKET: Final = Member("thicket", 60)  # asked to explain
WICKET: Final = Member("wicket", 30)  # and so is this one
ORCHARD: Final = Member("orchard", 30)  # throttled by a moderator
PASTURE: Final = Member("pasture", 30)  # suspended by a moderator
CAVERN: Final = Member("cavern", 30)  # suspended by a moderator, for the console
MARSH: Final = Member("marsh", 30)  # warming up, for the console
MEMBERS: Final = (
    MEADOW,
    HARBOR,
    QUARRY,
    FOUNDRY,
    EMBERS,
    HOLLOW,
    LANTERN,
    THICKET,
    WICKET,
    ORCHARD,
    PASTURE,
    CAVERN,
    MARSH,
)


def publish(dids: DidHost, names: NameServer) -> None:
    """Let every member have a document and a handle that agree, and let one handle lead astray."""
    for member in MEMBERS:
        document = account(member.did, member.key, alsoKnownAs=[f"at://{member.handle}"])
        dids.documents[member.did] = document
        names.name(member.handle, f"did={member.did}")
    names.name(STRAY, f"did={MEADOW.did}")


async def play(running: "Running") -> dict[str, str]:
    """Let it all happen; return how everybody stands then, by DID."""
    now = datetime.now(UTC)
    for member in MEMBERS:
        await _submit(running, list(_mail(member, now)))
    await decide(running, "moderator", LANTERN, "mail-suspended", comment="phishing seen by a partner")
    await decide(running, "moderator", PASTURE, "mail-suspended", comment="a list that was bought")
    await decide(running, "moderator", CAVERN, "mail-suspended", comment="mail to a partner's traps")
    await decide(running, "moderator", ORCHARD, "mail-throttled", comment="a list that was rented")
    await decide(running, "admin", HOLLOW, "mail-removed", comment="third takeover of this account")
    await decide(running, "other-admin", HOLLOW, "mail-removed", comment="agreed")
    for member in (THICKET, WICKET):
        await call(running, ASK, "moderator", did=member.did, comment="who gave you the list?")
    await _appeal(running, LANTERN, "The account was stolen; the key is changed.")
    stands = [await running.client.get(f"/xrpc/{GET_STANDING}?did={member.did}") for member in MEMBERS]
    return {member.did: answer.json()["standing"] for member, answer in zip(MEMBERS, stands, strict=True)}


async def call(running: "Running", nsid: str, token: str, **body: Any) -> Any:
    """Call a procedure; it must go well."""
    answer = await running.client.post(f"/xrpc/{nsid}", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _mail(member: Member, now: datetime) -> Iterator[dict[str, Any]]:
    """An enrolment and a week of mail, the last of it some minutes ago."""
    start = now - timedelta(days=DAYS)
    made = {"did": member.did, "domain": f"{member.name}.example"}
    yield made | {"id": f"{member.name}-e", "kind": "enrolled", "at": _moment(start), "tier": "established"}
    gap = timedelta(days=DAYS) / (member.recipients + 1)
    for number in range(member.recipients):
        at = start + gap * (number + 1) - timedelta(minutes=2)
        if member.gone and at < start + timedelta(days=1):
            at = now - gap * 0.1 - timedelta(minutes=number + 3)
        message = made | {
            "messageId": f"{member.name}-{number}",
            "recipient": f"{hash_of(member.name, number):032x}",
            "recipientDomain": PROVIDERS[number // 2 % len(PROVIDERS)],
            "provider": PROVIDERS[number // 2 % len(PROVIDERS)],
            "at": _moment(at),
        }
        yield message | {"id": f"{member.name}-{number}-a", "kind": "accepted"}
        gone = number * member.gone // member.recipients != (number + 1) * member.gone // member.recipients
        fate = (
            {"kind": "bounced", "smtpCode": 550, "status": "5.1.1"} if gone else {"kind": "delivered", "smtpCode": 250}
        )
        yield message | {"id": f"{member.name}-{number}-o"} | fate
        if number < member.complained:
            yield message | {"id": f"{member.name}-{number}-c", "kind": "complained"}


def hash_of(name: str, number: int) -> int:
    """A recipient as the relay's keyed hash would name it."""
    return int.from_bytes(name.encode().ljust(12, b"."), "big") + number


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def decide(running: "Running", operator: str, member: Member, *values: str, comment: str) -> None:
    """Let an operator label a member."""
    event = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": list(values),
        "negateLabelVals": [],
        "comment": comment,
    }
    subject = {"$type": REPO, "did": member.did}
    await call(running, EMIT, operator, event=event, subject=subject, createdBy="did:plc:x")


async def _appeal(running: "Running", member: Member, text: str) -> None:
    subject = {"$type": REPO, "did": member.did}
    token = member.token(running.did, CREATE_REPORT)
    await call(running, CREATE_REPORT, token, reasonType=APPEAL, subject=subject, reason=text)


async def _submit(running: "Running", events: list[dict[str, Any]]) -> None:
    for first in range(0, len(events), A_BATCH):
        answer = await running.submit(events[first : first + A_BATCH])
        assert answer["rejected"] == []
