"use strict";

// Data come as text and stay text: nothing of a query becomes markup.

const page = JSON.parse(document.getElementById("page").textContent);
const storageKey = `elva-mrbench-review-${page.key}`;
const byId = (id) => document.getElementById(id);
const state = { reviewer: "", at: 0, decisions: {} }; // place of a sample -> whether it is accepted

function make(tag, attributes, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content.filter((each) => each !== null && each !== ""));
  return element;
}

function tell(trouble) {
  byId("trouble").textContent = trouble;
  byId("trouble").hidden = !trouble;
}

// -- what is kept ------------------------------------------------------------------------------------------------

function keep() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(state));
  } catch {
    tell("This browser keeps nothing for this page: save your decisions before you close it.");
  }
}

function recall() {
  try {
    Object.assign(state, JSON.parse(localStorage.getItem(storageKey) ?? "{}"));
  } catch {
    tell("This browser keeps nothing for this page: save your decisions before you close it.");
  }
}

function save() {
  const reviewer = state.reviewer.trim();
  if (!reviewer) {
    tell("Write your name first: it tells your decisions from those of others.");
    byId("reviewer").focus();
    return;
  }
  tell("");
  const decisions = Object.entries(state.decisions).map(([place, accepted]) => {
    const { qid, shown } = page.samples[place];
    return { qid, shown, accepted };
  });
  const content = `${JSON.stringify({ schema: page.schema, reviewer, decisions }, null, 1)}\n`;
  const address = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  const plain = reviewer.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-");
  make("a", { href: address, download: `decisions-${plain}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// -- what is shown -----------------------------------------------------------------------------------------------

const colour = (kind) => `k${1 + (page.kinds.indexOf(kind) % 7)}`;

function marked(text, grains) {
  const parts = [];
  let end = 0;
  const placed = grains.filter((grain) => grain.span).sort((a, b) => a.span[0] - b.span[0]);
  const characters = [...text]; // spans count characters, not halves of some
  for (const { kind, span } of placed) {
    if (span[0] < end) continue;
    parts.push(characters.slice(end, span[0]).join(""));
    parts.push(make("mark", { class: colour(kind), title: kind }, characters.slice(...span).join("")));
    end = span[1];
  }
  return make("p", { class: "text" }, ...parts, characters.slice(end).join(""));
}

function picture(source, what) {
  return source ? make("img", { src: source, alt: what }) : null;
}

function showSample() {
  const sample = page.samples[state.at];
  const chips = sample.grains.map((grain) =>
    make("li", { class: colour(grain.kind) }, make("small", {}, grain.kind), grain.text));
  const answers = sample.answers.flatMap(({ text, image }) => [
    picture(image, "picture of the answer"), text ? make("p", { class: "text" }, text) : null]);
  const more = sample.more ? make("p", { class: "note" }, `and ${sample.more} more right answers`) : null;
  byId("sample").replaceChildren(
    make("p", { class: "what" }, make("span", {}, `Sample ${state.at + 1} of ${page.samples.length}`),
      make("span", {}, sample.task), make("span", {}, sample.qid), make("span", {}, sample.instruction ?? "")),
    make("section", {}, make("h2", {}, "Query"), picture(sample.image, "picture of the query"),
      sample.text ? marked(sample.text, sample.grains) : null, make("ul", { class: "grains" }, ...chips)),
    make("section", {}, make("h2", {}, sample.answers.length > 1 ? "Right answers" : "Right answer"), ...answers, more),
  );
}

function showState() {
  const verdict = state.decisions[state.at];
  byId("accept").setAttribute("aria-pressed", verdict === true);
  byId("reject").setAttribute("aria-pressed", verdict === false);
  byId("back").disabled = state.at === 0;
  byId("next").disabled = state.at === page.samples.length - 1;
  const decided = Object.values(state.decisions);
  const accepted = decided.filter(Boolean).length;
  const done = decided.length === page.samples.length ? "All decided: save them. " : "";
  byId("progress").textContent =
    `${done}${decided.length} of ${page.samples.length} decided, ${accepted} accepted, ${decided.length - accepted} rejected`;
  byId("save").disabled = !decided.length;
  byId("all").replaceChildren(...page.samples.map((sample, place) => {
    const each = state.decisions[place];
    const word = each === undefined ? "undecided" : each ? "accepted" : "rejected";
    const sign = each === undefined ? "" : each ? "✓" : "×";
    const button = make("button", {
      type: "button", class: word, "aria-label": `sample ${place + 1}, ${word}`, "aria-current": place === state.at }, sign);
    button.addEventListener("click", () => goTo(place));
    return make("li", {}, button);
  }));
}

function goTo(place) {
  state.at = Math.max(0, Math.min(page.samples.length - 1, place));
  keep();
  showSample();
  showState();
  scrollTo(0, 0);
}

function decide(accepted) {
  state.decisions[state.at] = accepted;
  const places = [...page.samples.keys()];
  const open = [...places.slice(state.at), ...places.slice(0, state.at)].find((place) => !(place in state.decisions));
  goTo(open ?? state.at);
}

// -- what is done ------------------------------------------------------------------------------------------------

const keys = { a: () => decide(true), r: () => decide(false), ArrowLeft: () => goTo(state.at - 1), ArrowRight: () => goTo(state.at + 1) };

byId("accept").addEventListener("click", keys.a);
byId("reject").addEventListener("click", keys.r);
byId("back").addEventListener("click", keys.ArrowLeft);
byId("next").addEventListener("click", keys.ArrowRight);
byId("save").addEventListener("click", save);
byId("reviewer").addEventListener("input", (event) => {
  state.reviewer = event.target.value;
  keep();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target === byId("reviewer");
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !(key in keys)) return;
  event.preventDefault();
  keys[key]();
});

recall();
byId("reviewer").value = state.reviewer;
goTo(state.at);
