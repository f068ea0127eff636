// Puts live values into the page. Everything here can be read without it: the server has rendered
// the same values, in the same words. Nothing is stored, nothing is asked of any other address.

const RETRY_MILLISECONDS = 10_000;
let layout = document.body.dataset.layout;

const link = document.getElementById("link");
const say = (text) => { if (link.textContent !== text) link.textContent = text; };

function put(values) {
  for (const [key, text] of Object.entries(values.texts ?? {}))
    for (const element of document.querySelectorAll(`[data-text="${CSS.escape(key)}"]`))
      if (element.textContent !== text) element.textContent = text;
  for (const [key, state] of Object.entries(values.states ?? {}))
    for (const element of document.querySelectorAll(`[data-state-of="${CSS.escape(key)}"]`))
      element.dataset.state = state;
  for (const [key, weight] of Object.entries(values.weights ?? {}))
    for (const element of document.querySelectorAll(`[data-weight-of="${CSS.escape(key)}"]`))
      element.dataset.weight = weight;
  for (const [key, points] of Object.entries(values.lines ?? {}))
    for (const element of document.querySelectorAll(`[data-line="${CSS.escape(key)}"]`))
      element.setAttribute("d", points);
}

// A component or a line of a chart came or went: take the page anew, unless somebody works in it.
async function renew() {
  const main = document.querySelector("main");
  if (main.contains(document.activeElement) || main.querySelector("details[open], :user-invalid")) return;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  main.replaceChildren(...next.querySelector("main").childNodes);
  layout = next.body.dataset.layout;
}

function listen() {
  const source = new EventSource(document.body.dataset.live);
  source.addEventListener("open", () => say(link.dataset.on));
  source.addEventListener("values", (event) => {
    const values = JSON.parse(event.data);
    put(values);
    const now = values.texts?.layout;
    if (now !== undefined && now !== layout) renew().catch(() => say(link.dataset.off));
  });
  source.addEventListener("error", () => {
    say(link.dataset.off);
    // A browser tries again by itself, except after an answer that is no stream, such as 503.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MILLISECONDS);
  });
}

listen();
