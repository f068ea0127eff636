"""The configuration with which rsyslog ships log files to a store of log lines.

No line is lost, and none is there twice:

- What was read and not yet accepted by the server waits in a queue on disk, which survives a crash
  of rsyslog and an outage of the server of any length (`QUEUE_ON_DISK`; when it is full, rsyslog
  reads no further).
- After a crash, rsyslog may read and send lines again. Each has an id (`event.id`), and the server
  refuses an id that it has (409), which counts as delivered.
- A document that the server refuses for now (429, 503) is sent again; one that it will never take
  (400) is written to `refused.log` in the work directory.
- A line that is not JSON, as another program may write it, is shipped as a text.

What rsyslog does not do: when something before the server answers a whole request with an error in
JSON, it gives up the request and writes it to `unsent.json`. Stop it then, delete the file and its
`imfile-state` files, and start it: it reads all files again, and what is there stays there once.

The server knows ids within one index: what is read again after the data stream has rolled over
(once a day) is there twice; count `event.id` then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pixstream.monitoring.index import DATA_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Store = Literal["elasticsearch", "opensearch", "victorialogs"]

VICTORIALOGS_PREFIX = "/insert/elasticsearch"
"""Where VictoriaLogs takes what is meant for Elasticsearch."""

QUEUE_ON_DISK = "1g"
LONGEST_LINE = "256k"
"""No line of ours has more than about 60 KB; rsyslog would cut one after 8 KB."""

_HEAD = """\
# rsyslog ships the log files of pixstream; made by pixstream.monitoring.shipping.
# Check it with: rsyslogd -N1 -f THIS_FILE
global(
  workDirectory="{work}"        # how far each file is read
  maxMessageSize="{longest}"
)
module(load="imfile" mode="inotify")
module(load="mmjsonparse")
module(load="omelasticsearch")
"""

_INPUT = """
input(
  type="imfile" file="{file}" tag="pixstream"
  ruleset="pixstream"
  addMetadata="on"              # the file's name, for log.file.path
  reopenOnTruncate="on"
  persistStateInterval="100"    # lines; what is read again after a crash is refused by its id
)
"""

_TEMPLATES = """
# The line as it is, with the machine and the file before its other fields.
template(name="pixstream-line" type="string" string="{{\
\\"host.name\\":\\"%hostname:::json%\\",\
\\"log.file.path\\":\\"%$!metadata!filename:::json%\\",{more}%rawmsg:2:$%")
template(name="pixstream-line-id" type="string" string="%$!event.id%")

# What another program wrote into the file: the text, with its place as its id.
template(name="pixstream-text" type="string" string="{{\
\\"@timestamp\\":\\"%timegenerated:::date-rfc3339%\\",\
\\"host.name\\":\\"%hostname:::json%\\",\
\\"log.file.path\\":\\"%$!metadata!filename:::json%\\",\
\\"service.name\\":\\"pixstream\\",\\"event.dataset\\":\\"pixstream.text\\",{more_text}\
\\"message\\":\\"%rawmsg:::json%\\"}}")
template(name="pixstream-text-id" type="string" \
string="%$!metadata!filename%:%$!metadata!fileoffset%")

# A document that the server refused for now, and its id, as omelasticsearch gives them back.
template(name="pixstream-same" type="string" string="%$!%")
template(name="pixstream-same-id" type="string" string="%$.omes!_id%")
template(name="pixstream-refused" type="string" string="%$.omes% %$!%\\n")
"""

_VICTORIALOGS = '\\"_time\\":\\"%$!@timestamp%\\",\\"_msg\\":\\"%$!message:::json%\\",'
_VICTORIALOGS_TEXT = (
    '\\"_time\\":\\"%timegenerated:::date-rfc3339%\\",\\"_msg\\":\\"%rawmsg:::json%\\",'
)

_RULES = """
# The queue is on disk: a line that was read and not yet accepted survives a crash.
ruleset(
  name="pixstream"
  queue.type="Disk" queue.filename="lines" queue.maxDiskSpace="{space}"
  queue.dequeueBatchSize="1000" queue.checkpointInterval="100"
  queue.saveOnShutdown="on" queue.timeoutEnqueue="600000"
) {{
  action(type="mmjsonparse" cookie="")
  if $parsesuccess == "OK" and $!event.id != "" then {{
{line}  }} else {{
{text}  }}
}}

# The answer about each document that was not created.
ruleset(name="pixstream-again" queue.type="LinkedList") {{
  if $.omes!status == 409 then stop     # it is there already
  if $.omes!status == 400 or strlen($.omes!_id) == 0 then {{
    action(type="omfile" file="{work}/refused.log" template="pixstream-refused")
    stop
  }}
{again}}}
"""

_ACTION = """\
    action(
      name="{name}" type="omelasticsearch"
      server="{server}" searchIndex="{stream}" searchType=""
      bulkmode="on" maxbytes="5m"
      template="{template}" writeoperation="create" bulkid="{identifier}" dynbulkid="on"
      retryfailures="on" retryruleset="pixstream-again"
      errorFile="{work}/unsent.json"
      action.resumeRetryCount="-1" action.resumeInterval="{interval}"
      action.resumeIntervalMax="{interval}"{more}
    )
"""


def rsyslog_conf(
    files: Iterable[str | Path],
    server: str,
    work: Path | str,
    *,
    store: Store = "opensearch",
    stream: str = DATA_STREAM,
    resume_seconds: int = 5,
    more: str = "",
) -> str:
    """Return the text of a configuration of its own for rsyslogd.

    Args:
        files: paths with wildcards in the file name: `/var/log/pixstream/*.log*` also finds files
            that were renamed while rsyslog was not running.
        server: `http://host:port`.
        work: rsyslog's directory, which must exist.
        store: what the server is.
        stream: the data stream.
        resume_seconds: how long to wait before the server is asked again.
        more: further parameters of the actions, as `uid="…" pwd="…" tls.cacert="…"`.
    """
    victorialogs = store == "victorialogs"

    def action(name: str, template: str, identifier: str) -> str:
        return _ACTION.format(
            name=name,
            server=server + VICTORIALOGS_PREFIX if victorialogs else server,
            stream=stream,
            template=template,
            identifier=identifier,
            work=work,
            interval=resume_seconds,
            more=f"\n      {more}" if more else "",
        )

    return "".join(
        (
            _HEAD.format(work=work, longest=LONGEST_LINE),
            *(_INPUT.format(file=file) for file in files),
            _TEMPLATES.format(
                more=_VICTORIALOGS if victorialogs else "",
                more_text=_VICTORIALOGS_TEXT if victorialogs else "",
            ),
            _RULES.format(
                line=action("pixstream-lines", "pixstream-line", "pixstream-line-id"),
                text=action("pixstream-texts", "pixstream-text", "pixstream-text-id"),
                work=work,
                space=QUEUE_ON_DISK,
                again=action("pixstream-again", "pixstream-same", "pixstream-same-id"),
            ),
        )
    )
