/** What stands there before anything is asked: what the index holds, and where to begin. */

import { counted, element } from "./dom.js";
import { face } from "./grid.js";

/** @typedef {import("./api.js").Item} Item */

/**
 * @param {{items: number, images: number, samples: Item[], examples: string[]}} about
 * @param {(change: Partial<import("./state.js").State>) => void} go
 * @returns {HTMLElement[]}
 */
export function start(about, go) {
  if (!about.items) {
    return [element("div.empty", {}, element("p", {}, "This index holds nothing yet. Fill it with elva index, and load this page again."))];
  }
  const pictures = about.images ? `, ${counted(about.images, "picture")}` : "";
  const examples = about.examples.map((/** @type {string} */ each) =>
    element("li", {}, element("button.link", { type: "button", onclick: () => go({ text: each }) }, each)),
  );
  const samples = about.samples.map((/** @type {Item} */ each) =>
    element(
      "li",
      {},
      element(
        "button.card",
        { type: "button", "aria-label": `Search from ${each.summary || each.text || each.id}`, onclick: () => go({ like: [each.id] }) },
        face(each),
        element("span.says", {}, each.summary || each.text || each.id),
      ),
    ),
  );
  return [
    element(
      "div.start",
      {},
      element("h1", {}, `${counted(about.items, "item")}${about.images === about.items ? ", each with a picture" : pictures}`),
      element("p", {}, "Describe what you look for in every detail. Paste or drop a picture to search with it, alone or beside words."),
      examples.length ? element("h2", {}, "Try") : null,
      element("ul.examples", {}, ...examples),
      element("h2", {}, "Or start from one of these"),
    ),
    element("ul.grid.samples", {}, ...samples),
  ];
}
