// What can be broken here? The buttons, and what each of them shows.

import { load, refreshCarelessly, request } from "./auth.js";
import { $, make, say } from "./dom.js";
import { note, onMode, watch } from "./feed.js";
import { expireNow } from "./state.js";

const TABS = 5;
const MODES = {
  none: "It answers.",
  429: "“Too many requests”, with Retry-After: 1. The call waits as told, then is made again.",
  500: "An error of its own. Up to three calls, with a random pause between.",
  stall: "Keep-alives, but no word. After three seconds without content the call is made again.",
  cut: "Stops in mid-answer without its end marker. What came is kept, and marked.",
  down: "The process of both is stopped: connection refused. Ask a new conversation what you asked before.",
};
const VERDICTS = {
  rotated: "Won the race",
  replayed: "Lost the race, and was given the winner's token",
  kept: "Came moments after a rotation; nothing to do",
};

async function post(path, body = {}) {
  const headers = { "content-type": "application/json" };
  const response = await request(`/demo/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return response.status === 204 ? null : response.json();
}

/** Run *work* when the button is pressed; while it runs, the button is busy. */
function on(button, work) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    say($("panel-note"), "");
    try {
      await work();
    } catch (problem) {
      say($("panel-note"), problem.message);
    } finally {
      button.removeAttribute("aria-busy");
      void watch();
    }
  });
}

on($("expire"), async () => {
  await post("expire");
  expireNow();
  note("you", "You let your access token expire.");
});

on($("race"), async () => {
  const tabs = Array.from({ length: TABS }, refreshCarelessly);
  const ends = await Promise.allSettled(tabs);
  const rows = ends.map(({ value, reason }, at) => {
    const verdict = value?.rotation ?? reason.code;
    const title = VERDICTS[verdict] ?? reason.message;
    return make("li", { title, "data-testid": "race-tab", "data-verdict": verdict }, `${at + 1} `, make("code", {}, verdict));
  });
  $("race-result").replaceChildren(make("ol", {}, ...rows), make("p", { "data-testid": "race-moral" }, moralOf(ends)));
  $("race-result").hidden = false;
  await load();
});

function moralOf(ends) {
  const epochs = new Set(ends.map(({ value }) => value?.session.epoch));
  const verdicts = ends.map(({ value }) => value?.rotation);
  if (epochs.size !== 1 || epochs.has(undefined)) return "";
  if (verdicts.includes("rotated")) return `One won; the others were given its token. One successor, generation ${[...epochs][0]}, and nobody was logged out.`;
  return "It rotated less than 30 s ago, so the newest token was kept. For a race, try again in a while.";
}

on($("revoke"), async () => {
  await post("revoke");
  await load();
});

for (const button of $("llm-modes").children) {
  on(button, () => post("llm", { mode: button.dataset.mode, once: $("llm-once").checked, both: $("llm-both").checked }));
}

on($("database"), () => post("database"));

on($("duplicate"), async () => {
  const { guarded, start, plain } = await post("duplicate");
  $("duplicate-result").replaceChildren(
    make("h4", {}, "With the guard, when the class is defined"),
    make("pre", { "data-testid": "duplicate-guarded", "tabIndex": 0 }, guarded),
    make("h4", {}, "On a plain base, when the application starts: it refuses to"),
    make("pre", { "data-testid": "duplicate-start", "tabIndex": 0 }, start),
    make("h4", {}, "SQLAlchemy alone, at the first query"),
    make("pre", { "data-testid": "duplicate-plain", "tabIndex": 0 }, plain),
  );
  $("duplicate-result").hidden = false;
});

onMode(({ mode, both, local }) => {
  for (const button of $("llm-modes").children) {
    button.setAttribute("aria-pressed", button.dataset.mode === mode);
    button.disabled = !local;
  }
  const whose = mode === "none" || mode === "down" ? "" : both ? "Both models. " : "The first model; the second steps in. ";
  const what = local ? whose + MODES[mode] : "A real provider answers; it cannot be broken from here.";
  if ($("llm-what").textContent !== what) $("llm-what").textContent = what;
});
