"""`pixstream dead-letters` against a Kafka in memory: what is printed, changed, and never shown."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import signal
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from pixstream.cli.dead_letters import dead_letters
from pixstream.cli.dead_letters.outcomes import NAMED
from pixstream.cli.root import Root
from pixstream.config.settings import Settings
from pixstream.dead_letters import REPLAY_FOR, REPLAY_OF
from pixstream.errors import ConfigError, FencedError, KeysMissingError, PixstreamError
from pixstream.event.identifiers import e2e, generate_cpf
from pixstream.event.model import Draft, Refusal, encode
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.kafka.ports import Record
from pixstream.kafka.topics.declared import declared
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.producer import Reading
from pixstream.privacy import PrivacySettings, keys
from pixstream.producers.webhook.producer import Webhook
from pixstream.runtime import letter_writer, sealer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.event.sealing import Sealer
    from pixstream.kafka.ports import Client

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
RNG = Random(23)
CPF = generate_cpf(RNG)
TOPIC = "pix.recebimentos"
WHY = ("--why", "ticket 1", "--who", "ana")


class Bench(Root):
    """A root command with a configuration and a Kafka of its own, and letters in it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(Path("kafka_config.yaml"), None, ())
        self.directory = directory
        self.kafka = MemoryKafka()
        self.settings = Settings(
            data_dir=str(directory / "data"),
            privacy=PrivacySettings(
                pseudonym_key=base64.b64encode(bytes(range(32))).decode(),
                encryption_key=base64.b64encode(bytes(range(1, 33))).decode(),
            ),
            producers={"webhook": Webhook(type="webhook")},
            consumers={"lake": Consumer(type="lake")},
        )
        for spec in declared({}):
            self.kafka.client().admin().create(spec)
        self.number = 0

    def load(self) -> Settings:
        return self.settings

    def client(self, settings: Settings) -> Client:
        del settings
        return self.kafka.client()

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a command; what it raises is raised."""
        result = CliRunner().invoke(dead_letters, arguments, obj=self, standalone_mode=False)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.return_value or 0, result.stdout, result.stderr

    def refused(self, raw: bytes, reason: str = "malformed_json", *, max_bytes: int = 2**20) -> str:
        """A letter of the webhook; its id."""
        self.number += 1
        refusal = Refusal(reason=reason, message="body: [/] no JSON", raw=raw)
        reading = Reading(stream="s", position=str(self.number), content=refusal)
        writer = letter_writer(self.settings, "webhook", keys(self.settings.privacy)[1])
        writer._max_bytes = max_bytes
        return self.write(*writer.from_reading(reading, refusal, "read", "Refused"))

    def rejected(self) -> tuple[str, bytes]:
        """A letter of the consumer; its id and value."""
        self.number += 1
        seal: Sealer = sealer(self.settings)
        draft = Draft(message="api_pix.pix", end_to_end_id=e2e("99999004", NOW, RNG))
        value = encode(seal.seal(draft, source="webhook", now=NOW))
        record = Record(TOPIC, 0, self.number, 0, b"key", value, [("schema-version", b"1")])
        topic_id = self.kafka.topics[TOPIC].topic_id
        writer = letter_writer(self.settings, "lake", keys(self.settings.privacy)[1])
        letter = writer.from_record(
            record, topic_id, stage="write", reason="destination_rejected", message="m", error="R"
        )
        return self.write(*letter), value

    def write(self, key: bytes, value: bytes, headers: Any) -> str:
        with closing(self.kafka.client().outbox("writer")) as outbox:
            outbox.begin()
            outbox.send(DLQ, key, value, headers)
            outbox.commit()
        return key.decode()

    def sent(self) -> list[Record]:
        client = self.kafka.client()
        return [record for topic in EVENT_TOPICS.values() for record in client.scan(topic)]

    def audited(self) -> list[Mapping[str, str]]:
        log = Path(self.settings.data_dir) / "audit.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def body(*, broken: bool = True) -> bytes:
    pix = {"endToEndId": e2e("99999004", NOW, RNG), "valor": "1.00", "horario": NOW.isoformat()}
    whole = json.dumps({"pix": [{**pix, "pagador": {"cpf": CPF}}]}).encode()
    return b"broken " + whole if broken else whole


def mend(bench: Bench, text: str = "return raw.removeprefix(b'broken ')") -> str:
    file = bench.directory / "mend.py"
    file.write_text(f"def repair(raw, headers):\n    {text}\n")
    return str(file)


def test_the_newest_letters_are_listed_with_counts_by_reason(bench: Bench) -> None:
    for reason in ("empty", "not_a_pix", "not_a_pix"):
        bench.refused(body(), reason)
    bench.rejected()
    code, out, _ = bench("list", "--limit", "2")
    assert code == 0
    assert [line.split()[3] for line in out.splitlines()[1:3]] == ["read", "write"]
    assert all(line.split()[1].endswith("Z") for line in out.splitlines()[1:3])
    assert "body: [/] no JSON" in out
    assert out.splitlines()[-4:] == [
        "        2  not_a_pix",
        "        1  empty",
        "        1  destination_rejected",
        "        4  letters, 2 shown",
    ]
    assert CPF not in out
    code, out, _ = bench("list", "--format", "json", "--from", "lake", "--since", "1h")
    (line,) = map(json.loads, out.splitlines())
    assert (line["consumer"], line["state"]) == ("lake", "open")
    assert bench("list", "--format", "json", "--until", "1h")[1] == ""
    assert bench("list", "--format", "json", "--stage", "seal")[1] == ""


def test_letters_are_counted_by_reason_alone(bench: Bench) -> None:
    for reason in ("empty", "not_a_pix", "not_a_pix"):
        bench.refused(body(), reason)
    bench.rejected()
    counted = {"reasons": {"not_a_pix": 2, "empty": 1, "destination_rejected": 1}, "total": 4}
    assert json.loads(bench("list", "--count", "--format", "json")[1]) == counted
    lines = bench("list", "--count", "--from", "webhook")[1].splitlines()
    assert lines == ["        2  not_a_pix", "        1  empty", "        3  letters"]


def test_a_list_needs_no_keys(bench: Bench) -> None:
    bench.refused(b"x")
    bench.settings.privacy = PrivacySettings()
    assert "1  letter, " in bench("list")[1]
    with pytest.raises(KeysMissingError, match="pixstream keys create"):
        bench("replay", "--all", *WHY)


def test_what_was_replayed_or_discarded_is_listed_only_when_asked_for(bench: Bench) -> None:
    replayed, dropped, kept = (bench.refused(body(broken=False)) for _ in range(3))
    assert bench("replay", replayed, *WHY)[0] == 0
    assert bench("discard", dropped, *WHY)[0] == 0

    def listed(state: str) -> dict[str, str]:
        out = bench("list", "--state", state, "--format", "json")[1]
        lines = map(json.loads, out.splitlines())
        return {line["letter-id"]: line["state"] for line in lines}

    assert listed("open") == {kept: "open"}
    assert listed("replayed") == {replayed: "replayed"}
    assert listed("all") == {kept: "open", replayed: "replayed", dropped: "discarded"}
    assert "discarded" in bench("list", "--state", "all")[1]


def test_show_tells_what_became_of_a_letter_and_masks_its_content(bench: Bench) -> None:
    letter = bench.refused(body(broken=False))
    out = bench("show", letter[:8])[1]
    assert CPF not in out
    assert "endToEndId" in out
    assert ["state", "open"] in [line.split() for line in out.splitlines()]
    bench("replay", letter, *WHY)
    lines = [line.split(maxsplit=1) for line in bench("show", letter)[1].splitlines()]
    assert ["state", "replayed"] in lines
    assert ["who", "ana"] in lines
    assert ["why", "ticket 1"] in lines


def test_a_revealed_letter_is_audited_first(bench: Bench) -> None:
    letter = bench.refused(body())
    with pytest.raises(click.UsageError, match="--why"):
        bench("show", letter, "--reveal")
    assert bench.audited() == []
    assert CPF in bench("show", letter, "--reveal", *WHY)[1]
    (line,) = bench.audited()
    assert (line["action"], line["target"], line["who"]) == ("reveal", letter, "ana")
    Path(bench.settings.data_dir, "audit.log").unlink()
    Path(bench.settings.data_dir, "audit.log").mkdir()
    with pytest.raises(PixstreamError, match="nothing was done"):
        bench("show", letter, "--reveal", *WHY)


def test_whoever_has_no_login_name_is_known_by_number(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    bench("show", bench.refused(body()), "--reveal", "--why", "ticket 1")
    assert bench.audited()[0]["who"] == f"user {os.getuid()}"


@pytest.mark.parametrize("command", ["replay", "discard", "reopen"])
def test_nothing_is_changed_without_a_selection_or_a_reason(bench: Bench, command: str) -> None:
    letter = bench.refused(body(broken=False))
    with pytest.raises(click.UsageError, match="give letter ids, a filter, or --all"):
        bench(command, *WHY)
    with pytest.raises(click.UsageError, match="--all takes no filter"):
        bench(command, "--all", "--reason", "empty", *WHY)
    with pytest.raises(click.UsageError, match="needs --why"):
        bench(command, letter)
    with pytest.raises(click.BadParameter, match="CPF or CNPJ"):
        bench(command, letter, "--why", f"client {CPF[:3]}.{CPF[3:6]}.{CPF[6:9]}-{CPF[9:]} called")
    with pytest.raises(click.BadParameter, match="is not a time"):
        bench(command, "--since", "yesterday", *WHY)
    with pytest.raises(PixstreamError, match="no letter with an id that starts with ffffff"):
        bench(command, "ffffff", *WHY)
    assert bench.sent() == []
    assert bench.audited() == []


def test_a_dry_run_says_what_each_letter_would_become_and_changes_nothing(bench: Bench) -> None:
    good, bad = bench.refused(body(broken=False)), bench.refused(body())
    back, _ = bench.rejected()
    code, out, _ = bench("replay", "--all", "--dry-run")
    assert code == 1
    lines = out.splitlines()
    assert lines[0].startswith(f"{good[:12]}  {TOPIC}  event ")
    assert lines[1].startswith(
        f"{bad[:12]}  stays open: malformed_json: body: not valid JSON at line 1"
    )
    assert lines[2].startswith(f"{back[:12]}  {TOPIC}  event ")
    assert lines[3:] == ["        2  would be replayed", "        1  stay open: malformed_json"]
    assert CPF not in out
    assert bench.sent() == []
    assert bench.audited() == []
    assert bench("replay", bad, "--dry-run", "--jmespath", "pix")[0] == 1
    assert bench("replay", good, "--dry-run")[0] == 0


def test_a_repair_file_sees_letters_in_clear_so_that_a_dry_run_with_it_is_audited(
    bench: Bench,
) -> None:
    letter = bench.refused(body())
    with pytest.raises(click.UsageError, match="needs --why"):
        bench("replay", letter, "--dry-run", "--with", mend(bench))
    assert bench("replay", letter, "--dry-run", "--with", mend(bench), *WHY)[0] == 0
    assert [line["action"] for line in bench.audited()] == ["replay --dry-run"]
    assert bench.sent() == []


def test_a_replay_sends_marks_audits_and_sums_up(bench: Bench) -> None:
    letters = [bench.refused(body()) for _ in range(3)]
    hopeless = bench.refused(b"no Pix at all")
    large = bench.refused(body(), max_bytes=10)
    back, value = bench.rejected()
    code, out, err = bench("replay", "--all", "--with", mend(bench), *WHY)
    assert code == 1
    assert out.splitlines() == [
        "        5  replayed, as 5 events",
        "        1  stay open: malformed_json",
    ]
    assert err.startswith(f"{hopeless[:12]}  stays open: malformed_json")
    records = bench.sent()
    assert len(records) == 5
    assert all(CPF.encode() not in (record.value or b"") for record in records)
    (returned,) = (r for r in records if r.key == b"key")
    assert returned.value == value
    assert dict(returned.headers) == {
        "schema-version": b"1",
        REPLAY_FOR: b"lake",
        REPLAY_OF: back.encode(),
    }
    (line,) = bench.audited()
    assert line["target"] == f"state=open (6 letters, repaired with {mend(bench)})"
    code, out, err = bench("replay", *letters, large, back, "--with", mend(bench), *WHY)
    assert (code, out) == (0, "")
    assert "5  replayed, skipped" in err
    assert len(bench.sent()) == 5
    assert len(bench.audited()) == 1


def test_letters_that_a_repair_leaves_are_no_failure(bench: Bench) -> None:
    bench.refused(body(broken=False))
    file = mend(bench, "return None")
    code, out, err = bench("replay", "--all", "--with", file, *WHY)
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == "        1  stay open: left_by_repair"


def test_a_repair_that_is_wrong_is_told_with_file_and_line_and_no_content(bench: Bench) -> None:
    bench.refused(body())
    code, out, err = bench("replay", "--all", "--with", mend(bench, "raise ValueError(raw)"), *WHY)
    assert code == 1
    assert "mend.py:2: repair raises ValueError" in err
    assert CPF not in out + err
    with pytest.raises(ConfigError, match=r"mend\.py:2: not valid Python"):
        bench("replay", "--all", "--with", mend(bench, "return ("), *WHY)
    with pytest.raises(ConfigError, match="not a valid JMESPath expression"):
        bench("replay", "--all", "--jmespath", "pix[", *WHY)
    with pytest.raises(click.UsageError, match="only one repair"):
        bench("replay", "--all", "--jmespath", "pix", "--with", mend(bench), *WHY)


def test_an_expression_takes_the_pix_out_of_an_envelope(bench: Bench) -> None:
    bench.refused(b'{"data": {"payload": %s}}' % body(broken=False), "not_a_pix")
    assert bench("replay", "--reason", "not_a_pix", "--jmespath", "data.payload", *WHY)[0] == 0
    assert len(bench.sent()) == 1


def test_many_letters_that_stay_are_named_only_at_first(bench: Bench) -> None:
    for _ in range(NAMED + 5):
        bench.refused(b"{")
    _, out, err = bench("replay", "--all", *WHY)
    assert len(err.splitlines()) == NAMED
    assert f"{NAMED + 5}  stay open: malformed_json" in out


def test_a_letter_of_another_key_stays_open_and_the_others_go(bench: Bench) -> None:
    bench.refused(body(broken=False))
    bench.settings.privacy.key_id = "k2"
    bench.refused(body(broken=False))
    code, out, err = bench("replay", "--all", *WHY)
    assert code == 1
    assert "1  replayed" in out
    assert "privacy.key_id" in err


def test_the_first_interrupt_ends_after_the_transaction_in_hand(bench: Bench) -> None:
    letters = [bench.refused(body()) for _ in range(4)]
    text = "import os, signal\n    os.kill(os.getpid(), signal.SIGINT)\n    return raw[7:]"
    code, out, _ = bench("replay", *letters, "--with", mend(bench, text), *WHY)
    assert code == 1
    assert out.splitlines() == [
        "        1  replayed, as 1 event",
        "        3  stay open: not reached; run the replay again",
    ]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    code, _, err = bench("replay", *letters, "--with", mend(bench), *WHY)
    assert "1  replayed, skipped" in err
    assert Counter(r.key for r in bench.sent()).total() == 4


def test_a_replay_that_was_fenced_sums_up_what_is_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = [bench.refused(body(broken=False)) for _ in range(2)]
    out: list[str] = []
    monkeypatch.setattr(click, "echo", lambda text, **_: out.append(text))
    bench.kafka.fail("commit", FencedError("another process took over"))
    with pytest.raises(FencedError):
        bench("replay", *letters, *WHY)
    assert out == [
        "        0  replayed, as 0 events",
        "        2  stay open: not reached; run the replay again",
    ]
    assert bench.sent() == []


def test_discarded_letters_are_not_replayed_until_they_are_opened_again(bench: Bench) -> None:
    letter, other = bench.refused(body(broken=False)), bench.refused(body(broken=False))
    assert bench("discard", letter, *WHY)[1] == "        1  now discarded\n"
    assert "1  discarded, skipped" in bench("replay", "--all", *WHY)[2]
    assert len(bench.sent()) == 1
    assert "replayed, skipped" in bench("reopen", "--all", *WHY)[2]
    assert "replayed, skipped" in bench("discard", other, *WHY)[2]
    assert bench("replay", letter, *WHY)[0] == 0
    assert len(bench.sent()) == 2
    assert [line["action"] for line in bench.audited()] == [
        *("discard", "replay", "reopen", "replay")
    ]


def test_an_export_is_private_masked_and_never_overwrites_unasked(bench: Bench) -> None:
    letters = [bench.refused(body()), bench.rejected()[0]]
    file = bench.directory / "letters.ndjson"
    code, out, err = bench("export", "--to", str(file))
    assert (code, out) == (0, "")
    assert "2 letters, 0 without content" in err
    assert file.stat().st_mode & 0o777 == 0o600
    assert CPF not in file.read_text()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["letter_id"] for line in lines] == letters
    assert lines[0]["headers"]["reason"] == "malformed_json"
    assert {"content", "state"} <= lines[0].keys()
    with pytest.raises(PixstreamError, match="--force"):
        bench("export", "--to", str(file))
    file.chmod(0o644)
    assert bench("export", "--reason", "malformed_json", "--to", str(file), "--force")[0] == 0
    assert len(file.read_text().splitlines()) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert bench.audited() == []


def test_an_export_reveals_only_with_an_audited_reason(bench: Bench) -> None:
    raw = body()
    letter = bench.refused(raw)
    with pytest.raises(click.UsageError, match="--why"):
        bench("export", "--reveal")
    (line,) = map(json.loads, bench("export", letter, "--reveal", *WHY)[1].splitlines())
    assert base64.b64decode(line["raw"]) == raw
    assert [entry["action"] for entry in bench.audited()] == ["export --reveal"]


def test_an_export_names_the_letters_that_it_could_not_open(bench: Bench) -> None:
    lost = bench.refused(body(), max_bytes=10)
    bench.refused(body())
    (Path(bench.settings.data_dir) / "letters" / f"{lost}.sealed").unlink()
    code, out, err = bench("export")
    lines = {line["letter_id"]: line for line in map(json.loads, out.splitlines())}
    assert code == 1
    assert "cannot be read" in lines[lost]["problem"]
    assert len(lines) == 2
    assert "1 without content" in err


def test_a_letter_written_twice_is_one_letter_everywhere(bench: Bench) -> None:
    letter = bench.refused(body(broken=False))
    bench.number -= 1
    record = next(iter(bench.kafka.client().scan(DLQ)))
    bench.write(record.key or b"", record.value or b"", record.headers)
    assert "1  letter, " in bench("list")[1]
    assert "1  replayed, as 1 event" in bench("replay", letter[:6], *WHY)[1]
    assert len(bench.sent()) == 1


def test_a_list_lets_go_of_the_sealed_content_at_once(bench: Bench) -> None:
    import tracemalloc

    for _ in range(200):
        bench.refused(os.urandom(20_000))
    tracemalloc.start()
    try:
        assert "200  letters, 10 shown" in bench("list", "--limit", "10")[1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
