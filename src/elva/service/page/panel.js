/** The chosen result: all that the index holds of it, and what can be done with it. */

import { element, place } from "./dom.js";
import { label, rows } from "./fields.js";
import { face } from "./grid.js";

/** @typedef {import("./api.js").Item} Item @typedef {import("./api.js").Result} Result */
/** @typedef {{from: (item: Item) => void, add: (item: Item) => void, without: (item: Item) => void, close: () => void, open: (id: string) => void}} Actions */

/**
 * @param {Item & Partial<Result>} item
 * @param {Actions} actions
 */
export function openPanel(item, actions) {
  const panel = place("panel");
  const fields = rows(item.metadata);
  const parts = [
    element(
      "div.top",
      {},
      element("span.where", {}, item.rank ? `Result ${item.rank}` : "Item"),
      element("button.quiet.close", { type: "button", "aria-label": "Close", onclick: actions.close }, "✕"),
    ),
    face(item, "image"),
    element(
      "div.actions",
      {},
      element("button.go", { type: "button", onclick: () => actions.from(item) }, "Search from this"),
      element("button", { type: "button", onclick: () => actions.add(item) }, "Add to the query"),
      element("button", { type: "button", onclick: () => actions.without(item) }, "Without this"),
    ),
    section("The model reads", item.summary && element("p.serif", {}, item.summary)),
    element("section", { id: "beside", "aria-live": "polite" }),
    section("Text", item.image && item.text ? element("p", {}, item.text) : null),
    section("Fields", fields.length ? table(fields) : null),
    section(`${item.same?.length ?? 0} alike`, item.same?.length ? alike(item.same, actions) : null),
    element(
      "p.id",
      {},
      element("code", {}, item.id),
      item.score === undefined ? null : `cosine ${item.score.toFixed(4)}`,
      typeof item.likelihood === "number" ? `log-likelihood ${item.likelihood.toFixed(2)}` : null,
    ),
  ];
  panel.replaceChildren(...parts.filter((each) => each !== null));
  panel.hidden = false;
  document.body.classList.add("opened");
  /** @type {HTMLElement} */ (panel.querySelector(".actions .go")).focus({ preventScroll: true });
}

export function closePanel() {
  place("panel").hidden = true;
  document.body.classList.remove("opened");
}

/** @param {string} name @param {Node | string | null | undefined | false} content */
function section(name, content) {
  return content ? element("section", {}, element("h2", {}, name), content) : null;
}

/** @param {[string, string][]} fields */
function table(fields) {
  const names = fields.map(([name]) => name);
  const parts = fields.map(([name, value]) => [
    element("dt", { title: name }, label(name, names)),
    element("dd", {}, value),
  ]);
  return element("dl", {}, ...parts.flat());
}

/** @param {{id: string, score: number}[]} same @param {Actions} actions */
function alike(same, actions) {
  const rows = same.map((each) =>
    element("li", {}, element("button.link", { type: "button", onclick: () => actions.open(each.id) }, each.id)),
  );
  return element("ul.alike", {}, ...rows);
}
