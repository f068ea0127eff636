"""The configuration with which rsyslog ships log files to a store of log lines.

No line is lost, and none is there twice:

- The log files are the queue: rsyslog reads the next line when the server has taken this one, and
  notes afterwards how far it has come. A queue of its own would be in memory, or on disk, where a
  kill -9 tears it (tried: it went on without the lines in the torn part).
- After a crash, rsyslog reads and sends the last lines again. Each has an id (`event.id`), and the
  server refuses an id that it has (409), which counts as delivered.
- A document that the server refuses for now (429, 503) is sent again; one that it will never take
  (400) is written to `refused.log` in the work directory. Only those that wait to be sent again
  are in memory.
- A line that is not JSON, as another program may write it, is shipped as a text.

What rsyslog does not do: when something before the server answers a whole request with an error in
JSON, it gives up the request and writes it to `unsent.json`. Stop it then, delete the file and its
`imfile-state` files, and start it: it reads all files again, and what is there stays there once.

So each line is a request of its own, and some hundred pass in a second: more than the batches of
many components, and slow for the backlog of a long outage.

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

LONGEST_LINE = "256k"
"""No line of ours has more than about 60 KB; rsyslog would cut one after 8 KB."""

_HEAD = """\
# rsyslog ships the log files of pixstream; made by pixstream.monitoring.shipping.
# Check it with: rsyslogd -N1 -f THIS_FILE
global(
  workDirectory="{work}"        # how far each file is read
  maxMessageSize="{longest}"
)
# Looking once a second misses nothing; the kernel's notices overflow while the server is away.
module(load="imfile" mode="polling" pollingInterval="1")
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
# Without a queue of its own: rsyslog reads the next line when the server has taken this one.
ruleset(name="pixstream" queue.type="Direct") {{
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
                again=action("pixstream-again", "pixstream-same", "pixstream-same-id"),
            ),
        )
    )
