// How are elements found and made? Text is always text: nothing here reads HTML.

export const $ = (id) => document.getElementById(id);

/** Make an element; *properties* are set, those with a dash become attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Show *text* in *element*, and hide the element where there is none. */
export function say(element, text) {
  element.textContent = text;
  element.hidden = text === "";
}

/** Write *text* into *element*: paragraphs, and code between backticks. */
export function write(element, text) {
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => {
    const parts = paragraph.split("`");
    return make("p", {}, ...parts.map((part, at) => (at % 2 === 1 && at < parts.length - 1 ? make("code", {}, part) : part)));
  });
  element.replaceChildren(...paragraphs);
}

/** Say *seconds* shortly: "1:05", "3 h 20 min", "6 d 23 h". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(whole / unit));
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return `${minutes}:${String(whole % 60).padStart(2, "0")}`;
}
