"use strict";
// Live rows, live details, times and keys. Everything else is the server's, and works
// without this.
const one = (s, e = document) => e.querySelector(s), all = s => [...document.querySelectorAll(s)];
const rows = one("#rows"), now = one("#now"), say = text => { const l = one("#live"); if (l && l.textContent !== text) l.textContent = text; };
const most = 100;

function ago(t) {
  const s = (Date.now() - t) / 1000, d = Math.abs(s);
  if (s >= -1 && s < 2) return "just now";
  const text = d < 120 ? `${d | 0} s` : d < 7200 ? `${d / 60 | 0} min` : d < 172800 ? `${d / 3600 | 0} h` : `${d / 86400 | 0} d`;
  return s < 0 ? "in " + text : text + " ago";
}
const times = () => all("time").forEach(t => { t.textContent = ago(Date.parse(t.dateTime)); });
setInterval(times, 5000);

// The list. What comes while somebody has scrolled down waits until they are back.
let waiting = new Map(), whole = null;
const paused = () => scrollY > 60;
function put(html) {
  const t = document.createElement("template");
  t.innerHTML = html;
  const row = t.content.firstElementChild, old = document.getElementById(row.id);
  if (old) {
    const focused = old.contains(document.activeElement);
    old.replaceWith(row);
    if (focused) one("a", row).focus();
  } else {
    row.classList.add("new");
    rows.prepend(row);
    while (rows.children.length > most) rows.lastElementChild.remove();
  }
}
function apply() {
  if (paused()) {
    const fresh = [...waiting.keys()].filter(id => !document.getElementById(id)).length;
    return say(fresh || whole ? `Paused. ${whole ? "There is more" : fresh + " new"} above.` : "Paused while you read.");
  }
  if (whole !== null) {
    const id = document.activeElement.closest && document.activeElement.closest("tr")?.id;
    rows.innerHTML = whole;
    if (id) one("a", document.getElementById(id) || rows)?.focus();
  }
  waiting.forEach(put);
  whole = null;
  waiting = new Map();
  times();
  say("Live");
}
addEventListener("scroll", () => rows && source && apply(), { passive: true });

// One delivery: the page's upper part is fetched anew, unless somebody writes in it.
let stale = false;
async function refresh() {
  if (one("#now input:focus, #now details[open]")) { stale = true; return; }
  stale = false;
  const r = await fetch(location.href, { headers: { Accept: "text/html" } });
  const fresh = r.ok && new DOMParser().parseFromString(await r.text(), "text/html").querySelector("#now");
  if (fresh) { now.innerHTML = fresh.innerHTML; now.dataset.like = fresh.dataset.like; }
}

let source = null;
const from = rows?.dataset.live || now?.dataset.live;
function connect() {
  source = new EventSource(from);
  const on = (name, fn) => source.addEventListener(name, e => fn(e.data));
  on("list", html => { whole = html; waiting = new Map(); apply(); });
  on("row", html => { if (now) return refresh(); waiting.set(/id="([^"]+)"/.exec(html)[1], html); apply(); });
  on("gone", id => { waiting.delete("d-" + id); document.getElementById("d-" + id)?.remove(); });
  on("ready", like => { if (stale || like !== now.dataset.like) refresh(); });
  on("state", html => {
    const fresh = document.createElement("template"), state = one("#state");
    fresh.innerHTML = html;
    if (fresh.innerHTML !== state.innerHTML.trim()) state.innerHTML = html; // the same again would only be read aloud again
  });
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "Not live. Reload to see what is new." : "Connecting again…");
}
if (from && window.EventSource) {
  connect();
  document.addEventListener("visibilitychange", () => { // a hidden page holds no connection
    source.close();
    if (!document.hidden) connect();
  });
}

all(".filter select").forEach(s => s.addEventListener("change", () => s.form.requestSubmit()));
addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const field = e.target.closest("input, select, textarea");
  if (field) return void (e.key === "Escape" && field.blur());
  const links = all("#rows .order a"), at = links.indexOf(document.activeElement);
  const go = { "/": one("input[type=search]"), j: links[Math.min(at + 1, links.length - 1)], k: links[Math.max(at - 1, 0)] }[e.key];
  if (go) { e.preventDefault(); go.focus(); go.select?.(); }
  if (e.key === "u") one("a[rel=up]")?.click();
});
