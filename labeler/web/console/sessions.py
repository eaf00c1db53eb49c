"""Who is logged in: a random id in a cookie, everything else in memory here, for a while.

A session holds the DID and the role that its login proved; how much of the role is left, the configuration says at each
request. A restart ends all of them.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from labeler.service.access import Role

IDLE: Final = timedelta(hours=8)
LONGEST: Final = timedelta(hours=24)
SESSIONS_MAX: Final = 1_000
EACH_MAX: Final = 20  # of one operator
_ID_BYTES: Final = 32


@dataclass
class Session:
    """One login. `csrf` goes into every form; `told` is what the next page has to say, once."""

    did: str
    role: Role
    csrf: str
    began: datetime
    seen: datetime
    told: str | None = None


class Sessions:
    """All sessions, by the SHA-256 of their ids: whoever reads our memory cannot log in with it."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}

    def begin(self, did: str, role: Role, now: datetime) -> str:
        """Log an operator in; return the new id. Of too many sessions the oldest end."""
        self._sessions = {key: session for key, session in self._sessions.items() if not _over(session, now)}
        own = [key for key, session in self._sessions.items() if session.did == did]
        for key in own[: max(0, len(own) - EACH_MAX + 1)]:
            del self._sessions[key]
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        given = secrets.token_urlsafe(_ID_BYTES)
        self._sessions[_key(given)] = Session(did, role, secrets.token_urlsafe(_ID_BYTES), now, now)
        return given

    def find(self, given: str | None, now: datetime, *, idly: bool = False) -> Session | None:
        """The session of that id, None when there is none or it is over. Looked at `idly` it goes on ageing."""
        session = self._sessions.get(_key(given)) if given else None
        if session is None or given is None:
            return None
        if _over(session, now):
            self.end(given)
            return None
        if not idly:
            session.seen = now
        return session

    def end(self, given: str | None) -> None:
        """Log out; an id that is none is no matter."""
        if given:
            self._sessions.pop(_key(given), None)


def _key(given: str) -> bytes:
    return hashlib.sha256(given.encode("utf-8", "replace")).digest()


def _over(session: Session, now: datetime) -> bool:
    return now - session.seen >= IDLE or now - session.began >= LONGEST
