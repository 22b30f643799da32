/** What is asked beside the words, as chips before them: pictures, items, and what results should be without. */

import { element } from "./dom.js";
import { face } from "./grid.js";
import { picture } from "./pictures.js";

/** @typedef {import("./state.js").State} State */

/**
 * @param {State} state
 * @param {(change: Partial<State>) => void} go
 * @returns {HTMLElement[]}
 */
export function chips(state, go) {
  const made = [];
  if (state.image) {
    const held = picture(state.image);
    const thumbnail = held ? element("img", { src: held.url, alt: "" }) : null;
    made.push(chip(held ? "picture" : "picture missing", () => go({ image: "" }), thumbnail));
  }
  for (const key of /** @type {const} */ (["like", "unlike"])) {
    for (const id of state[key]) {
      const remove = () => go({ [key]: state[key].filter((each) => each !== id) });
      made.push(chip(id, remove, small(id), key === "like" ? "like" : "without"));
    }
  }
  for (const words of state.minus) {
    made.push(chip(words, () => go({ minus: state.minus.filter((each) => each !== words) }), null, "without"));
  }
  return made;
}

/** @param {string} id */
function small(id) {
  return face({ id, text: id, summary: "", metadata: {}, image: true });
}

/** @param {string} name @param {() => void} remove @param {Node | null} thumbnail @param {string} [role] */
function chip(name, remove, thumbnail, role = "") {
  const made = element(
    "span.chip",
    {},
    thumbnail,
    role ? element("em", {}, role) : null,
    element("span.name", { title: name }, name),
    element("button", { type: "button", "aria-label": `Remove ${role} ${name}`, onclick: remove }, "✕"),
  );
  if (role === "without") made.classList.add("minus");
  return made;
}
