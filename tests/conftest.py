"""Fixtures that many tests share: real Kafka brokers and an S3 server, started once a session."""

import datetime as dt
import gc
import ipaddress
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from confluent_kafka import admin as kafka_admin
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, settings

from pixstream import kafka
from pixstream.kafka.ports import Admin, Client
from pixstream.kafka.settings import KafkaSettings, Sasl, Tls
from pixstream.kafka.topics.acls import Acl
from pixstream.kafka.topics.declared import declared
from pixstream.kafka.topics.plan import apply, plan
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.lab.broker.properties import PROXIED
from pixstream.lab.chaos.proxy import Proxy
from pixstream.lab.demo.place import free_port
from pixstream.testing.waiting import wait_for

admin_api: Any = kafka_admin  # its classes for ACLs are not exported to type checkers

# The contracts of plugins explain what fails as tests do.
pytest.register_assert_rewrite(
    *(f"pixstream.testing.{kind}_contract" for kind in ("plugin", "producer", "consumer"))
)

# On a shared machine a slow example says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

KAFKA_PYTHON = "kafka-python"
"""In the name of every test with that client."""


def pytest_configure() -> None:
    """Set what our children inherit."""
    # Brokers and Spark live for minutes at most: Java's second compiler takes more than it gives.
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    # SIGINT is to be heard: in the background of a shell it is ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, for tests that wait; as many as the memory holds."""
    free = psutil.virtual_memory().available - SPARK_BYTES
    return max(1, min((os.cpu_count() or 1) + 1, int(free // WORKER_BYTES)))


@pytest.fixture(autouse=True)
def let_go_of_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect the sockets that kafka-python does not close when they could not be connected.

    Their warnings are ignored in the same test; later they would belong to another one.
    """
    yield
    if KAFKA_PYTHON in request.node.name:
        gc.collect()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together on one worker, and which come first; nobody has to think of it.

    What is started once a worker is started as often as there are workers whose tests ask for it.
    So whatever asks for Spark shares one worker, its session and its Kafka, and so do those that
    ask for the same further broker. Of the rest each module stays together, for its own fixtures;
    whole runs are units of their own. The longest come first, so that none is begun at the end.
    """
    turns: dict[str, int] = {}
    for item in items:
        if KAFKA_PYTHON in item.name:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))
        group = _group(item)
        item.add_marker(pytest.mark.xdist_group(group))
        turns[group] = min(_turn(item), turns.get(group, _turn(item)))
    items.sort(key=lambda item: turns[_group(item)])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a pytest whose xdist forgets the groups without a word, as 3.8 does with 9.2."""
    grouped = session.config.getoption("loadgroup", default=False)
    if grouped and session.items and "@" not in session.items[0].nodeid:
        raise pytest.UsageError("xdist lost the groups of tests: see pyproject.toml on pytest")


def _group(item: pytest.Item) -> str:
    fixtures = getattr(item, "fixturenames", ())
    if item.get_closest_marker("spark") or "driver" in fixtures:
        return "spark"
    for fixture in ("secure_control", "proxied_control"):
        if fixture in fixtures:
            return fixture
    module, _, name = item.nodeid.partition("::")
    return f"{module}::{name}" if item.get_closest_marker("demo") else module


def _turn(item: pytest.Item) -> int:
    marks = ["spark", "demo", "broker"]
    return next((n for n, mark in enumerate(marks) if item.get_closest_marker(mark)), len(marks))


@pytest.fixture
def hang_up() -> Iterator[None]:
    """Let SIGHUP do what it does by default: under nohup every child would inherit its absence."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)


WORKER_BYTES = 2 * 2**30
"""A worker's share of memory: its broker and the processes of a whole run, which some tests are."""

SPARK_BYTES = 3 * 2**30
"""What the two JVMs of Spark take beside that, on one worker."""


@pytest.fixture(scope="session")
def broker_control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The session's broker itself, which `broker` starts; a test that stops it starts it again."""
    with _guarded(EmbeddedBroker(tmp_path_factory.mktemp("kafka"))) as control:
        yield control


@pytest.fixture
def broker(broker_control: EmbeddedBroker) -> str:
    """The address of a real Kafka broker; topics are the test's own, so give them own names."""
    return _alive(broker_control)


@pytest.fixture(scope="session")
def proxied_control(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Proxy, EmbeddedBroker]]:
    """A third broker itself, and the proxy before it; not started yet."""
    proxy = Proxy(free_port())
    directory = tmp_path_factory.mktemp("proxied-kafka")
    with _guarded(EmbeddedBroker(directory, proxy_port=proxy.port)) as control:
        yield proxy, control
        proxy.stop()


@pytest.fixture
def broker_behind_proxy(proxied_control: tuple[Proxy, EmbeddedBroker]) -> tuple[Proxy, str]:
    """A third broker: its proxy, to which everything may be done, and its address past the proxy.

    A test leaves the proxy as it found it, letting everything through.
    """
    proxy, control = proxied_control
    address = _alive(control)
    if not proxy.upstream:
        proxy.upstream = int(control.status().listeners[PROXIED].rpartition(":")[2])
        proxy.start()
    return proxy, address


@pytest.fixture(scope="session")
def secure_control(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[EmbeddedBroker, Mapping[str, str]]]:
    """A second broker itself, not started yet, and how its user reaches it."""
    directory = tmp_path_factory.mktemp("secure-kafka")
    ca_file = directory / "ca.pem"
    certificate, key = _certificate()
    ca_file.write_text(certificate, "ascii")
    username, password = "ingest", "a long password"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    login += f' user_{username}="{password}";'
    control = EmbeddedBroker(
        directory / "data",
        listeners=["SASL_PLAINTEXT", "SSL", "SASL_SSL"],
        properties={
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": login,
            "listener.name.sasl_ssl.plain.sasl.jaas.config": login,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": certificate,
            "ssl.keystore.key": key,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        },
    )
    facts = {"username": username, "password": password, "ca_file": str(ca_file)}
    with _guarded(control):
        yield control, facts


@pytest.fixture
def secure_broker(secure_control: tuple[EmbeddedBroker, Mapping[str, str]]) -> Mapping[str, str]:
    """A second broker, with passwords, TLS and ACLs.

    Its addresses `PLAINTEXT` (a super user), `SASL_PLAINTEXT` (mechanism PLAIN), `SSL` and
    `SASL_SSL`, a `username` that no ACL allows anything yet, its `password`, and `ca_file`.
    """
    control, facts = secure_control
    _alive(control)
    return {**control.status().listeners, **facts}


class Rights:
    """The ACLs that a real broker enforces on its one user."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self._facts = facts
        self.user = f"User:{facts['username']}"
        self._admin = admin_api.AdminClient({"bootstrap.servers": facts["PLAINTEXT"]})

    def settings(self, protocol: Any = "SASL_PLAINTEXT", **changes: Any) -> KafkaSettings:
        """How the user reaches the broker."""
        username, password = self._facts["username"], self._facts["password"]
        return KafkaSettings(
            bootstrap_servers=self._facts[protocol],
            security_protocol=protocol,
            sasl=Sasl(mechanism="PLAIN", username=username, password=password),
            tls=Tls(ca_file=self._facts["ca_file"]),
            **changes,
        )

    def client(self, library: str) -> Client:
        """Connect as the user."""
        return kafka.connect(self.settings(client=library))

    def are(self, acls: Iterable[Acl]) -> None:
        """Give the user exactly these; return once the broker enforces them."""
        wanted = set(acls)
        self._clear()
        if wanted:
            for done in self._admin.create_acls([_binding(acl) for acl in wanted]).values():
                done.result()
        wait_for(lambda: self._held() == len(wanted))

    def _clear(self) -> None:
        for done in self._admin.delete_acls([self._everything()]).values():
            done.result()
        wait_for(lambda: self._held() == 0)

    def _held(self) -> int:
        return len(self._admin.describe_acls(self._everything()).result())

    def _everything(self) -> Any:
        return admin_api.AclBindingFilter(
            admin_api.ResourceType.ANY,
            None,
            admin_api.ResourcePatternType.ANY,
            self.user,
            None,
            admin_api.AclOperation.ANY,
            admin_api.AclPermissionType.ANY,
        )


def _binding(acl: Acl) -> Any:
    operation = {"AlterConfigs": "ALTER_CONFIGS"}.get(acl.operation, acl.operation.upper())
    return admin_api.AclBinding(
        admin_api.ResourceType[acl.resource.upper().replace("-", "_")],
        acl.name,
        admin_api.ResourcePatternType[acl.pattern.upper()],
        acl.principal,
        "*",
        admin_api.AclOperation[operation],
        admin_api.AclPermissionType.ALLOW,
    )


@pytest.fixture
def super_admin(secure_broker: Mapping[str, str]) -> Iterator[Admin]:
    settings = KafkaSettings(bootstrap_servers=secure_broker["PLAINTEXT"])
    with closing(kafka.connect(settings).admin()) as admin:
        yield admin


@pytest.fixture
def rights(secure_broker: Mapping[str, str], super_admin: Admin) -> Iterator[Rights]:
    """The broker with the declared topics and a user without rights; both undone afterwards."""
    before = super_admin.topics()
    changes = plan(declared({}), before, lags=lambda _: {})
    made = [change.spec.name for change in apply(changes, super_admin)]  # type: ignore[union-attr]
    rights = Rights(secure_broker)
    yield rights
    rights.are([])
    for name in made:
        super_admin.delete(name)
    wait_for(lambda: not set(made) & set(super_admin.topics()))


_GUARD = """
import sys, pathlib
from pixstream.event import routing
from pixstream.event.model import Category, Direction, Party, PixEvent, Status
from pixstream.lab.broker.embedded import EmbeddedBroker
sys.stdin.read()
EmbeddedBroker(pathlib.Path(sys.argv[1])).kill()
"""


@contextmanager
def _guarded(control: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """Leave none behind, even when pytest itself is killed.

    The broker is made to outlive its starter; the guard ends it when pytest's end of the pipe
    closes, for whatever reason.
    """
    directory = control.status().data_dir
    command = [sys.executable, "-c", _GUARD, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield control
        control.kill()


def _alive(control: EmbeddedBroker) -> str:
    """Its address, running: no test inherits the end that another one gave the broker."""
    status = control.status()
    return status.bootstrap if status.running and status.bootstrap else control.start()


class S3:
    """An S3 server that answers over HTTP, with the bucket `lake`; see tests/s3_server.py.

    Attributes:
        url: where it answers.
        options: what deltalake needs to reach it.
        pid: of its process.
    """

    def __init__(self, port: int, pid: int) -> None:
        self.pid = pid
        self.url = f"http://127.0.0.1:{port}"
        self.options = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": "sa-east-1",
        }
        bucket = "<CreateBucketConfiguration><LocationConstraint>sa-east-1</LocationConstraint>"
        body = f"{bucket}</CreateBucketConfiguration>"
        httpx2.put(f"{self.url}/lake", content=body).raise_for_status()

    def requests(self) -> list[dict[str, str | None]]:
        """What was asked so far: method, path, if_none_match, status."""
        asked: list[dict[str, str | None]] = httpx2.get(f"{self.url}/_requests").json()
        return asked

    def fail(self, method: str, path: str, **how: Any) -> None:
        """Answer 503 (`status`) to these from now on, `when`: before or after doing what they ask.

        0 `times`: end it.
        """
        fault = {"when": "before", "times": 10**9, "status": 503, **how}
        fault |= {"method": method, "path": path}
        httpx2.post(f"{self.url}/_faults", json=[fault]).raise_for_status()


@contextmanager
def _s3() -> Iterator[S3]:
    pytest.importorskip("moto", reason="needs the moto package, a development dependency")
    command = [sys.executable, str(Path(__file__).with_name("s3_server.py"))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        yield S3(int(server.stdout.readline()), server.pid)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """The session's S3 server; a test takes a prefix of its own in the bucket `lake`."""
    with _s3() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3) -> Iterator[S3]:
    """The session's S3 server, without faults after the test."""
    yield s3_server
    s3_server.fail("GET", "^$", times=0)


@pytest.fixture
def own_s3() -> Iterator[S3]:
    """An S3 server that a test may stop or lock."""
    with _s3() as server:
        yield server


def _certificate() -> tuple[str, str]:
    """Make a self-signed certificate for 127.0.0.1, good for a day, and its key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pixstream test broker")])
    now = dt.datetime.now(dt.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return (
        certificate.public_bytes(pem).decode("ascii"),
        key.private_bytes(pem, pkcs8, plain).decode("ascii"),
    )
