"""The files below monitoring/elk, made from the list of fields and the templates.

`python docs/generate.py` writes them, and `make check` compares them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixstream.monitoring import index, saved_objects
from pixstream.monitoring.index import DATA_STREAM
from pixstream.monitoring.shipping import rsyslog_conf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.monitoring.index import Json

FILES_ON_A_SERVER = "/var/log/pixstream/*.log*"
"""With `logging.file: /var/log/pixstream/{component}.log`; the end finds renamed files too."""

_FILEBEAT = f"""\
# Filebeat 8 or 9 ships the log files of pixstream to Elasticsearch; it was not run by us.
# Filebeat refuses OpenSearch: ship to it with rsyslog or Logstash.
filebeat.inputs:
  - type: filestream
    id: pixstream
    paths:
      - {FILES_ON_A_SERVER}
    # A renamed file is the same file, and is read to its end.
    file_identity.native: ~
    close.on_state_change.renamed: false
    message_max_bytes: 262144
    parsers:
      - ndjson:
          target: ""
          expand_keys: true
          overwrite_keys: true
          add_error_key: true
          # The id of the line is the id of the document: a line that is sent again is there once.
          document_id: event.id

processors:
  - add_host_metadata:
      netinfo.enabled: false

# The templates come from this directory, see README.md.
setup.template.enabled: false
setup.ilm.enabled: false

output.elasticsearch:
  hosts: ["${{ELASTICSEARCH:http://localhost:9200}}"]
  index: {DATA_STREAM}
  username: ${{ELASTICSEARCH_USER:}}
  password: ${{ELASTICSEARCH_PASSWORD:}}
"""

_LOGSTASH = f"""\
# Logstash 8 ships the log files of pixstream to Elasticsearch; it was not run by us. For
# OpenSearch, use the plugin logstash-output-opensearch: `opensearch {{ … }}` with these settings
# but data_stream and ilm_enabled.
input {{
  file {{
    path => "{FILES_ON_A_SERVER}"
    mode => "tail"
    start_position => "beginning"
    # One object a line, with dots in the names of its fields.
    codec => json {{ ecs_compatibility => "disabled" }}
    ecs_compatibility => "disabled"
  }}
}}

filter {{
  # What is no line of ours keeps its text, and an id made of it.
  if ![event.id] {{
    fingerprint {{
      source => ["host", "path", "message"]
      concatenate_sources => true
      method => "SHA256"
      target => "event.id"
    }}
    mutate {{
      add_field => {{ "service.name" => "pixstream" "event.dataset" => "pixstream.text" }}
    }}
  }}
  mutate {{
    rename => {{ "host" => "host.name" "path" => "log.file.path" }}
    remove_field => ["@version"]
  }}
}}

output {{
  elasticsearch {{
    hosts => ["${{ELASTICSEARCH:http://localhost:9200}}"]
    user => "${{ELASTICSEARCH_USER:}}"
    password => "${{ELASTICSEARCH_PASSWORD:}}"
    # Not `data_stream => true`, which cannot set ids.
    index => "{DATA_STREAM}"
    action => "create"
    document_id => "%{{[event.id]}}"
    data_stream => "false"
    manage_template => false
    ilm_enabled => false
  }}
}}
"""

_LOGROTATE = """\
# logrotate for one file that all processes share, `logging.file: /var/log/pixstream/all.log`, with
# `logging.rotation: {max_bytes: 0}`. Every process opens the new file at its next line: neither
# copytruncate, which loses lines, nor a signal is needed.
/var/log/pixstream/all.log {
    daily
    rotate 14
    dateext
    missingok
    notifempty
    nocompress
    nocreate
}
"""


def files() -> Mapping[str, str]:
    """Return the text of each file, by its path below monitoring/elk."""
    view = saved_objects.ndjson()
    return {
        f"component-templates/{index.MAPPINGS}.json": _json(index.mappings()),
        f"component-templates/{index.SETTINGS}.json": _json(index.settings()),
        f"elasticsearch/component-templates/{index.LIFECYCLE}.json": _json(index.lifecycle()),
        "elasticsearch/ilm-policy.json": _json(index.ilm_policy()),
        "elasticsearch/index-template.json": _json(index.template(index.LIFECYCLE)),
        "opensearch/index-template.json": _json(index.template()),
        "opensearch/ism-policy.json": _json(index.ism_policy()),
        "filebeat/filebeat.yml": _FILEBEAT,
        "kibana/pixstream.ndjson": view,
        "logrotate/pixstream": _LOGROTATE,
        "logstash/pixstream.conf": _LOGSTASH,
        "opensearch-dashboards/pixstream.ndjson": view,
        "rsyslog/pixstream.conf": rsyslog_conf(
            [FILES_ON_A_SERVER], "http://localhost:9200", "/var/spool/pixstream-rsyslog"
        ),
    }


def _json(value: Json) -> str:
    return json.dumps(value, indent=2) + "\n"
