// How does everything stand? Facts of the session that count down, and three lamps.

import { onChange, serverNow } from "./auth.js";
import { $, span } from "./dom.js";

const ACCESS_LIFE = 120; // s: what the demo's server gives
const CIRCUITS = { closed: "closed", open: "open", half_open: "half open" };

let facts = null;
let circuit = { state: "closed", calls: 0, failure_rate: 0 };
let others = {}; // the circuits of the models behind the first one
let probeAt = 0; // monotonic s at which an open circuit lets a probe through
let databaseBackAt = 0;

/** Say whether the access token has run out, as far as this page knows. */
export const isExpired = () => facts === null || serverNow() >= facts.access_expires_at;

/** Note that the access token has run out: the page did that to itself. */
export function expireNow() {
  if (facts !== null) facts = { ...facts, access_expires_at: serverNow() };
  tick();
}

/** Take what the server said about its circuit, its model and its database. */
export function showState({ circuit: said, others: behind, llm, database }) {
  const now = performance.now() / 1000;
  circuit = said;
  others = behind;
  probeAt = now + said.retry_in;
  databaseBackAt = now + database.stopped_for;
  light("llm-lamp", llm.mode === "none" ? "closed" : "open", llm.mode === "none" ? "healthy" : llm.mode);
  $("model-name").textContent = llm.local ? `${llm.name} is a toy made of templates, and so is the one behind it.` : `Model: ${llm.name}.`;
  if (!llm.local) $("model-note").textContent = `You are talking to ${llm.name}, through the real provider.`;
  tick();
}

function light(id, state, text) {
  $(id).dataset.state = state;
  $(id).querySelector("strong").textContent = text;
}

function tick() {
  const now = performance.now() / 1000;
  showCircuit(Math.ceil(probeAt - now));
  const stopped = databaseBackAt - now;
  light("database-lamp", stopped > 0 ? "open" : "closed", stopped > 0 ? `stopped, ${Math.ceil(stopped)} s` : "running");
  countDown();
}

/** Show the circuit; an open one whose wait is over is half open to the next call. */
function showCircuit(wait) {
  const state = circuit.state === "open" && wait <= 0 ? "half_open" : circuit.state;
  const share = Math.round(circuit.failure_rate * 100);
  light("circuit", state, CIRCUITS[state]);
  $("circuit-what").textContent = state === "open" ? `next try in ${wait} s`
    : state === "half_open" ? "the next call is a probe"
    : circuit.calls === 0 ? "no calls yet" : `${share} % of ${circuit.calls} calls failed`;
  for (const [name, { state: its }] of Object.entries(others)) {
    if (its !== "closed") $("circuit-what").textContent += `; ${name}: ${CIRCUITS[its]}`;
  }
}

function countDown() {
  if (facts === null) return;
  const left = facts.access_expires_at - serverNow();
  const share = Math.max(0, Math.min(100, (100 * left) / ACCESS_LIFE));
  $("access-left").textContent = left > 0 ? `${span(left)} left` : "has run out; the next request refreshes it";
  $("access-meter").setAttribute("aria-valuenow", Math.round(share));
  $("access-meter").style.setProperty("--share", `${share}%`);
  $("access-meter").classList.toggle("low", share < 20);
  $("idle-left").textContent = `in ${span(facts.idle_expires_at - serverNow())}`;
  $("absolute-left").textContent = `in ${span(facts.expires_at - serverNow())}`;
}

onChange((session) => {
  facts = session;
  $("epoch").textContent = session?.epoch ?? "–";
  $("session-id").textContent = session?.id ?? "–";
  if (session === null) for (const id of ["access-left", "idle-left", "absolute-left"]) $(id).textContent = "–";
  if (session === null) $("access-meter").style.setProperty("--share", "0%");
  tick();
});
setInterval(() => document.hidden || tick(), 1000);
