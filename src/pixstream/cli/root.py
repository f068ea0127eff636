"""The shared options before the command: they select a configuration and its Kafka client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Client


class Root:
    """The shared options, passed to every command as click's context object.

    Attributes:
        path: the YAML file.
        env: the environment named by `--env`, if any.
        overrides: the `path=value` of each `--set`.
        environment: the environment that was loaded, once there is one.
    """

    def __init__(self, path: Path, env: str | None, overrides: tuple[str, ...]) -> None:
        self.path = path
        self.env = env
        self.overrides = overrides
        self.environment = ""

    def load(self) -> Settings:
        """Load the selected configuration.

        Raises:
            ConfigError: one problem per line.
        """
        from pixstream.config.loading import build, resolve

        effective = resolve(self.path, env=self.env, overrides=self.overrides)
        self.environment = effective.environment
        return build(effective)

    def client(self, settings: Settings) -> Client:
        """Make a Kafka client for the configured brokers, or for the running embedded broker.

        Raises:
            BrokerError: no broker is configured and the embedded one is not running.
        """
        from pixstream import runtime

        return runtime.client(settings)
