// Who is there? The login dialog: it opens over the page, so that nothing on it is lost.

import { login, onChange, Problem, request } from "./auth.js";
import { $, say } from "./dom.js";

const WHY = {
  token_missing: "Welcome. Log in to talk to the chatbot.",
  session_revoked: "Your session was ended from another device. What you wrote is kept: log in to go on.",
  session_expired: "Your session has reached its end. What you wrote is kept: log in to go on.",
  session_idle: "Your session was not used for long. What you wrote is kept: log in to go on.",
  refresh_reused: "An old token of your session came back, so it was ended to be safe. Log in to go on.",
  logout: "You are logged out.",
};
const DEMO = { username: "demo", password: "correct horse battery" };

let isNew = false; // the dialog makes a new account

export function ask() {
  if (!$("login").open) $("login").showModal();
  $($("username").value ? "password" : "username").focus();
}

async function submit() {
  const [username, password] = [$("username").value, $("password").value];
  if (isNew) await signUp(username, password);
  await login(username, password);
  $("login-form").reset();
  turn(false);
}

async function signUp(username, password) {
  const headers = { "content-type": "application/json" };
  await request("/api/accounts", { method: "POST", headers, body: JSON.stringify({ username, password }) });
}

function turn(toNew) {
  isNew = toNew;
  $("login-title").textContent = isNew ? "Create an account" : "Log in";
  $("login-submit").textContent = isNew ? "Create and log in" : "Log in";
  $("login-other").textContent = isNew ? "I have an account" : "Create an account";
  $("password").autocomplete = isNew ? "new-password" : "current-password";
  say($("login-error"), "");
}

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("login-submit").disabled = true;
  say($("login-error"), "");
  try {
    await submit();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const later = problem.action === "retry" || problem.action === "wait" ? " Try again in a moment." : "";
    say($("login-error"), problem.message + later);
  } finally {
    $("login-submit").disabled = false;
  }
});
$("login-other").addEventListener("click", () => turn(!isNew));
$("use-demo").addEventListener("click", () => {
  turn(false);
  $("username").value = DEMO.username;
  $("password").value = DEMO.password;
  $("login-form").requestSubmit();
});
$("open-login").addEventListener("click", ask);

onChange((session, problem) => {
  $("open-login").hidden = session !== null;
  $("logout").hidden = session === null;
  say($("who"), session?.subject ?? "");
  if (session !== null) $("login").close();
  else {
    say($("login-why"), WHY[problem.code] ?? "Log in to go on. What you wrote is kept.");
    ask();
  }
});
