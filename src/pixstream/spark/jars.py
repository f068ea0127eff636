"""The jars that Spark needs besides its own: Delta Lake and the Kafka source.

For developers: after changing the roots, run `python -m pixstream.spark.jars relock`
with the extra `spark` installed.
"""

import re
import sys
from pathlib import Path

from pixstream.java.jars import JarSet

SPARK_VERSION = "4.2.0"
DELTA_VERSION = "4.4.0"

_SUPERSEDED = {
    "commons-logging",  # jcl-over-slf4j replaces it
    "shims",  # part of the newer RoaringBitmap
}
_VERSION_AND_END = re.compile(r"-\d[^-]*(-[^-]*)?\.jar$")


def _ships_with_spark() -> set[str]:
    """Return the artifacts in the Python package pyspark, whose versions take precedence."""
    import pyspark

    jars = Path(pyspark.__path__[0]) / "jars"
    shipped = {_VERSION_AND_END.sub("", jar.name) for jar in jars.glob("*.jar")}
    return shipped | _SUPERSEDED


SPARK_JARS = JarSet(
    name=f"spark-{SPARK_VERSION}-delta-{DELTA_VERSION}",
    what=f"Spark {SPARK_VERSION} with Delta Lake {DELTA_VERSION}",
    roots=(
        f"io.delta:delta-spark_4.2_2.13:{DELTA_VERSION}",
        f"org.apache.spark:spark-sql-kafka-0-10_2.13:{SPARK_VERSION}",
    ),
    lock_file=Path(__file__).with_suffix(".lock"),
    module="pixstream.spark.jars",
    consequence="Spark was not started.",
    provided=_ships_with_spark,
)

if __name__ == "__main__":
    if sys.argv[1:] != ["relock"]:
        sys.exit("usage: python -m pixstream.spark.jars relock")
    SPARK_JARS.relock()
