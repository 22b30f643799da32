/** What the page says: a line over the results, or in their place why there are none. */

import { Problem } from "./api.js";
import { element, place } from "./dom.js";

/** @param {string} sentence @param {string[]} [notes] */
export function say(sentence, notes = []) {
  place("status").classList.toggle("silent", !sentence);
  place("status").replaceChildren(sentence, ...notes.map((each) => element("span.note", {}, each)));
}

/** @param {string} note behind what is said already */
export function addNote(note) {
  place("status").append(element("span.note", {}, note));
}

/** @param {unknown} error */
export function reason(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {unknown} error @param {() => void} again @returns {HTMLElement} */
export function problem(error, again) {
  const status = error instanceof Problem ? error.status : -1;
  const heading = status === 429 || status === 503 ? "Busy" : status === 0 ? "No connection" : "That did not work";
  return element(
    "div.empty",
    { role: "alert" },
    element("h2", {}, heading),
    element("p", {}, reason(error)),
    element("button", { type: "button", onclick: again }, "Try again"),
  );
}

/** @param {(() => void) | null} unfilter removes the filters, where there are any @returns {HTMLElement} */
export function noResults(unfilter) {
  return element(
    "div.empty",
    {},
    element("h2", {}, "Nothing fits"),
    element("p", {}, unfilter ? "No item meets the filters." : "The index gave no result."),
    unfilter ? element("button", { type: "button", onclick: unfilter }, "Remove the filters") : null,
  );
}
