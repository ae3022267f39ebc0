// The page: what comes in by the stream of events, and what goes out by the buttons.

import { rowOf, tellAge } from "./rows.js";
import { Sparkline } from "./sparkline.js";

const MOST_ROWS = 200;
const $ = (id) => document.getElementById(id);
const list = $("changes");
const sparkline = new Sparkline($("activity"));
const newest = new Map(); // the revision that was shown last, of each document
let link = "opening"; // of this page to its server
let feed = { name: "connecting", reason: "", until: 0 }; // of that server to the database
let place = ""; // what this page has seen: a seq

// -- the stream -----------------------------------------------------------------------------------

function follow() {
  const source = new EventSource(place ? `events?after=${encodeURIComponent(place)}` : "events");
  const on = (name, take) =>
    source.addEventListener(name, (event) => {
      place = event.lastEventId || place;
      take(JSON.parse(event.data));
      tick();
    });
  on("snapshot", (changes) => {
    list.replaceChildren();
    newest.clear();
    sparkline.clear();
    changes.forEach((change) => add(change));
  });
  on("changes", (changes) => changes.forEach((change) => add(change, "new")));
  on("state", ({ name, reason, seconds }) => {
    feed = { name, reason, until: Date.now() + seconds * 1000 };
  });
  source.onopen = () => {
    link = "open";
    tick();
  };
  source.onerror = () => {
    link = "broken";
    tick();
    // It comes back by itself from a lost connection, but not from an answer such as a proxy's 502.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
}

function add(change, ...classes) {
  if (newest.get(change.id) === change.rev) return; // CouchDB may repeat itself
  newest.set(change.id, change.rev);
  for (const row of list.children) {
    if (row.dataset.id === change.id) row.querySelector(".actions").hidden = true;
  }
  const row = rowOf(change, { onEdit: edit, onDelete: remove });
  row.classList.add(...classes);
  list.prepend(row);
  if (list.children.length > MOST_ROWS) list.lastElementChild.remove();
  if (change.at) sparkline.add(Date.parse(change.at));
}

// -- how it goes ----------------------------------------------------------------------------------

function feedTells() {
  const left = Math.ceil((feed.until - Date.now()) / 1000);
  switch (feed.name) {
    case "connected":
      return ["good", "Live"];
    case "caught up":
      return ["good", "Live, caught up"];
    case "retrying":
      return ["warn", left > 0 ? `Reconnecting in ${left} s` : "Reconnecting…"];
    case "disconnected":
      return ["warn", "Connection lost"];
    case "stopped":
      return ["bad", "Stopped"];
    default:
      return ["", "Connecting…"];
  }
}

function show(pill, tone, text) {
  const span = pill.querySelector("span");
  pill.className = `pill ${tone}`;
  if (span.textContent !== text) span.textContent = text; // or a screen reader would repeat it
}

function tick() {
  const broken = link === "broken";
  const [tone, text] = broken ? ["", "Unknown"] : feedTells();
  show($("feed"), tone, `Database: ${text}`);
  show($("link"), { open: "good", broken: "warn" }[link] ?? "", {
    open: "Page: connected",
    broken: "Page: reconnecting…",
  }[link] ?? "Page: connecting…");
  $("reason").hidden = broken || !feed.reason;
  $("reason").textContent = $("reason").title = feed.reason;
  sparkline.draw(link !== "broken" && tone !== "warn" && tone !== "bad");
  $("total").textContent = sparkline.total;
  $("total-of").textContent = `change${sparkline.total === 1 ? "" : "s"} in two minutes`;
  $("empty").hidden = list.children.length > 0;
  for (const row of list.children) tellAge(row);
}

// -- notes ----------------------------------------------------------------------------------------

let edited = null; // the note whose text is in the field; null: a new one

async function ask(method, path, body) {
  const refusal = $("refusal");
  refusal.hidden = true;
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    if (answer.ok) return true;
    refusal.textContent = (await answer.json()).error;
  } catch {
    refusal.textContent = "The page’s server does not answer.";
  }
  refusal.hidden = false;
  return false;
}

const noteUrl = (doc) => `notes/${encodeURIComponent(doc._id)}`;

function edit(doc) {
  edited = doc;
  $("composing").textContent = doc ? `The text of ${doc._id}` : "A new note";
  $("text").value = doc?.text ?? "";
  $("send").textContent = doc ? "Save" : "Write";
  $("cancel").hidden = !doc;
  $("text").focus();
}

function remove(doc) {
  return ask("DELETE", noteUrl(doc));
}

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value;
  const sent = edited ? ask("PUT", noteUrl(edited), { text }) : ask("POST", "notes", { text });
  if (await sent) edit(null);
});
$("cancel").addEventListener("click", () => edit(null));
$("outage").addEventListener("click", () => ask("POST", "outage"));

const about = await (await fetch("about")).json();
$("db").textContent = about.db;
$("outage").hidden = !about.outage;
document.title = `${about.db}: livefeed`;
follow();
setInterval(tick, 500);
