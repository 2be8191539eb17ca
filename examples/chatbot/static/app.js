// How do the parts of the page come together? Keys, views, the composer, and the start.

import { load, logout, onChange } from "./auth.js";
import * as chat from "./chat.js";
import { $, say } from "./dom.js";
import * as feed from "./feed.js";
import "./login.js";
import "./panel.js";
import { persist } from "./patience.js";

let owner = null; // whose conversation is on the page

function grow() {
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight}px`;
}

function send() {
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  grow();
  chat.speak(text);
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
$("text").addEventListener("input", grow);
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
$("suggestions").addEventListener("click", ({ target }) => {
  if (target.closest("button")) chat.speak(target.textContent);
});
$("conversations").addEventListener("change", () => chat.openConversation($("conversations").value).catch(() => {}));
$("new-conversation").addEventListener("click", () => {
  chat.startConversation();
  $("text").focus();
});
$("logout").addEventListener("click", () => logout().catch((problem) => say($("panel-note"), problem.message)));

for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => {
    document.body.dataset.view = button.dataset.view;
    document.querySelector(".views [aria-current]")?.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    if (button.dataset.view === "feed") feed.read();
  });
}

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Then it lasts until the page is left.
  }
});

onChange((session, problem) => {
  if (session !== null && session.subject !== owner) {
    owner = session.subject;
    feed.forget();
    chat.openLast().catch(() => {});
    $("text").focus();
  } else if (problem?.code === "logout") {
    owner = null;
    feed.forget();
    chat.clear();
    $("text").value = "";
    grow();
  }
});

chat.clear();
persist(load).catch(() => {});
