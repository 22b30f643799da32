/** What is asked, as the address says it: so that links, reloading, back and forward work. */

/**
 * @typedef {Object} State
 * @property {string} text
 * @property {string} image hash of a picture that this page holds, or ""
 * @property {string[]} minus words
 * @property {string[]} like ids
 * @property {string[]} unlike ids
 * @property {Record<string, string[]>} chosen field -> its chosen values; of a number ["low..high"]
 * @property {string} where
 * @property {string} match
 * @property {boolean} hybrid whether words rank, too
 * @property {number} top
 * @property {boolean} rerank
 * @property {string} mask the grain that is left out, as "start-end", or ""
 * @property {string} item the result that is open, or ""
 */

export const STEP = 24;

/** @returns {State} */
export function nothing() {
  return {
    text: "",
    image: "",
    minus: [],
    like: [],
    unlike: [],
    chosen: {},
    where: "",
    match: "",
    hybrid: false,
    top: STEP,
    rerank: false,
    mask: "",
    item: "",
  };
}

/** @param {string} search the address behind its question mark */
export function read(search) {
  const said = new URLSearchParams(search);
  const state = nothing();
  state.text = said.get("q") ?? "";
  state.image = said.get("picture") ?? "";
  state.minus = said.getAll("minus");
  state.like = said.getAll("like");
  state.unlike = said.getAll("unlike");
  state.where = said.get("where") ?? "";
  state.hybrid = said.has("hybrid");
  state.match = said.get("match") ?? "";
  state.top = Math.min(200, Math.max(1, Number.parseInt(said.get("top") ?? "", 10) || STEP));
  state.rerank = said.has("rerank");
  state.mask = said.get("mask") ?? "";
  state.item = said.get("item") ?? "";
  for (const [key, value] of said) {
    if (key.startsWith("f.")) (state.chosen[key.slice(2)] ??= []).push(value);
  }
  return state;
}

/** @param {State} state */
export function written(state) {
  const said = new URLSearchParams();
  if (state.text) said.set("q", state.text);
  if (state.image) said.set("picture", state.image);
  for (const key of /** @type {const} */ (["minus", "like", "unlike"])) {
    for (const each of state[key]) said.append(key, each);
  }
  for (const [field, values] of Object.entries(state.chosen)) {
    for (const value of values) said.append(`f.${field}`, value);
  }
  if (state.where) said.set("where", state.where);
  if (state.match) said.set("match", state.match);
  if (state.hybrid) said.set("hybrid", "");
  if (state.top !== STEP) said.set("top", String(state.top));
  if (state.rerank) said.set("rerank", "");
  if (state.mask) said.set("mask", state.mask);
  if (state.item) said.set("item", state.item);
  const text = said.toString();
  return text ? `/?${text}` : "/";
}

/** @param {State} state whether it asks for anything */
export function asks(state) {
  return Boolean(state.text.trim() || state.image || state.like.length);
}

/**
 * The part of a state that decides the results; what else changes needs no new search.
 * @param {State} state
 */
export function question(state) {
  return written({ ...state, mask: "", item: "" });
}

/**
 * The condition that the chosen values and the typed one make together.
 * @param {State} state
 * @param {import("./api.js").Facet[]} facets
 */
export function condition(state, facets) {
  const parts = Object.entries(state.chosen).map(([field, values]) => {
    const facet = facets.find((each) => each.name === field);
    const name = quoted(field);
    if (values.length === 1 && facet && facet.low !== null) {
      const [low, high] = values[0].split("..");
      return [low && `${name} >= ${Number(low)}`, high && `${name} <= ${Number(high)}`].filter(Boolean).join(" and ");
    }
    const literals = values.map((value) => {
      const known = facet?.values.find(([each]) => String(each) === value)?.[0];
      return known === undefined || typeof known === "string" ? quoted(value) : value;
    });
    return `${name} in (${literals.join(", ")})`;
  });
  if (state.where.trim()) parts.push(parts.length ? `(${state.where})` : state.where);
  return parts.filter(Boolean).join(" and ");
}

/** @param {string} text */
function quoted(text) {
  return `"${text.replaceAll('"', '""')}"`;
}
