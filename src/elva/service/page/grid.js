/** Results as cards, and what stands there while there are none. */

import { show } from "./api.js";
import { counted, element } from "./dom.js";

/** @typedef {import("./api.js").Item} Item @typedef {import("./api.js").Result} Result */
/** @typedef {{entered: Set<string>, moved: Map<string, number>}} Changes of results when a grain is left out */

/** Pictures of so few pixels are shown with their pixels, not blurred. */
const COARSE = 128;

/**
 * An item's picture, or its words.
 * @param {Item} item
 * @param {"thumbnail" | "image"} [kind]
 */
export function face(item, kind = "thumbnail") {
  const words = element("span.words", {}, item.text || item.summary || item.id);
  if (!item.image) return element("span.face.text", {}, words);
  const image = /** @type {HTMLImageElement} */ (element("img", { alt: "", loading: "lazy", decoding: "async" }));
  image.addEventListener("load", () => image.classList.toggle("coarse", image.naturalWidth <= COARSE));
  image.addEventListener("error", () => {
    if (kind === "image") {
      kind = "thumbnail"; // the file is gone; the index still has this
      show(image, item.id, kind);
    } else image.replaceWith(element("span.words", {}, item.summary || "The picture is gone."));
  });
  show(image, item.id, kind);
  return element("span.face", {}, image);
}

/**
 * @param {Result[]} results
 * @param {(result: Result) => void} open
 * @param {Changes | null} changes
 */
export function grid(results, open, changes) {
  const reranked = results.some((each) => each.likelihood !== null);
  const scores = results.map((each) => (reranked ? (each.likelihood ?? -Infinity) : each.score));
  const [least, best] = [Math.min(...scores.filter(Number.isFinite)), Math.max(...scores)];
  const list = element("ol.grid", { "aria-label": counted(results.length, "result") });
  results.forEach((result, at) => {
    const share = best > least ? Math.max(0, (scores[at] - least) / (best - least)) : 1;
    list.append(element("li", {}, card(result, open, changes, share)));
  });
  list.querySelector("button")?.setAttribute("tabindex", "0");
  list.addEventListener("keydown", (event) => move(list, event));
  return list;
}

/** @param {Result} result @param {(result: Result) => void} open @param {Changes | null} changes @param {number} share of the way from the last score to the best */
function card(result, open, changes, share) {
  const score = element("span.score", { title: `cosine ${result.score.toFixed(4)}` }, element("i"));
  /** @type {HTMLElement} */ (score.firstChild).style.inlineSize = `${12 + 88 * share}%`;
  const made = element(
    "button.card",
    { type: "button", tabindex: "-1", "data-id": result.id, onclick: () => open(result) },
    face(result),
    element(
      "span.line",
      {},
      element("b", {}, String(result.rank)),
      score,
      element("span.number", {}, result.likelihood === null ? result.score.toFixed(3) : `${result.likelihood.toFixed(1)} nats`),
    ),
    element("span.says", {}, result.summary || result.text || result.id),
    badge(result, changes),
  );
  if (result.same.length) made.classList.add("stack");
  if (changes?.entered.has(result.id)) made.classList.add("entered");
  return made;
}

/** @param {Result} result @param {Changes | null} changes */
function badge(result, changes) {
  if (changes?.entered.has(result.id)) return element("span.badge.new", {}, "new");
  const moved = changes?.moved.get(result.id) ?? 0;
  if (moved) return element("span.badge", {}, `${moved > 0 ? "↑" : "↓"} ${Math.abs(moved)}`);
  if (result.same.length) return element("span.badge", {}, `+${result.same.length} alike`);
  return null;
}

/** Arrows walk through the cards; where a row ends is what the layout says. */
function move(/** @type {HTMLElement} */ list, /** @type {KeyboardEvent} */ event) {
  const cards = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("button.card")]);
  const at = cards.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  if (at < 0) return;
  const top = cards[0].offsetTop;
  const second = cards.findIndex((each) => each.offsetTop > top);
  const across = second < 0 ? cards.length : second;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across };
  const key = /** @type {keyof typeof steps} */ (event.key);
  const next = event.key === "Home" ? 0 : event.key === "End" ? cards.length - 1 : at + (steps[key] ?? 0);
  if (next === at) return;
  event.preventDefault();
  if (next < 0) document.getElementById("text")?.focus();
  else if (next < cards.length) {
    cards[at].tabIndex = -1;
    cards[next].tabIndex = 0;
    cards[next].focus();
  }
}

/** @param {number} count cards that are on their way */
export function skeletons(count) {
  const cards = Array.from({ length: count }, () => element("li", {}, element("span.card.skeleton")));
  return element("ol.grid", { "aria-hidden": "true" }, ...cards);
}
