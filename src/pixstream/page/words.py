"""Every word of the page, in English and in Portuguese. Placeholders are in braces."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Words(NamedTuple):
    """One text in both languages, in the order of `language.CODES`."""

    en: str
    pt: str


_FRAME = {
    "language": Words("English", "Português"),
    "skip": Words("Skip to the content", "Ir para o conteúdo"),
    "navigation": Words("Pages", "Páginas"),
    "page_flow": Words("Flow", "Fluxo"),
    "page_components": Words("Components", "Componentes"),
    "page_component": Words("Component", "Componente"),
    "page_letters": Words("Dead letters", "Dead letters"),
    "page_letter": Words("Dead letter", "Dead letter"),
    "page_try": Words("What a replay would do", "O que o reprocessamento faria"),
    "page_work": Words("Action", "Ação"),
    "page_topics": Words("Topics", "Tópicos"),
    "page_trace": Words("Trace", "Rastrear"),
    "page_jobs": Words("Jobs", "Jobs"),
    "page_alerts": Words("Alerts", "Alertas"),
    "page_login": Words("Log in", "Entrar"),
    "page_message": Words("Message", "Aviso"),
    "login": Words("Log in", "Entrar"),
    "logout": Words("Log out {who}", "Sair ({who})"),
    "written": Words("last report", "último relato"),
    "same_in_terminal": Words("The same in a terminal:", "O mesmo no terminal:"),
    "choose": Words("Show", "Mostrar"),
    "yes": Words("yes", "sim"),
    "no": Words("no", "não"),
    "ago": Words("{time} ago", "há {time}"),
}

_NOW = {
    "now": Words("Now", "Agora"),
    "now_well": Words(
        "All is well: {number} components are ready",
        "Tudo em ordem: {number} componentes prontos",
    ),
    "now_wrong": Words("Not ready: {names}", "Sem estar prontos: {names}"),
    "now_stale": Words(
        "The supervisor has not reported for a while: the figures are old",
        "O supervisor parou de relatar: os números são antigos",
    ),
    "now_stopping": Words("The supervisor is stopping", "O supervisor está parando"),
    "link_on": Words("live", "ao vivo"),
    "link_off": Words("connection lost, trying again", "conexão perdida, tentando de novo"),
    "link_still": Words("as of when the page was loaded", "do momento em que a página foi aberta"),
}

_STATES = {
    "state": Words("State", "Estado"),
    "state_starting": Words("starting", "iniciando"),
    "state_ready": Words("ready", "pronto"),
    "state_waiting": Words("waiting", "esperando"),
    "state_breaker_open": Words("circuit open", "circuito aberto"),
    "state_breaker_half_open": Words("circuit half open", "circuito meio aberto"),
    "state_silent": Words("silent", "sem resposta"),
    "state_stuck": Words("stuck", "travado"),
    "state_restarting": Words("restarting", "reiniciando"),
    "state_stopped": Words("stopped", "parado"),
    "state_failed": Words("failed", "falhou"),
}

_FLOW = {
    "flow_picture": Words(
        "The flow from sources through Kafka to those that read it",
        "O fluxo das fontes, pelo Kafka, até quem o lê",
    ),
    "flow_sources": Words("Sources", "Fontes"),
    "flow_topics": Words("Kafka topics", "Tópicos do Kafka"),
    "flow_readers": Words("Consumers and tables", "Consumidores e tabelas"),
    "note_letters": Words("letters: {number}", "dead letters: {number}"),
    "note_total": Words("sent: {number}", "enviados: {number}"),
    "note_lag": Words("lag {number}", "atraso {number}"),
    "note_fresh": Words("fresh to {time}", "frescor {time}"),
    "hour": Words("The last hour", "A última hora"),
    "hour_empty": Words(
        "Nothing yet: a point is taken every five seconds.",
        "Ainda nada: um ponto a cada cinco segundos.",
    ),
    "hour_hint": Words(
        "Kept in memory since the start of this supervisor. Prometheus keeps the past: /metrics.",
        "Em memória desde o início deste supervisor. O passado fica no Prometheus: /metrics.",
    ),
    "chart_throughput": Words("Throughput", "Vazão"),
    "chart_latency": Words(
        "From the source's time until it is there, 95 % are faster",
        "Do horário da fonte até chegar lá, 95 % são mais rápidos",
    ),
    "latency_produce": Words("in Kafka", "no Kafka"),
    "latency_write": Words("in the table", "na tabela"),
    "chart_freshness": Words("Freshness of the last batch", "Frescor do último lote"),
    "chart_lag": Words("Lag in records", "Atraso em registros"),
    "chart_lag_seconds": Words("Lag in time", "Atraso em tempo"),
    "chart_now": Words("now", "agora"),
    "chart_more": Words("and {number} more", "e mais {number}"),
}

_COMPONENTS = {
    "component": Words("Component", "Componente"),
    "kind_producers": Words("producer", "produtor"),
    "kind_consumers": Words("consumer", "consumidor"),
    "kind_processors": Words("processor", "processador"),
    "replicas": Words("Processes", "Processos"),
    "replica": Words("Process", "Processo"),
    "processes": Words("Processes", "Processos"),
    "taken": Words("Taken", "Recebidos"),
    "rate": Words("Per second", "Por segundo"),
    "letters": Words("Dead letters", "Dead letters"),
    "freshness": Words("Freshness", "Frescor"),
    "restarts": Words("Restarts", "Reinícios"),
    "for": Words("For", "Há"),
    "pid": Words("Process id", "Id do processo"),
    "last_exit": Words("Last end of a process", "Último fim de processo"),
    "last_warning": Words(
        "{label}, {time}: the last of {number} warnings or errors",
        "{label}, {time}: o último de {number} avisos ou erros",
    ),
    "positions": Words("Positions", "Posições"),
    "positions_none": Words("It has no position yet.", "Ainda não há posição."),
    "stream": Words("Stream", "Fluxo"),
    "position": Words("Position", "Posição"),
    "counts": Words("Counts", "Contagens"),
    "metric": Words("Metric", "Métrica"),
    "series": Words("Series", "Série"),
    "value": Words("Value", "Valor"),
    "configuration": Words("Configuration", "Configuração"),
    "configuration_hint": Words(
        "With defaults; behind each value is where it was set. Secrets are shown as ***.",
        "Com os padrões; depois de cada valor, onde foi definido. Segredos aparecem como ***.",
    ),
    "no_such_component": Words(
        "No component of this name runs here.", "Nenhum componente com este nome roda aqui."
    ),
}

_LETTERS = {
    "letters_by_reason": Words("By reason", "Por motivo"),
    "letters_state": Words("State of the letters", "Estado das dead letters"),
    "letters_open": Words("open", "abertas"),
    "letters_replayed": Words("replayed", "reprocessadas"),
    "letters_discarded": Words("discarded", "descartadas"),
    "letters_all": Words("all", "todas"),
    "letters_none": Words("There are none.", "Não há nenhuma."),
    "letters_newest": Words("The newest", "As mais recentes"),
    "letters_of": Words("Of {what}", "De {what}"),
    "letters_every": Words("All reasons", "Todos os motivos"),
    "letters_shown": Words(
        "At most the newest {number} are listed.",
        "São listadas no máximo as {number} mais recentes.",
    ),
    "letters_login": Words("Log in to replay or discard", "Entre para reprocessar ou descartar"),
    "letters_read_only": Words(
        "This page only shows: page.token is not set.",
        "Esta página só mostra: page.token não foi definido.",
    ),
    "letters_none_chosen": Words("No letters were chosen.", "Nenhuma dead letter foi escolhida."),
    "letter": Words("Letter", "Dead letter"),
    "letter_open": Words("open", "aberta"),
    "letter_replayed": Words("replayed", "reprocessada"),
    "letter_discarded": Words("discarded", "descartada"),
    "letter_facts": Words("What happened", "O que aconteceu"),
    "letter_content": Words("Content", "Conteúdo"),
    "letter_masked": Words(
        "Every value is masked. In clear only in a terminal, audited: dead-letters show --reveal.",
        "Todo valor é mascarado. Às claras só no terminal e auditado: dead-letters show --reveal.",
    ),
    "letter_actions": Words("What can be done", "O que pode ser feito"),
    "letter_was_replayed": Words("It was replayed.", "Foi reprocessada."),
    "time": Words("Time", "Horário"),
    "stage": Words("Stage", "Etapa"),
    "reason": Words("Reason", "Motivo"),
    "what": Words("What is wrong", "O que há de errado"),
    "try_this": Words("Show what a replay would do", "Mostrar o que o reprocessamento faria"),
    "try_those": Words(
        "Show what a replay of these would do", "Mostrar o que o reprocessamento destas faria"
    ),
    "try_hint": Words(
        "Read again with the present configuration, nothing was changed: {what}",
        "Lido de novo com a configuração atual, nada foi alterado: {what}",
    ),
    "no_such_letter": Words("There is no such letter.", "Não existe essa dead letter."),
}

_ACTIONS = {
    "act_replay": Words("Replay", "Reprocessar"),
    "act_replay_do": Words("Replay now", "Reprocessar agora"),
    "act_discard": Words("Discard", "Descartar"),
    "act_discard_do": Words("Discard now", "Descartar agora"),
    "act_reopen": Words("Reopen", "Reabrir"),
    "act_reopen_do": Words("Reopen now", "Reabrir agora"),
    "act_why": Words(
        "Reason, such as a ticket; it is written to the audit log",
        "Motivo, como um chamado; vai para o log de auditoria",
    ),
    "action_login": Words("Log in first.", "Entre primeiro."),
    "action_why": Words("An action needs a reason.", "Uma ação precisa de um motivo."),
    "action_document": Words(
        "The reason contains a CPF or CNPJ. Give a ticket number instead.",
        "O motivo contém um CPF ou CNPJ. Informe o número de um chamado.",
    ),
    "form_bad": Words(
        "That was not a form of this page.", "Isso não era um formulário desta página."
    ),
    "form_foreign": Words(
        "The form is from another login. Load the page again.",
        "O formulário é de outra sessão. Abra a página de novo.",
    ),
    "works": Words("Actions from this page", "Ações desta página"),
    "work_what": Words("Action", "Ação"),
    "work_who": Words("Operator", "Operador"),
    "work_began": Words("Began", "Início"),
    "work_running": Words("under way", "em andamento"),
    "work_done": Words("done", "concluída"),
    "work_not_all": Words("not all was done", "nem tudo foi feito"),
    "work_output": Words("What was done", "O que foi feito"),
    "work_errors": Words("What stays as it was", "O que ficou como estava"),
    "work_audited": Words(
        "Who, when and why are in audit.log of the data directory.",
        "Quem, quando e por quê estão no audit.log do diretório de dados.",
    ),
    "work_under_way": Words(
        "Another action is under way. Wait for its end.",
        "Outra ação está em andamento. Espere o fim dela.",
    ),
    "no_such_work": Words("This action is not remembered.", "Esta ação não está na memória."),
}

_TOPICS = {
    "topics_kafka": Words("In Kafka", "No Kafka"),
    "topics_offsets": Words("Offsets by consumer group", "Offsets por grupo de consumo"),
    "topic": Words("Topic", "Tópico"),
    "topic_missing": Words("does not exist; create it with", "não existe; crie com"),
    "partitions": Words("Partitions", "Partições"),
    "partition": Words("Partition", "Partição"),
    "replication": Words("Replication", "Replicação"),
    "declared": Words("Declared", "Declarado"),
    "settings": Words("Settings", "Configurações"),
    "beginning": Words("Beginning", "Início"),
    "committed": Words("Committed", "Confirmado"),
    "remembered": Words("In the destination", "No destino"),
    "end": Words("End", "Fim"),
    "lag": Words("Lag", "Atraso"),
    "remark": Words("Note", "Observação"),
}

_TRACE = {
    "trace_label": Words(
        "EndToEndId, txid, RtrId, id of a letter, or topic/partition/offset",
        "EndToEndId, txid, RtrId, id de dead letter, ou tópico/partição/offset",
    ),
    "trace_search": Words("Search", "Buscar"),
    "trace_odd": Words("That is not such an identifier.", "Isso não é um identificador desses."),
    "trace_found": Words("The life of {what}", "A vida de {what}"),
    "trace_hint": Words(
        "Personal data stay sealed here; a person is looked for in a terminal.",
        "Dados pessoais ficam selados aqui; uma pessoa se busca no terminal.",
    ),
    "trace_nothing": Words("Nothing was found.", "Nada foi encontrado."),
    "trace_happened": Words("What happened", "O que aconteceu"),
    "trace_more": Words("Further payments: {what}", "Mais pagamentos: {what}"),
    "trace_not_searched": Words("Not searched:", "Sem busca em:"),
    "trace_looked": Words("Where it was looked", "Onde se buscou"),
    "step_happened": Words("payment", "pagamento"),
    "step_told": Words("told", "relatado"),
    "step_kafka": Words("Kafka", "Kafka"),
    "step_log": Words("log", "log"),
    "step_delta": Words("table", "tabela"),
    "step_letter": Words("dead letter", "dead letter"),
    "step_mark": Words("decision", "decisão"),
}

_JOBS = {
    "jobs_bundle": Words("Bundle {name}, target {target}", "Bundle {name}, alvo {target}"),
    "jobs_none": Words(
        "There is no databricks.yml in {directory}, see page.bundle.",
        "Não há databricks.yml em {directory}, veja page.bundle.",
    ),
    "jobs_trouble": Words(
        "The bundle in {directory} cannot be read.", "O bundle em {directory} não pode ser lido."
    ),
    "jobs_on_demand": Words("on demand", "sob demanda"),
    "jobs_paused": Words("paused", "pausado"),
    "task": Words("Task", "Tarefa"),
    "after": Words("After", "Depois de"),
    "does": Words("What it does", "O que faz"),
}

_ALERTS = {
    "alerts_remote": Words("From Alertmanager", "Do Alertmanager"),
    "alerts_own": Words("What the supervisor sees", "O que o supervisor vê"),
    "alerts_none": Words("Nothing needs attention.", "Nada precisa de atenção."),
    "alerts_hint": Words(
        "With page.alertmanager this page also shows the alerts that fire there.",
        "Com page.alertmanager esta página mostra também os alertas disparados lá.",
    ),
    "alerts_unreachable": Words(
        "{address} does not answer: its alerts are not known here.",
        "{address} não responde: seus alertas não são conhecidos aqui.",
    ),
    "alert_runbook": Words("What to do", "O que fazer"),
    "alert_stale": Words("The supervisor does not report", "O supervisor não relata"),
    "alert_starting": Words("Starting", "Iniciando"),
    "alert_waiting": Words(
        "Waits for its source, Kafka or its destination",
        "Espera pela fonte, pelo Kafka ou pelo destino",
    ),
    "alert_breaker_open": Words(
        "Circuit open: its destination is not called", "Circuito aberto: o destino não é chamado"
    ),
    "alert_breaker_half_open": Words(
        "Circuit half open: one trial call", "Circuito meio aberto: uma chamada de teste"
    ),
    "alert_silent": Words("Does not report", "Não relata"),
    "alert_stuck": Words("Makes no progress", "Não avança"),
    "alert_restarting": Words("Ended, and is restarted", "Terminou e será reiniciado"),
    "alert_stopped": Words("Stopped", "Parado"),
    "alert_failed": Words("Failed", "Falhou"),
    "alert_warned": Words("Has logged a warning or an error", "Registrou um aviso ou um erro"),
    "severity_critical": Words("critical", "crítico"),
    "severity_warning": Words("warning", "atenção"),
    "severity_info": Words("info", "informação"),
}

_LOGIN = {
    "login_who": Words("Your name, for the audit log", "Seu nome, para o log de auditoria"),
    "login_token": Words("Operator's token", "Token de operador"),
    "login_hint": Words(
        "The token is the setting page.token. Reading needs no login.",
        "O token é a configuração page.token. Para ler não é preciso entrar.",
    ),
    "login_wrong": Words("That is not the token.", "Esse não é o token."),
    "login_name": Words("Give a name, letters and digits.", "Informe um nome, letras e números."),
    "login_many": Words(
        "Too many wrong tokens. Wait a minute.", "Muitos tokens errados. Espere um minuto."
    ),
    "login_none": Words(
        "This page only shows: page.token is not set.",
        "Esta página só mostra: page.token não foi definido.",
    ),
}

_TROUBLE = {
    "call_busy": Words(
        "Too many questions at once. Try again in a moment.",
        "Perguntas demais ao mesmo tempo. Tente daqui a pouco.",
    ),
    "call_late": Words(
        "No answer within page.call_seconds.", "Sem resposta dentro de page.call_seconds."
    ),
    "call_failed": Words("That did not work.", "Não funcionou."),
    "call_cut": Words(
        "The answer was too long: only its beginning is shown.",
        "A resposta era longa demais: só o começo é mostrado.",
    ),
    "failed": Words(
        "This page failed; see the log of pixstream run. The components continue.",
        "Esta página falhou; veja o log de pixstream run. Os componentes continuam.",
    ),
    "no_such_page": Words("There is no such page.", "Esta página não existe."),
}

WORDS: Final[Mapping[str, Words]] = MappingProxyType(
    {
        **_FRAME,
        **_NOW,
        **_STATES,
        **_FLOW,
        **_COMPONENTS,
        **_LETTERS,
        **_ACTIONS,
        **_TOPICS,
        **_TRACE,
        **_JOBS,
        **_ALERTS,
        **_LOGIN,
        **_TROUBLE,
    }
)
"""Every text by its key."""
