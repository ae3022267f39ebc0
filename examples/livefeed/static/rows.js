// A change as a row of the list. Whatever comes from a document is put in as text, never as HTML.

export function rowOf(change, { onEdit, onDelete }) {
  const row = document.getElementById("row").content.cloneNode(true).firstElementChild;
  const part = (name) => row.querySelector(name);
  const { doc } = change;
  row.className = change.kind;
  row.dataset.id = change.id;
  part(".kind").textContent = change.kind;
  part(".id").textContent = part(".id").title = change.id;
  part(".preview").textContent = preview(change);
  part(".generation").textContent = `rev ${change.generation}`;
  part(".generation").title = change.rev;
  part("time").dateTime = change.at ?? "";
  if (change.at) part("time").title = new Date(change.at).toLocaleString();
  // Most rows are never opened, so their documents need not be written out.
  part("details").addEventListener("toggle", () => {
    const pre = part("pre");
    if (!pre.hasChildNodes()) pre.append(...coloured(change));
  });
  if (doc?.type === "note" && change.kind !== "deleted") {
    part(".actions").hidden = false;
    part(".edit").addEventListener("click", () => onEdit(doc));
    part(".delete").addEventListener("click", () => onDelete(doc));
  }
  return row;
}

export function tellAge(row) {
  const time = row.querySelector("time");
  time.textContent = age(time.dateTime);
}

function age(at) {
  if (!at) return "earlier";
  const seconds = Math.max(0, (Date.now() - Date.parse(at)) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function preview({ doc, kind, size }) {
  if (kind === "deleted" || !doc) return size ? `${Math.ceil(size / 1024)} kB` : "";
  const { _id, _rev, ...rest } = doc;
  const title = [doc.text, doc.title, doc.name].find((one) => typeof one === "string");
  return (title ?? JSON.stringify(rest)).slice(0, 200);
}

// A JSON text in pieces: a key, a string, or a number, true, false, null.
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|\btrue\b|\bfalse\b|\bnull\b)/g;

function* coloured({ doc, size }) {
  if (!doc) {
    yield `This document has ${Math.ceil(size / 1024)} kB: too large to be shown here.`;
    return;
  }
  const text = JSON.stringify(doc, null, 2);
  let at = 0;
  for (const token of text.matchAll(TOKEN)) {
    const [, string, colon, other] = token;
    const piece = document.createElement("span");
    piece.className = other ? "other" : colon ? "key" : "string";
    piece.textContent = string ?? other;
    yield text.slice(at, token.index);
    yield piece;
    at = token.index + piece.textContent.length;
  }
  yield text.slice(at);
}
