// How does a page stay logged in? A fetch that understands why it was refused.
//
// Only the action of a refusal is looked at: "refresh" (once for all callers of this tab,
// one tab at a time), "csrf" (read it again), "login" (ask, wait, send again for the same
// user). A refresh that meets a broken network or server logs nobody out.

const AUTH = "/api/auth";
const PATIENCE = 10_000; // ms: for a call to the endpoints above, and for the lock
const FRESH = 30; // s that an adopted access token must still live

export class Problem extends Error {
  constructor(said, status = 0) {
    super(said.detail || "Something went wrong.");
    Object.assign(this, said, { status });
  }
}

const listeners = [];
const channel = new BroadcastChannel("resilient-auth-demo");
let session = null; // the server's SessionBody.session
let subject = null; // whose page this is, also while the session has ended
let csrf = "";
let offset = 0; // server's seconds minus our monotonic ones; the device's clock is never read
let refreshing = null;
const waiting = []; // requests that wait for a login

export const serverNow = () => performance.now() / 1000 + offset;
export const onChange = (listener) => listeners.push(listener);

/** Send a request; it may be refreshed, repeated, and held until a login. */
export async function request(url, init) {
  for (let turn = 1; ; turn += 1) {
    const sentIn = session?.id;
    try {
      return await send(url, init);
    } catch (problem) {
      if (turn === 3) throw problem;
      const isOfNow = session === null || session.id === sentIn;
      if (problem.action !== "login" || isOfNow) await act(problem);
    }
  }
}

/** Send a request that only looks: no refresh, no waiting. */
export const peek = (url) => send(url).catch((problem) => {
  if (problem.action === "login") end(problem);
  throw problem;
});

/** Read the server's word on the session; refresh if that is all it needs. */
export async function load() {
  const said = await call("GET", "/session");
  learn(said);
  if (said.session === null && said.can_refresh) await refresh();
  else if (said.session === null) end(new Problem({ code: said.reason, action: "login" }));
}

export async function login(username, password) {
  learn(await call("POST", "/login", { username, password }));
  channel.postMessage("changed");
}

export async function logout() {
  await call("POST", "/logout");
  channel.postMessage("left");
  leave();
}

/** Refresh once, however many ask; what a sibling tab refreshed is adopted. */
export function refresh() {
  refreshing ??= locked(rotate).finally(() => { refreshing = null; });
  return refreshing;
}

/** Present the refresh token without any of this care: for the race in the panel. */
export const refreshCarelessly = () => call("POST", "/refresh");

async function act(problem) {
  if (problem.action === "csrf") learn(await call("GET", "/session"));
  else if (problem.action === "refresh") await refresh().catch(act);
  else if (problem.action === "login") await nextLogin(problem);
  else throw problem;
}

function nextLogin(problem) {
  const asking = subject;
  end(problem);
  return new Promise((resolve, reject) => waiting.push({ asking, resolve, reject }));
}

async function rotate() {
  const known = session?.epoch;
  const said = await call("GET", "/session");
  if (said.session && said.session.epoch !== known && said.session.access_expires_at - said.server_time > FRESH) return learn(said);
  csrf = said.csrf || csrf;
  learn(await call("POST", "/refresh"));
  channel.postMessage("changed");
}

async function locked(work) {
  let entered = null;
  const enter = () => (entered ??= work());
  const options = { signal: AbortSignal.timeout(PATIENCE) };
  await navigator.locks?.request(`ra:${location.origin}`, options, enter).catch(() => {});
  return enter(); // also without the lock: the server's grace makes races safe
}

async function call(method, path, body) {
  const init = { method, signal: AbortSignal.timeout(PATIENCE) };
  if (body) Object.assign(init, { body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  return (await send(AUTH + path, init)).json();
}

async function send(url, init = {}) {
  const headers = new Headers(init.headers);
  if (csrf) headers.set("x-csrf-token", csrf);
  const response = await fetch(url, { ...init, headers }).catch(() => null);
  if (response?.ok) return response;
  if (response === null) throw new Problem({ code: "network", action: "retry", detail: "The server cannot be reached." });
  const said = await response.json().catch(() => ({ detail: `The server answered ${response.status}.` }));
  throw new Problem(said, response.status);
}

function learn(said) {
  offset = said.server_time - performance.now() / 1000;
  csrf = said.csrf || csrf;
  if (said.session === null) return;
  [session, subject] = [said.session, said.session.subject];
  for (const { asking, resolve, reject } of waiting.splice(0)) {
    if (asking === null || asking === subject) resolve();
    else reject(new Problem({ code: "another_user", detail: "Not sent: somebody else is logged in now." }));
  }
  listeners.forEach((listener) => listener(session, null));
}

function end(problem) {
  session = null;
  listeners.forEach((listener) => listener(null, problem));
}

function leave() {
  for (const { reject } of waiting.splice(0)) reject(new Problem({ code: "logout", detail: "Not sent: you logged out." }));
  [subject, csrf] = [null, ""];
  end(new Problem({ code: "logout", action: "login" }));
}

channel.onmessage = ({ data }) => {
  if (data === "left") leave();
  else load().catch(() => {}); // the next request will say what is wrong
};
