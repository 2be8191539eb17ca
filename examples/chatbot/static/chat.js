// What is said here? The conversation on the page, and getting each message across.
//
// The page names each conversation and message itself, so whatever goes wrong it may
// send a message again: the server stores it once, and streams the answer from its start.

import { onChange, Problem, request } from "./auth.js";
import { $, make, say, write } from "./dom.js";
import { persist } from "./patience.js";

const NEAR = 80; // px from the end within which new text is followed
const NOTES = {
  interrupted: "Interrupted. What came is kept.",
  degraded: "Not from a model: an earlier answer, or said by the chatbot itself.",
  missing: "Not answered yet.",
};

let shown = null; // the conversation on the page
const underway = new Set(); // messages that are being brought across

/** Say *text* in the conversation that is shown. */
export function speak(text) {
  const message = place({ key: crypto.randomUUID(), text });
  toTheEnd();
  void deliver(message).then(listConversations).catch(() => {});
}

export function startConversation() {
  clear();
  listConversations().catch(() => {});
}

/** Show an empty conversation, and nothing of whoever was here before. */
export function clear() {
  show(crypto.randomUUID());
  $("conversations").replaceChildren(make("option", { value: shown }, "New conversation"));
}

/** Show the conversation that was used last, or a new one. */
export async function openLast() {
  clear();
  const [last] = await listConversations();
  if (last) await openConversation(last.id);
}

export async function openConversation(id) {
  show(id);
  const { messages } = await persist(() => get(`/api/conversations/${id}`));
  if (shown !== id) return;
  for (const said of messages.filter(({ role }) => role === "user")) {
    const answer = messages.find(({ role, key }) => role === "assistant" && key === said.key);
    const message = place(said);
    mark(message.asked, "stored");
    if (answer?.status === "streaming") void deliver(message);
    else settle(message, answer ?? { text: "", status: "missing" });
  }
  $("conversations").value = id;
  toTheEnd();
}

async function listConversations() {
  const { conversations } = await persist(() => get("/api/conversations"));
  const listed = conversations.some(({ id }) => id === shown);
  const fresh = listed ? [] : [{ id: shown, title: "New conversation" }];
  const options = [...fresh, ...conversations].map(({ id, title }) => make("option", { value: id }, title));
  $("conversations").replaceChildren(...options);
  $("conversations").value = shown;
  return conversations;
}

const get = async (url) => (await request(url)).json();

function show(id) {
  shown = id;
  $("log").replaceChildren();
  $("welcome").hidden = false;
}

/** Put a message on the page, with room for its answer. */
function place({ key, text }) {
  $("welcome").hidden = true;
  const asked = make("li", { className: "said user", "data-testid": "message", "data-role": "user" });
  const answer = make("li", { className: "said assistant", "data-testid": "message", "data-role": "assistant" });
  asked.append(make("span", { className: "sr" }, "You: "), make("div", { className: "text" }), make("p", { className: "note", hidden: true }));
  answer.append(make("span", { className: "sr" }, "Answer: "), make("div", { className: "text", "data-testid": "answer-text" }), make("div", { className: "foot", hidden: true }));
  asked.querySelector(".text").textContent = text;
  $("log").append(asked, answer);
  return { conversation: shown, key, text, asked, answer };
}

/** Bring *message* across and its answer back, through whatever is in the way. */
async function deliver(message) {
  underway.add(message);
  mark(message.asked, "sending");
  try {
    const end = await persist(() => attempt(message));
    settle(message, end);
  } catch (problem) {
    mark(message.asked, "failed", problem.message);
    settle(message, { text: "", status: "missing" });
  } finally {
    underway.delete(message);
  }
}

async function attempt(message) {
  begin(message);
  const { conversation, key, text } = message;
  const response = await request("/api/chat", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ conversation, key, text }),
  });
  mark(message.asked, "stored");
  let answer = "";
  for await (const { event, data } of events(response.body)) {
    if (event === "done") return { ...data, text: answer };
    if (event !== "delta") continue;
    answer += data.text;
    follow(message, answer);
  }
  throw new Problem({ code: "cut_off", action: "retry", detail: "The connection was lost in mid-answer." });
}

/** Yield the server-sent events in *body*; a broken connection is just their end. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/, 2)));
        if (fields.data) yield { event: fields.event, data: JSON.parse(fields.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function begin({ answer }) {
  const dots = make("span", { className: "dots", "aria-hidden": "true" }, make("i"), make("i"), make("i"));
  answer.dataset.status = "waiting";
  answer.setAttribute("aria-busy", "true");
  answer.querySelector(".foot").hidden = true;
  keepingTheEnd(() => answer.querySelector(".text").replaceChildren(dots));
  $("speaking").textContent = "The answer is on its way.";
}

function follow({ answer }, text) {
  answer.dataset.status = "streaming";
  keepingTheEnd(() => write(answer.querySelector(".text"), text));
}

function settle(message, { text, status, note }) {
  const { answer } = message;
  const foot = answer.querySelector(".foot");
  const again = make("button", { className: "quiet", type: "button", "data-testid": "again" }, "Try again");
  again.addEventListener("click", () => deliver(message));
  foot.replaceChildren(make("span", { className: "note", "data-testid": "answer-note" }, note || NOTES[status] || ""), again);
  again.hidden = status === "complete";
  foot.hidden = status === "complete" && !note;
  answer.dataset.status = status;
  answer.removeAttribute("aria-busy");
  keepingTheEnd(() => write(answer.querySelector(".text"), text));
  $("speaking").textContent = foot.hidden ? "The answer is complete." : foot.textContent;
}

/** Change the log; a reader who was at its end stays there. */
function keepingTheEnd(change) {
  const { scrollTop, clientHeight, scrollHeight } = $("scroll");
  const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
  change();
  if (isAtEnd) toTheEnd();
}

function toTheEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function mark(asked, status, note = "") {
  asked.dataset.status = status;
  say(asked.querySelector(".note"), note);
}

onChange((session) => {
  const note = session ? "" : "Waits for your login, and goes out right after it.";
  for (const { asked } of underway) if (asked.dataset.status === "sending") mark(asked, "sending", note);
});
