"""com.atproto.label.subscribeLabels: what comes down the stream."""

import asyncio
import itertools

import dag_cbor

from conformance.checks import check, expect
from conformance.trial import Follower, Trial
from conformance.wire import FIELDS, HEADER_ERROR, HEADER_LABELS, REQUIRED, Frame, from_json, verified

BURST = 150
JOINERS = 8
ERROR_S = 4.0  # until an error that is known at once must be there
JOIN_S = 10.0  # until a newcomer's handshake is answered while labels pour out


async def replay(trial: Trial, query: str, uris: set[str], count: int) -> list[Frame]:
    """The first frames about some subjects that a stream shows."""
    async with trial.stream(query) as follower:
        return await follower.until(uris, count)


async def ends_with(follower: Follower, error: str, what: str) -> None:
    """Expect an error frame first, and then nothing but a close frame with 1008."""
    frame = await follower.frame(ERROR_S)
    expect(frame.kind == "error", f"{what}: the first message is {frame.kind}, not an error")
    expect(frame.raw.startswith(HEADER_ERROR), f"{what}: the header of the error is {frame.header}")
    expect(frame.body.get("error") == error, f"{what}: the error is called {frame.body.get('error')!r}")
    rest = await follower.closed()
    expect(not rest, f"{what}: {len(rest)} messages followed the error")
    expect(follower.socket.close_code == 1008, f"{what}: closed with {follower.ending}, not 1008")


@check(36, 37, 39, 40, 120, 121, 122, 123, 153)
async def framing(trial: Trial) -> None:
    """A message is binary: a header and a payload in canonical CBOR, and nothing else."""
    for frame in (await trial.specimens()).frames:
        expect(frame.raw.startswith(HEADER_LABELS), f"the header is {frame.header}")
        expect(set(frame.body) == {"seq", "labels"}, f"the payload has {sorted(frame.body)}")
        expect(HEADER_LABELS + dag_cbor.encode(frame.body) == frame.raw, "the bytes are not canonical")


@check(1, 27, 28, 110, 123)
async def fields(trial: Trial) -> None:
    """A label on the stream has the protocol's fields, all it must have, and no others."""
    for frame in (await trial.specimens()).frames:
        for label in frame.labels:
            extra, missing = set(label) - FIELDS, REQUIRED - set(label)
            expect(not extra and not missing, f"extra {sorted(extra)}, missing {sorted(missing)}")
            expect(isinstance(label["sig"], bytes) and len(label["sig"]) == 64, "sig is not 64 bytes")


@check(24, 55)
async def neg_false(trial: Trial) -> None:
    """A label on the stream that takes nothing back has no `neg`."""
    for frame in (await trial.specimens()).frames:
        for label in frame.labels:
            expect(label.get("neg") is not False, f"neg is false on {label['uri']}")


@check(43, 44, 45, 56)
async def signatures_as_received(trial: Trial) -> None:
    """Every label on the stream verifies over the fields received."""
    key = trial.known_key()
    for frame in (await trial.specimens()).frames:
        for label in frame.labels:
            expect(verified(label, key), f"the signature on {label['uri']} does not verify")


@check(56, 63)
async def same_as_query(trial: Trial) -> None:
    """The stream and queryLabels show the same label, to the byte."""
    specimens = await trial.specimens()
    uri = trial.subject("one.example")
    (frame,) = await replay(trial, f"cursor={specimens.before}", {uri}, 1)
    (answered,) = await trial.labels(uri)
    same = {name: value for name, value in from_json(answered).items() if name in FIELDS}
    expect(same == frame.labels[0], f"{same} is not {frame.labels[0]}")


@check(34, 137)
async def order(trial: Trial) -> None:
    """seq rises from message to message, and cts with every change of a label."""
    frames = (await trial.specimens()).frames
    seqs = [frame.seq for frame in frames]
    expect(all(one < next_one for one, next_one in itertools.pairwise(seqs)), f"the seqs are {seqs}")
    changes = [label["cts"] for frame in frames for label in frame.labels if label["uri"].endswith(".three.example")]
    expect(len(changes) == 3 and len(set(changes)) == 3 and changes == sorted(changes), f"cts went {changes}")


@check(130)
async def live_only(trial: Trial) -> None:
    """Without a cursor nothing is replayed, and what is new comes."""
    await trial.specimens()
    uri = trial.subject("live.example")
    async with trial.stream() as follower:
        await trial.settle(follower)
        await trial.issuer.apply(uri)
        frame = await follower.frame()
    expect(frame.labels and frame.labels[0]["uri"] == uri, f"the first message was {frame.kind} {frame.labels[:1]}")


@check(129)
async def empty_cursor(trial: Trial) -> None:
    """An empty cursor is no cursor."""
    await trial.specimens()
    async with trial.stream("cursor=") as follower:
        expect(await follower.nothing(), "something came, or the stream ended")


@check(131, 136)
async def cursor_zero(trial: Trial) -> None:
    """Cursor 0 begins at the oldest label, without an #info, and goes on live."""
    specimens = await trial.specimens()
    uri = trial.subject("zero.example")
    async with trial.stream("cursor=0") as follower:
        first = await follower.frame()
        expect(first.kind == "#labels", f"the first message is {first.kind}")
        expect(first.seq <= specimens.frames[1].seq, f"it begins at seq {first.seq}")
        await trial.issuer.apply(uri)
        await follower.until({uri}, 1)


@check(133, 134)
async def cursor_exclusive(trial: Trial) -> None:
    """After a reconnect the stream goes on after the seq seen last: no gap, no repetition."""
    specimens = await trial.specimens()
    kept = await replay(trial, f"cursor={specimens.before}", specimens.uris, len(specimens.uris))
    cut = kept[4]
    rest = await replay(trial, f"cursor={cut.seq}", specimens.uris, len(kept) - 5)
    expect([frame.seq for frame in rest] == [frame.seq for frame in kept[5:]], "a gap or a repetition")
    expect([frame.raw for frame in rest] == [frame.raw for frame in kept[5:]], "the bytes differ between two replays")


@check(67, 139)
async def superseded_leave_the_replay(trial: Trial) -> None:
    """A label taken back is gone from the replay; the negation stays."""
    specimens = await trial.specimens()
    shown = await replay(trial, f"cursor={specimens.before}", specimens.uris, len(specimens.uris))
    about = [label for frame in shown for label in frame.labels if label["uri"] == trial.subject("two.example")]
    expect([label.get("neg") for label in about] == [True], f"replayed with neg {[_.get('neg') for _ in about]}")


@check(125, 126, 127, 132)
async def future_cursor(trial: Trial) -> None:
    """A cursor beyond the head is answered with FutureCursor, and the stream is closed with 1008."""
    await trial.specimens()
    async with trial.stream(f"cursor={1 << 52}") as follower:
        await ends_with(follower, "FutureCursor", "a cursor of the future")


@check(127, 128, 129)
async def malformed_cursor(trial: Trial) -> None:
    """A cursor that is no integer is answered with InvalidRequest in the stream."""
    for query in ("cursor=abc", "cursor=1.5", "cursor=1&cursor=2", "cursor=-1"):
        async with trial.stream(query) as follower:
            await ends_with(follower, "InvalidRequest", query)


@check(131, 133, 140, seconds=45.0)
async def newcomers_in_a_burst(trial: Trial) -> None:
    """Whoever joins while labels pour out is let in soon, and sees the same sequence without a gap."""
    specimens = await trial.specimens()
    uris = {trial.subject(f"burst{number}.example") for number in range(BURST)}

    async def issue() -> None:
        for uri in sorted(uris):
            await trial.issuer.apply(uri)

    async def join() -> list[int]:
        async with trial.stream(f"cursor={specimens.before}", open_timeout=JOIN_S) as follower:
            return [frame.seq for frame in await follower.until(uris, BURST)]

    async def join_one_after_another() -> list[list[int]]:
        joined = []
        for _ in range(JOINERS):
            joined.append(asyncio.create_task(join()))
            await asyncio.sleep(0.02)
        return await asyncio.gather(*joined)

    _, seen = await asyncio.gather(issue(), join_one_after_another())
    replayed = await join()
    expect(len(set(replayed)) == BURST and replayed == sorted(replayed), "the replay is not in order")
    expect(all(seqs == replayed for seqs in seen), "not everybody saw the same sequence")


@check(146, seconds=45.0)
async def slow_reader(trial: Trial) -> None:
    """A reader that pauses loses nothing: all is there afterwards, in order."""
    await trial.specimens()
    uris = {trial.subject(f"slow{number}.example") for number in range(BURST)}
    async with trial.stream(max_queue=1) as follower:
        await trial.settle(follower)
        for uri in sorted(uris):
            await trial.issuer.apply(uri)
        frames = await follower.until(uris, BURST)
    expect([label["uri"] for frame in frames for label in frame.labels] == sorted(uris), "something is missing")


@check(132, 135, 136)
async def reconnect_after_pruning(trial: Trial) -> None:
    """When old labels were pruned: a cursor at the head is good, an older one is told OutdatedCursor, 0 is not."""
    uri = trial.subject("pruned.example")
    async with trial.stream() as follower:
        await trial.settle(follower)
        await trial.issuer.apply(uri)
        (frame,) = await follower.until({uri}, 1)
    await trial.issuer.prune()
    trial.forget_specimens()
    after = trial.subject("afterwards.example")
    async with trial.stream(f"cursor={frame.seq}") as follower:
        expect(await follower.nothing(), "a cursor at the head is refused, or something old came")
        await trial.issuer.apply(after)
        (new,) = await follower.until({after}, 1)
    expect(new.seq > frame.seq, f"seq went from {frame.seq} back to {new.seq}")
    async with trial.stream(f"cursor={frame.seq - 1}") as follower:
        info = await follower.frame()
        expect(info.kind == "#info" and info.body.get("name") == "OutdatedCursor", f"an older cursor: {info.kind} came")
        await follower.until({after}, 1)
    async with trial.stream("cursor=0") as follower:
        expect((await follower.frame()).kind == "#labels", "cursor 0 is told of a past it did not ask for")
