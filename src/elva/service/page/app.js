/** The page: one state, which the address holds; whatever changes it is shown anew. */

import { ask, Problem, whenTokenIsNeeded } from "./api.js";
import { chips } from "./chips.js";
import { counted, element, place } from "./dom.js";
import { filters } from "./filters.js";
import { whenGiven } from "./giving.js";
import { grid, skeletons } from "./grid.js";
import { inspector, maskOf, verdicts } from "./grains.js";
import { addNote, noResults, problem, reason, say } from "./messages.js";
import { closePanel, openPanel } from "./panel.js";
import { hold, picture } from "./pictures.js";
import { start } from "./start.js";
import { asks, condition, nothing, question, read, STEP, written } from "./state.js";
import { tokenAsked } from "./token.js";

/** @typedef {import("./state.js").State} State @typedef {import("./api.js").Answer} Answer @typedef {import("./api.js").Item} Item */
/** @typedef {{question: string, answer: Answer | null, explained: import("./grains.js").Explanation | null, lacking?: Promise<Map<string, (number | null)[]>>}} Shown */

/** Queries of more characters are inspected only once they are shorter: each grain costs a query. */
const INSPECTED = 400;

/** @type {any} */
let about = null;
let state = read(location.search);
/** @type {Shown} what is on the page */
let shown = { question: "", answer: null, explained: null };
let asking = new AbortController();

const text = /** @type {HTMLInputElement} */ (place("text"));
const results = place("results");

// -- changing the state ----------------------------------------------------------------------------------------------

/** @param {Partial<State>} change @param {boolean} [replaces] the last step of the history */
function go(change, replaces = false) {
  const next = { ...state, ...change };
  if (question(next) !== question(state)) {
    next.text = change.text ?? text.value.trim(); // words that were typed and not sent are meant, too
    next.mask = change.mask ?? "";
    next.item = change.item ?? "";
    next.top = change.top ?? STEP;
  }
  state = next;
  history[replaces ? "replaceState" : "pushState"](null, "", written(state));
  update();
}

addEventListener("popstate", () => {
  state = read(location.search);
  update();
});

// -- showing the state -----------------------------------------------------------------------------------------------

async function update() {
  if (!about) return; // it comes, and then this is called again
  text.value = state.text;
  document.title = state.text ? `${state.text} – ELVA` : "ELVA";
  showChips();
  showTools();
  if (!asks(state)) return showStart();
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    if (question(state) !== shown.question || !shown.answer) await search(signal);
    await showAnswer(signal);
    await showItem(signal);
    if (!shown.explained) await explain(signal);
  } catch (error) {
    if (!signal.aborted) showProblem(error);
  }
}

/** @param {State} asked */
function body(asked) {
  const held = asked.image ? picture(asked.image) : null;
  if (asked.image && !held) {
    throw new Problem(404, "This link was made with a picture that stayed on the page it was made on. Add the picture again.");
  }
  return {
    text: asked.text.trim() || null,
    image: held ? held.data : null,
    minus: asked.minus,
    like: asked.like,
    unlike: asked.unlike,
    where: condition(asked, about.facets) || null,
    match: asked.match || null,
    hybrid: asked.hybrid && Boolean(asked.text.trim()),
    top: asked.top,
    rerank: asked.rerank ? Math.min(200, Math.max(50, asked.top)) : null,
  };
}

/** @param {AbortSignal} signal */
async function search(signal) {
  const wanted = question(state);
  shown = { question: wanted, answer: null, explained: null };
  closePanel();
  place("grains").hidden = true;
  place("reading").hidden = true;
  say("");
  results.setAttribute("aria-busy", "true");
  // A quick answer needs no skeletons: they would only flicker.
  const late = setTimeout(() => results.replaceChildren(skeletons(12)), 120);
  try {
    const answer = await ask("/search", { body: body(state), signal });
    shown.answer = answer;
    if (answer.version !== about.version) learn(await ask("/about", { signal })); // something was indexed meanwhile
  } finally {
    clearTimeout(late);
    results.removeAttribute("aria-busy");
  }
}

/** @param {AbortSignal} signal */
async function showAnswer(signal) {
  const answer = /** @type {Answer} */ (shown.answer);
  const reading = place("reading");
  reading.hidden = !answer.summary;
  reading.replaceChildren("The model reads your query as ", element("q", {}, answer.summary));
  showGrains();
  const grain = state.mask && shown.explained?.grains.find((each) => maskOf(each) === state.mask);
  if (grain) return showMasked(answer, grain, signal);
  const seconds = Object.values(answer.seconds).reduce((sum, each) => sum + each, 0);
  const folded = answer.folded ? `, ${counted(answer.folded, "near-duplicate")} folded` : "";
  say(`${counted(answer.results.length, "result")}${folded} · ${seconds.toFixed(2)} s`, answer.notes);
  if (!answer.results.length) return results.replaceChildren(noResults(filtered() ? unfilter : null));
  results.replaceChildren(grid(answer.results, open, null), moreButton(answer));
}

/** @param {Answer} answer @param {import("./grains.js").Grain} grain @param {AbortSignal} signal */
async function showMasked(answer, grain, signal) {
  const asked = { ...state, text: grain.span ? (grain.masked_txt ?? "") : state.text, image: grain.span ? state.image : "" };
  /** @type {Answer} */
  const now = await ask("/search", { body: body(asked), signal });
  const before = new Map(answer.results.map((each) => [each.id, each.rank]));
  const stays = new Set(now.results.map((each) => each.id));
  const entered = new Set([...stays].filter((id) => !before.has(id)));
  const moved = new Map(now.results.map((each) => [each.id, (before.get(each.id) ?? each.rank) - each.rank]));
  const left = answer.results.filter((each) => !stays.has(each.id));
  say(`Without “${grain.text}”: ${counted(entered.size, "result")} of ${now.results.length} new`, now.notes);
  const gone = element("section.gone", {}, element("h2", {}, "No longer here"), grid(left, open, null));
  results.replaceChildren(grid(now.results, open, { entered, moved }), left.length ? gone : "");
}

/** @param {AbortSignal} signal */
async function explain(signal) {
  const words = state.text.trim();
  if (!about.can_explain || !hears() || words.length > INSPECTED || !(words || state.image)) return;
  const { text, image } = body(state);
  const of = shown;
  try {
    of.explained = await ask("/explain", { body: { text, image, top: 10 }, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    // A query without grains is told by nothing; the results stand whatever else went wrong.
    if (!(error instanceof Problem && error.status === 422)) addNote(`What is heard could not be told: ${reason(error)}`);
    return;
  }
  if (of !== shown) return;
  if (state.mask) await showAnswer(signal);
  else showGrains();
  if (state.item) await showLacking(state.item);
}

function showGrains() {
  const section = place("grains");
  section.hidden = !shown.explained || !hears();
  if (shown.explained) section.replaceChildren(...inspector(shown.explained, state.mask, (mask) => go({ mask })));
}

/** @param {Item} item */
function open(item) {
  go({ item: item.id });
}

/** @param {AbortSignal} [signal] */
async function showItem(signal) {
  if (!state.item) {
    for (const card of results.querySelectorAll("[aria-current]")) card.removeAttribute("aria-current");
    return closePanel();
  }
  const found = shown.answer?.results.find((each) => each.id === state.item);
  for (const card of results.querySelectorAll("button.card")) {
    card.setAttribute("aria-current", String(/** @type {HTMLElement} */ (card).dataset.id === state.item));
  }
  const item = found ?? (await ask(`/items/${encodeURIComponent(state.item)}`, { signal }));
  openPanel(item, {
    from: (each) => go({ ...nothing(), chosen: state.chosen, where: state.where, like: [each.id] }),
    add: (each) => go({ like: [...new Set([...state.like, each.id])], item: "" }),
    without: (each) => go({ unlike: [...new Set([...state.unlike, each.id])], item: "" }),
    open: (id) => go({ item: id }),
    close: shut,
  });
  await showLacking(item.id);
}

/**
 * What the open result lacks beside the others: asked once for all of them, when the first one is opened.
 * @param {string} id
 */
async function showLacking(id) {
  const { explained, answer } = shown;
  const grains = explained?.grains.filter((each) => each.span) ?? [];
  const ids = answer?.results.slice(0, STEP).map((each) => each.id) ?? [];
  if (!about.can_lack || !hears() || !grains.length || ids.length < 2 || !ids.includes(id)) return;
  shown.lacking ??= ask("/lacking", { body: { text: explained?.text, spans: grains.map((each) => each.span), ids } }).then(
    ({ nats }) => new Map(ids.map((each, at) => [each, nats[at]])),
  );
  try {
    const nats = (await shown.lacking).get(id);
    if (nats && state.item === id) place("beside").replaceChildren(...verdicts(grains, nats));
  } catch (error) {
    shown.lacking = undefined; // opening another result asks again
    if (state.item === id) place("beside").replaceChildren(`What it lacks could not be told: ${reason(error)}`);
  }
}

function shut() {
  const { item } = state;
  go({ item: "" });
  /** @type {HTMLElement | null} */ (results.querySelector(`[data-id="${CSS.escape(item)}"]`))?.focus();
}

// -- the parts of the page -------------------------------------------------------------------------------------------

function showChips() {
  place("chips").replaceChildren(...chips(state, go));
  text.placeholder = state.image || state.like.length ? "… and, in words" : "What are you looking for?";
}

function showTools() {
  const focused = document.activeElement?.closest("details")?.dataset.name;
  const without = /** @type {HTMLInputElement} */ (
    element("input.without", { "aria-label": "What results should be without", placeholder: "without …", enterkeyhint: "done" })
  );
  without.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const words = without.value.trim();
    if (words) go({ text: text.value, minus: [...new Set([...state.minus, words])] });
  });
  const hearing = about?.can_explain ? { on: hears(), set: hear } : null;
  place("tools").replaceChildren(without, ...(about ? filters(about, state, go, hearing) : []));
  const menu = /** @type {HTMLDetailsElement | undefined} */ (
    [...place("tools").querySelectorAll("details")].find((each) => each.dataset.name === focused)
  );
  if (menu) {
    menu.open = true; // more than one value may be wanted
    menu.querySelector("summary")?.focus();
  }
}

function hears() {
  return localStorage.getItem("elva-hear") !== "no";
}

/** @param {boolean} on */
function hear(on) {
  localStorage.setItem("elva-hear", on ? "yes" : "no");
  if (on) update();
  else go({ mask: "" }, true);
}

function showStart() {
  asking.abort();
  shown = { question: "", answer: null, explained: null };
  for (const id of ["reading", "grains"]) place(id).hidden = true;
  say("");
  results.replaceChildren(...start(about, go));
  closePanel();
}

function filtered() {
  return Boolean(Object.keys(state.chosen).length || state.where || state.match);
}

function unfilter() {
  go({ chosen: {}, where: "", match: "" });
}

/** @param {Answer} answer */
function moreButton(answer) {
  if (answer.results.length < state.top || state.top >= about.top) return "";
  return element("button.next", { type: "button", onclick: () => go({ top: Math.min(about.top, state.top + STEP) }, true) }, "Show more");
}

/** @param {unknown} error */
function showProblem(error) {
  say("");
  const again = () => {
    shown = { question: "", answer: null, explained: null };
    update();
  };
  results.replaceChildren(problem(error, again));
}

// -- what a person does ----------------------------------------------------------------------------------------------

place("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (question({ ...state, text: text.value }) === question(state)) shown.question = ""; // asked again on purpose
  go({ text: text.value.trim() });
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown") return;
  event.preventDefault();
  /** @type {HTMLElement | null} */ (results.querySelector("button.card"))?.focus();
});
place("home").addEventListener("click", (event) => {
  event.preventDefault();
  go(nothing());
});
whenGiven(take);
place("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const theme = dark === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("elva-theme", theme);
});

addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement && event.target.type !== "checkbox";
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    text.focus();
    text.select();
  }
  if (event.key !== "Escape") return;
  if (state.item) shut();
  else if (state.mask) go({ mask: "" });
  else text.blur();
});
addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (event.target instanceof Node && document.contains(event.target) && !menu.contains(event.target)) {
      /** @type {HTMLDetailsElement} */ (menu).open = false;
    }
  }
});

/** @param {File | undefined} file */
async function take(file) {
  if (!file) return;
  try {
    const held = await hold(file, about?.body ?? Infinity);
    go({ text: text.value.trim(), image: held.hash });
  } catch (error) {
    say(reason(error));
  }
}

// -- beginning -------------------------------------------------------------------------------------------------------

/** @param {any} told */
function learn(told) {
  about = told;
  place("about").textContent = `${about.name} · ${counted(about.items, "item")} · ${about.model}`;
  showTools();
}

async function begin() {
  whenTokenIsNeeded(tokenAsked);
  try {
    learn(await ask("/about"));
  } catch (error) {
    return showProblem(error);
  }
  if (!state.text && text.value.trim()) state.text = text.value.trim(); // somebody was quicker
  update();
  if (!asks(state)) text.focus({ preventScroll: true });
}

begin();
