/** Filters made from the fields of the index, and the options beside them. */

import { element } from "./dom.js";
import { label } from "./fields.js";

/** @typedef {import("./api.js").Facet} Facet @typedef {import("./state.js").State} State */

/**
 * @param {{facets: Facet[], can_rerank: boolean, fields: string[]}} about
 * @param {State} state
 * @param {(change: Partial<State>) => void} change asks anew
 * @param {{on: boolean, set: (on: boolean) => void} | null} hearing whether grains are inspected; null where they can't be
 * @returns {HTMLElement[]}
 */
export function filters(about, state, change, hearing) {
  const names = about.facets.map((facet) => facet.name);
  const made = about.facets.map((facet) => menu(facet, label(facet.name, names), state, change));
  made.push(more(about, state, change));
  if (hearing) made.push(toggle("Show what is heard", hearing.on, hearing.set));
  made.push(toggle("By words, too", state.hybrid, (hybrid) => change({ hybrid })));
  if (about.can_rerank) made.push(toggle("Rerank", state.rerank, (rerank) => change({ rerank })));
  return made;
}

/** @param {Facet} facet @param {string} label @param {State} state @param {(change: Partial<State>) => void} change */
function menu(facet, label, state, change) {
  const chosen = state.chosen[facet.name] ?? [];
  /** @param {string[]} values */
  const choose = (values) => {
    const { [facet.name]: _, ...rest } = state.chosen;
    change({ chosen: values.length ? { ...rest, [facet.name]: values } : rest });
  };
  const content = facet.low === null ? values(facet, chosen, choose) : range(facet, chosen, choose);
  return dropdown(facet.name, label, chosen.map(shown).join(", "), content);
}

/** @param {string} value */
function shown(value) {
  const [low, high] = value.split("..");
  if (high === undefined) return value;
  return low && high ? `${low} – ${high}` : low ? `from ${low}` : `to ${high}`;
}

/** @param {Facet} facet @param {string[]} chosen @param {(values: string[]) => void} choose */
function values(facet, chosen, choose) {
  const rows = facet.values.map(([value, count]) => {
    const name = String(value);
    const box = element("input", {
      type: "checkbox",
      checked: chosen.includes(name),
      onchange: () => choose(chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name]),
    });
    return element("label", {}, box, element("span", {}, name), element("small", {}, count.toLocaleString("en")));
  });
  return element("div.values", {}, ...rows);
}

/** @param {Facet} facet @param {string[]} chosen @param {(values: string[]) => void} choose */
function range(facet, chosen, choose) {
  const [low, high] = (chosen[0] ?? "..").split("..");
  const field = (/** @type {string} */ name, /** @type {string} */ value, /** @type {number | null} */ hint) =>
    /** @type {HTMLInputElement} */ (
      element("input", { type: "number", step: "any", value, placeholder: hint ?? "", "aria-label": `${facet.name} ${name}` })
    );
  const [from, to] = [field("from", low, facet.low), field("to", high, facet.high)];
  const apply = () => choose(from.value || to.value ? [`${from.value}..${to.value}`] : []);
  for (const each of [from, to]) each.addEventListener("change", apply);
  return element("div.range", {}, from, "–", to);
}

/** @param {{fields: string[]}} about @param {State} state @param {(change: Partial<State>) => void} change */
function more(about, state, change) {
  const match = /** @type {HTMLInputElement} */ (element("input", { value: state.match, placeholder: "leather" }));
  const example = about.fields.length ? `${about.fields[0].includes(" ") ? `"${about.fields[0]}"` : about.fields[0]} = …` : "";
  const where = /** @type {HTMLInputElement} */ (
    element("input", { value: state.where, placeholder: example, spellcheck: "false", autocapitalize: "off" })
  );
  match.addEventListener("change", () => change({ match: match.value.trim() }));
  where.addEventListener("change", () => change({ where: where.value.trim() }));
  const content = element(
    "div.more",
    {},
    element("label", {}, "Words that must occur", match),
    element("label", {}, "Condition", where),
  );
  return dropdown("More", "More", [state.match && `“${state.match}”`, state.where].filter(Boolean).join(", "), content);
}

/** @param {string} name @param {string} label @param {string} chosen @param {HTMLElement} content */
function dropdown(name, label, chosen, content) {
  const made = /** @type {HTMLDetailsElement} */ (
    element(
      "details.menu",
      { name: "filters", "data-name": name, "data-chosen": Boolean(chosen) },
      element("summary", {}, label, chosen ? element("b", {}, chosen) : null),
      content,
    )
  );
  made.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target instanceof HTMLInputElement) {
      event.preventDefault(); // it would send the query as it was
      event.target.blur();
    }
    if (event.key !== "Escape" || !made.open) return;
    event.stopPropagation();
    made.open = false;
    made.querySelector("summary")?.focus();
  });
  return made;
}

/** @param {string} name @param {boolean} on @param {(on: boolean) => void} set */
function toggle(name, on, set) {
  const box = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", checked: on }));
  box.addEventListener("change", () => set(box.checked));
  return element("label.toggle", {}, box, name);
}
