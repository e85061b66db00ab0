// The status page: reads the state once, then follows the event stream and reads it again when
// something happened. The token comes in the fragment (#token=...), which browsers do not send.
"use strict";

const KEPT_EVENTS = 100;
const REFRESH_MS = 250;
const RETRY_MS = 2000;

const $ = (id) => document.getElementById(id);
let token = "";
let clockSkew = 0;
let cursor = null;
let refreshing = null;

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return given || sessionStorage.getItem("token") || "";
}

async function ask(path, options = {}) {
  const headers = { Authorization: "Bearer " + token, ...(options.headers || {}) };
  const answer = await fetch("/api/v1" + path, { ...options, headers, cache: "no-store" });
  if (answer.status === 401) throw Object.assign(new Error("refused"), { refused: true });
  if (!answer.ok) throw Object.assign(new Error("HTTP " + answer.status), { status: answer.status });
  const date = Date.parse(answer.headers.get("Date") || "");
  if (!Number.isNaN(date)) clockSkew = date + 500 - Date.now();
  return answer;
}

// All pages of a list; `items` takes its entries from a page.
async function askAll(path, items) {
  const all = [];
  for (let next = path; next;) {
    const answer = await ask(next);
    all.push(...items(await answer.json()));
    const link = /^<\/api\/v1([^>]*)>; rel="next"$/.exec(answer.headers.get("Link") || "");
    next = link && link[1];
  }
  return all;
}

function node(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

// A cell whose time goes on by itself.
function since(unixMs) {
  const cell = node("td", "", "n");
  cell.dataset.since = unixMs;
  return cell;
}

function tick() {
  const now = Date.now() + clockSkew;
  for (const cell of document.querySelectorAll("[data-since]")) {
    cell.textContent = duration(now - Number(cell.dataset.since));
  }
}

function fill(body, rows, empty, columns) {
  if (rows.length === 0) {
    const cell = node("td", empty, "empty");
    cell.colSpan = columns;
    const row = node("tr");
    row.append(cell);
    rows = [row];
  }
  body.replaceChildren(...rows);
}

function row(...cells) {
  const element = node("tr");
  element.append(...cells);
  return element;
}

const AGENT_STATES = {
  in_call: ["in a call", "busy"], reserved: ["phone rings", "busy"], wrap_up: ["wrap-up", "wait"],
  resting: ["rests after a missed offer", "wait"],
};

function agentState(agent) {
  if (AGENT_STATES[agent.activity]) return AGENT_STATES[agent.activity];
  if (agent.status === "paused") return ["paused" + (agent.reason ? ": " + agent.reason : ""), "wait"];
  if (agent.status === "logged_out") return ["logged out", "quiet"];
  return agent.reachable ? ["available", "good"] : ["no phone registered", "bad"];
}

function showQueues(queues) {
  const now = Date.now() + clockSkew;
  fill($("queues"), queues.map((queue) => {
    const longest = Math.max(...queue.waiting.map((one) => one.waited_ms), -1);
    const wait = longest < 0 ? node("td", "–", "n quiet") : since(now - longest);
    const free = node("td", queue.agents_available, "n");
    const waiting = node("td", `${queue.waiting.length} / ${queue.max_length}`, "n");
    if (queue.waiting.length) waiting.classList.add("wait");
    return row(node("td", queue.id), waiting, wait, node("td", queue.connected, "n"), free,
      node("td", `${queue.agents_staffed} / ${queue.agents}`, "n"));
  }), "No queue is declared yet: patchbay apply centre.toml", 6);
}

function showAgents(agents) {
  fill($("agents"), agents.map((agent) => {
    const [text, tone] = agentState(agent);
    const name = node("td", agent.name || agent.id);
    if (agent.name) name.append(" ", node("span", agent.id, "id quiet"));
    const state = node("td");
    state.append(node("span", text, "state " + tone));
    const skills = Object.entries(agent.skills).map(([skill, level]) => `${skill} ${level}`);
    return row(name, state, since(agent.since_unix_ms), node("td", skills.join(", "), "quiet"));
  }), "No agent is declared yet.", 4);
}

const CONTACT_STATES = {
  waiting: ["waiting", "wait"], offered: ["phone rings", "busy"], connected: ["in a call", "good"],
};

function showContacts(contacts) {
  fill($("contacts"), contacts.map((contact) => {
    const [text, tone] = CONTACT_STATES[contact.state] || [contact.state, "quiet"];
    const state = node("td");
    state.append(node("span", text, "state " + tone));
    return row(node("td", contact.id, "id"), state, node("td", contact.from), node("td", contact.call_type),
      node("td", contact.queue || "–"), node("td", contact.agent || "–"),
      since(contact.answered_unix_ms || contact.arrived_unix_ms));
  }), "Nobody is there.", 7);
}

function showFigures(queues, agents, contacts) {
  const count = (list, test) => list.filter(test).length;
  $("n-waiting").textContent = count(contacts, (one) => one.state !== "connected");
  $("n-connected").textContent = count(contacts, (one) => one.state === "connected");
  $("n-available").textContent = count(agents, (agent) => agent.available);
  $("n-staffed").textContent = count(agents, (agent) => agent.reachable && agent.status !== "logged_out");
}

async function refresh() {
  const whole = (page) => page;
  const [queues, agents, contacts] = await Promise.all([
    askAll("/queues", whole), askAll("/agents", whole), askAll("/contacts?state=live", (page) => page.live)]);
  showQueues(queues);
  showAgents(agents);
  showContacts(contacts);
  showFigures(queues, agents, contacts);
  tick();
}

function refreshSoon() {
  if (refreshing) return;
  refreshing = setTimeout(() => {
    refreshing = null;
    refresh().catch(() => {});
  }, REFRESH_MS);
}

const words = (name) => name.replaceAll("_", " ");

// Attributes of a contact, to stand behind a sentence.
function named(attributes) {
  return Object.entries(attributes ?? {}).map(([name, text]) => `, ${name} “${text}”`).join("");
}

function told(event) {
  const who = event.agent ? ` – ${event.agent}` : "";
  switch (event.type) {
    case "contact_typed": return `${event.from} is “${event.call_type}” (rule ${event.rule}), queue ${event.queue}${named(event.attributes)}`;
    case "contact_queued": return `waits in ${event.queue} at position ${event.position}; ${event.choice.qualified} qualified, ${event.choice.free} free`;
    case "contact_offered": return `offered to ${event.agent} after ${duration(event.waited_ms)}; ${event.choice.free} of ${event.choice.qualified} qualified were free`;
    case "offer_ringing": return `${event.agent}’s phone rings`;
    case "offer_failed": return `${event.agent}: ${words(event.why)}${event.code ? ` (${event.code})` : ""}`;
    case "contact_connected": return `connected with ${event.agent} after ${duration(event.waited_ms)}`;
    case "contact_ended": return `ended${who} after ${duration(event.talk_ms)} (${words(event.cause)})`;
    case "contact_refused": return `refused with ${event.status}: ${words(event.why)}`;
    case "contact_abandoned": return `the caller gave up after ${duration(event.waited_ms)}`;
    case "agent_status": return `${event.agent} is ${words(event.status)}${event.reachable ? "" : ", no phone"}`;
    case "agent_state": return `${event.agent}: ${words(event.activity)}`;
    default: return words(event.type) + who;
  }
}

function showEvent(event) {
  const line = node("li");
  const time = node("time", new Date(event.unix_ms).toLocaleTimeString());
  line.append(time);
  if (event.contact) line.append(node("span", event.contact.slice(-6), "id quiet"));
  line.append(node("span", told(event)));
  const list = $("events");
  list.prepend(line);
  while (list.children.length > KEPT_EVENTS) list.lastChild.remove();
}

// Reads one stream until it ends. EventSource cannot send the token, so this reads it by hand.
async function follow(up) {
  const after = cursor === null ? "?recent=" + KEPT_EVENTS : "?after=" + cursor;
  const answer = await ask("/events" + after, { headers: { Accept: "text/event-stream" } });
  up();
  await refresh();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length === 0) continue;
      const event = JSON.parse(data.map((line) => line.slice(5).trimStart()).join("\n"));
      cursor = event.cursor;
      showEvent(event);
      refreshSoon();
    }
  }
}

function link(text, className) {
  $("link").textContent = text;
  $("link").className = "link " + className;
}

function door(refused) {
  sessionStorage.removeItem("token");
  $("wall").hidden = true;
  $("door").hidden = false;
  $("refused").hidden = !refused;
  link("closed", "down");
  $("token").focus();
}

async function run() {
  token = takeToken();
  if (!token) return door(false);
  for (;;) {
    try {
      await follow(() => {
        $("door").hidden = true;
        $("wall").hidden = false;
        link("live", "up");
      });
    } catch (error) {
      if (error.refused) return door(true);
      if (error.status === 410) {
        cursor = null;
        $("events").replaceChildren();
      }
    }
    link("not reachable, trying again", "down");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

$("door").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
  run();
});
setInterval(tick, 1000);
run();
