// What if the server says "later"? Wait as long as it asks, say so, and try again.

import { $, say } from "./dom.js";

const LONGEST = 8; // s between two tries when the server named no wait
const waiting = new Set();
let ticking = 0;

/** Do *work* until it succeeds or fails for another reason than "later". */
export async function persist(work) {
  for (let failures = 0; ; failures += 1) {
    try {
      return await work();
    } catch (problem) {
      if (problem.action !== "retry" && problem.action !== "wait") throw problem;
      const told = problem.retry_after ?? 0;
      await pause(problem, Math.max(told, Math.min(LONGEST, 2 ** failures) * (0.75 + Math.random() / 4)));
    }
  }
}

/** Stop waiting: try everything again now. */
export function hurry() {
  for (const { go } of [...waiting]) go();
}

function pause(problem, seconds) {
  return new Promise((resolve) => {
    const wait = { problem, until: performance.now() + seconds * 1000 };
    const timer = setTimeout(() => wait.go(), seconds * 1000);
    wait.go = () => {
      clearTimeout(timer);
      waiting.delete(wait);
      show();
      resolve();
    };
    waiting.add(wait);
    show();
  });
}

function show() {
  clearTimeout(ticking);
  const last = [...waiting].at(-1);
  $("banner").hidden = last === undefined;
  if (last === undefined) return;
  const left = Math.ceil((last.until - performance.now()) / 1000);
  say($("banner-text"), `${last.problem.message} Nothing is lost: trying again in ${Math.max(1, left)} s.`);
  ticking = setTimeout(show, 500);
}

$("banner-retry").addEventListener("click", hurry);
window.addEventListener("online", hurry);
