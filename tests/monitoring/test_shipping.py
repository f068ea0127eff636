"""rsyslog accepts the configuration."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pixstream.monitoring.shipping import Store, rsyslog_conf

RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin")
needs_rsyslog = pytest.mark.skipif(
    RSYSLOGD is None, reason="install the Debian packages rsyslog and rsyslog-elasticsearch"
)


@needs_rsyslog
@pytest.mark.parametrize("store", ["opensearch", "elasticsearch", "victorialogs"])
def test_rsyslog_accepts_the_configuration(tmp_path: Path, store: Store) -> None:
    file = tmp_path / "rsyslog.conf"
    text = rsyslog_conf(
        [tmp_path / "*.log*", "/var/log/pixstream/*.log*"],
        "http://127.0.0.1:9200",
        tmp_path,
        store=store,
        more='uid="pixstream" pwd="secret"',
    )
    file.write_text(text, "utf-8")
    assert RSYSLOGD is not None
    result = subprocess.run(
        [RSYSLOGD, "-N1", "-f", file], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    # Warnings do not change the exit code: unknown parameters are among them.
    assert [line for line in result.stderr.splitlines() if "config validation" not in line] == []
