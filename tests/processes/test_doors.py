import dataclasses
import os
import socket

import pytest

from pixstream.errors import ConfigError, PortTakenError
from pixstream.http_serving.exposure import Listener
from pixstream.http_serving.sockets import listen
from pixstream.plugins.producer import Producer
from pixstream.processes.doors import Doors


@dataclasses.dataclass(kw_only=True)
class Gate(Producer):
    host: str = "127.0.0.1"
    port: int = 0

    def listener(self) -> Listener:
        return Listener(self.host, self.port, {}, open=False)

    def serve(self, listening: socket.socket | None = None) -> None:
        """Never called."""

    def hang_up(self) -> None:
        """Never called."""


def test_a_component_has_one_socket_for_all_its_processes() -> None:
    doors = Doors([Gate(type="gate"), Producer(type="reads")])
    descriptor = doors.descriptor("gate")
    assert descriptor is not None
    assert doors.descriptor("gate") == descriptor
    assert doors.descriptor("reads") is None
    with socket.socket(fileno=os.dup(descriptor)) as inherited:
        place = inherited.getsockname()
        doors.close()
        socket.create_connection(place).close()  # the process that inherited it still listens
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)


def test_a_port_that_another_program_has_is_tried_again_and_a_wrong_address_is_an_error() -> None:
    with listen("127.0.0.1", 0) as other:
        doors = Doors([Gate(type="gate", port=other.getsockname()[1])])
        with pytest.raises(PortTakenError):
            doors.descriptor("gate")
    assert doors.descriptor("gate") is not None
    doors.close()
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        Doors([Gate(type="gate", host="192.0.2.1")]).descriptor("gate")
