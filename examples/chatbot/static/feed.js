// What happened? The feed is asked each second, and never keeps a session alive by it.

import { onChange, peek, serverNow } from "./auth.js";
import { $, make } from "./dom.js";
import { isExpired, showState } from "./state.js";

const EVERY = 1000; // ms
const KEPT = 400;

let newest = 0;
let startedAt = 0;
let unread = 0;
let isIn = false;
let hasRunOut = false;
let timer = 0;
const modeListeners = [];

export const onMode = (listener) => modeListeners.push(listener);

/** Look now, then each second; while nobody is logged in or looking, not at all. */
export async function watch() {
  clearTimeout(timer);
  if (!isIn || document.hidden) return;
  if (isExpired()) noteRunOut();
  else await look();
  timer = setTimeout(watch, EVERY);
}

/** Add a line of the page's own; the server knows nothing of it. */
export function note(tone, what, survived = "") {
  add({ at: serverNow(), name: "page", tone, what, survived, code: "", action: "", request_id: "" });
}

export function forget() {
  $("events").replaceChildren();
  $("feed-empty").hidden = false;
  [newest, startedAt] = [0, 0];
  read();
}

export function read() {
  unread = 0;
  $("unread").hidden = true;
}

async function look() {
  try {
    const said = await (await peek(`/demo/events?after=${newest}`)).json();
    $("connection").hidden = true;
    if (startedAt !== 0 && said.started_at !== startedAt) {
      [newest, startedAt] = [0, said.started_at];
      note("good", "The server was restarted.", "Its keys and your session were stored: you are still logged in.");
      return;
    }
    startedAt = said.started_at;
    said.events.forEach(add);
    showState(said);
    modeListeners.forEach((listener) => listener(said.llm));
  } catch (problem) {
    $("connection").hidden = problem.code !== "network";
  }
}

function noteRunOut() {
  if (!hasRunOut) note("info", "Your access token has run out.", "This feed waits with it. The next request gets a 401, refreshes once, and goes on: write something.");
  hasRunOut = true;
}

function add({ number = newest + 0.5, at, name, tone, what, survived, code, action, request_id: requestId }) {
  if (number <= newest) return; // two looks overlapped
  newest = Math.max(newest, Math.floor(number));
  const time = new Date(at * 1000);
  const tags = [["code", code], ["action", action], ["request", requestId]].filter(([, value]) => value);
  const entry = make("li", { className: `event ${tone}`, "data-testid": "event", "data-name": name, "data-code": code });
  entry.append(
    make("time", { dateTime: time.toISOString() }, time.toLocaleTimeString([], { hour12: false })),
    make("p", { className: "what" }, what),
  );
  if (survived) entry.append(make("p", { className: "survived" }, survived));
  if (tags.length) entry.append(make("p", { className: "tags" }, ...tags.map(([kind, value]) => make("code", { title: kind, "data-tag": kind }, value))));
  $("events").prepend(entry);
  $("feed-empty").hidden = true;
  while ($("events").children.length > KEPT) $("events").lastChild.remove();
  unread += 1;
  $("unread").textContent = unread > 99 ? "99+" : unread;
  $("unread").hidden = document.body.dataset.view === "feed";
}

onChange((session) => {
  isIn = session !== null;
  hasRunOut = false;
  if (isIn) void watch();
  else clearTimeout(timer);
});
document.addEventListener("visibilitychange", watch);
