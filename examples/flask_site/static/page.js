// What does the page do by itself? It sends forms, and follows the action of a refusal.
"use strict";

const me = document.currentScript.dataset.who;
const said = document.getElementById("said");
const json = { "Content-Type": "application/json" };

async function post(path, options = {}) {
  const answer = await fetch(path, { method: "POST", ...options });
  if (answer.ok) return true;
  const problem = await answer.json();
  if (problem.action === "refresh" && (await post("/api/auth/refresh"))) {
    return post(path, options);
  }
  said.textContent = problem.detail;
  return false;
}

async function sent(path, options) {
  if (await post(path, options)) location.reload();
}

for (const form of document.querySelectorAll("form[data-to]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sent(form.dataset.to, { body: new URLSearchParams(new FormData(form)) });
  });
}

document.getElementById("login")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(event.target)));
  sent("/api/auth/login", { headers: json, body });
});

document.getElementById("leave")?.addEventListener("click", () => sent("/api/auth/logout"));

// The page was made for nobody; maybe only the access token has run out.
if (!me) {
  fetch("/api/auth/session")
    .then((answer) => answer.json())
    .then((state) => state.can_refresh && sent("/api/auth/refresh"));
}
