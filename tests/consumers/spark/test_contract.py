from pixstream.plugins.consumer import Consumer
from pixstream.testing.plugin_contract import PluginContract


class TestSpark(PluginContract):
    """Its engine reads Kafka itself, so that of the contract holds what is said of any plugin."""

    kind = Consumer
    type_name = "spark"
    sample = "batch: {rows: 200000}"
