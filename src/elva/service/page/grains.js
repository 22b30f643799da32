/** The grain inspector: the query's words, and under each how far the embedding moves without it. */

import { element } from "./dom.js";

/**
 * @typedef {Object} Grain
 * @property {string} kind
 * @property {string} text
 * @property {[number, number] | null} span in characters of the explained text
 * @property {string | null} masked_txt
 * @property {number} distance
 * @property {number | null} ratio over that of other words for the same
 * @property {boolean | null} ignored it moves the query no farther than other words do on average
 * @property {boolean | null} heard it moves the query farther than any of the other words
 * @property {number | null} overlap share of the first results that stay
 *
 * @typedef {{text: string, picture_cosine: number | null, paraphrase_distance: number | null, rewordings: unknown[], grains: Grain[], grains_not_tried: number}} Explanation
 */

/** Pixels of the longest bar. */
const LONGEST = 52;

/** Nats: words that are so many times less probable behind a result than behind the others, it lacks. */
const LACKING = Math.log(4);

/**
 * What a result lacks, and has, beside the other results.
 * @param {Grain[]} grains
 * @param {(number | null)[]} nats of each grain
 */
export function verdicts(grains, nats) {
  const of = (/** @type {(nats: number) => boolean} */ is, /** @type {string} */ kind) =>
    grains
      .map((grain, at) => ({ grain, nats: nats[at] }))
      .filter((each) => each.nats !== null && is(/** @type {number} */ (each.nats)))
      .map((each) => element(`span.verdict.${kind}`, { title: `${each.nats?.toFixed(1)} nats` }, each.grain.text));
  const [lacks, has] = [of((each) => each < -LACKING, "lacks"), of((each) => each > LACKING, "has")];
  const row = (/** @type {string} */ name, /** @type {HTMLElement[]} */ words) =>
    words.length ? element("p", {}, element("em", {}, name), " ", ...words) : null;
  const rows = [row("lacks", lacks), row("has", has)].filter((each) => each !== null);
  return rows.length ? [element("h2", {}, "Beside the other results it"), ...rows] : [];
}

/** @param {Grain} grain how a state names it */
export function maskOf(grain) {
  return grain.span ? grain.span.join("-") : grain.kind;
}

/**
 * @param {Explanation} explained
 * @param {string} masked the grain that is left out, or ""
 * @param {(mask: string) => void} choose
 * @returns {HTMLElement[]}
 */
export function inspector(explained, masked, choose) {
  const usual = explained.paraphrase_distance;
  const longest = Math.max(...explained.grains.map((each) => each.distance), usual ?? 0, 1e-6);
  const scale = (/** @type {number} */ distance) => Math.round((LONGEST * Math.max(0, distance)) / longest);
  const line = element("p.hearing");
  line.style.setProperty("--longest", `${LONGEST}px`);
  line.style.setProperty("--usual", `${usual === null ? -10 : scale(usual)}px`);
  // Positions count characters; strings of JavaScript count halves of some.
  const letters = [...explained.text];
  let at = 0;
  for (const grain of explained.grains) {
    if (grain.span) {
      words(line, letters.slice(at, grain.span[0]).join(""));
      at = grain.span[1];
    }
    line.append(column(grain, grain.span ? letters.slice(...grain.span).join("") : grain.text, scale, masked, choose));
    if (!grain.span) line.append(" ");
  }
  words(line, letters.slice(at).join(""));
  return [line, element("p.legend", {}, ...legend(explained, masked))];
}

/** @param {HTMLElement} line @param {string} between words that are no grain */
function words(line, between) {
  for (const word of between.split(/\s+/).filter(Boolean)) line.append(element("span.still", {}, word));
}

/** @param {Grain} grain @param {string} text @param {(distance: number) => number} scale @param {string} masked @param {(mask: string) => void} choose */
function column(grain, text, scale, masked, choose) {
  const bar = element("i.length");
  bar.style.blockSize = `${Math.max(2, scale(grain.distance))}px`;
  const mask = maskOf(grain);
  const says = `${text}: ${sentence(grain)}`;
  const made = element(
    "button.grain",
    {
      type: "button",
      title: says,
      "aria-label": says,
      "aria-pressed": String(mask === masked),
      onclick: () => choose(mask === masked ? "" : mask),
    },
    element("span.word", {}, text),
    element("span.depth", {}, bar),
    grain.ignored ? element("small", {}, "ignored") : grain.heard === false ? element("small.doubt", {}, "in doubt") : null,
  );
  if (grain.ignored) made.classList.add("ignored");
  else if (grain.heard === false) made.classList.add("doubtful");
  return made;
}

/** @param {Grain} grain */
function sentence(grain) {
  const far = `leaving it out moves the query by ${grain.distance.toFixed(3)}`;
  const beside =
    grain.ratio === null ? "" : `, ${grain.ratio < 10 ? grain.ratio.toFixed(1) : Math.round(grain.ratio)} times what other words for the same do`;
  const change = grain.overlap === null ? "" : `; ${Math.round(100 * (1 - grain.overlap))} % of the first results change`;
  return `${far}${beside}${change}${grain.ignored ? ". The model ignores it" : grain.heard === false ? ". Some other words move it as far: in doubt" : ""}`;
}

/** @param {Explanation} explained @param {string} masked */
function legend(explained, masked) {
  const grain = explained.grains.find((each) => maskOf(each) === masked);
  if (grain) return [element("b", {}, grain.text), ` is left out: ${sentence(grain)}.`];
  const ignored = explained.grains.filter((each) => each.ignored).length;
  const parts = ["Bars: how far the query moves without the word. "];
  if (explained.paraphrase_distance === null) parts.push("It could not be said in other words, to compare with. ");
  else {
    parts.push("Dashes: how far it moves, on average, in other words. ");
    const doubtful = explained.grains.filter((each) => !each.ignored && each.heard === false).length;
    const verdicts = [ignored && `${ignored} ignored`, doubtful && `${doubtful} in doubt`].filter(Boolean);
    parts.push(verdicts.length ? `${verdicts.join(", ")}. ` : "All are heard. ");
  }
  if (explained.grains_not_tried) parts.push(`${explained.grains_not_tried} more were not tried. `);
  if (explained.picture_cosine !== null) parts.push("These are the model's own words for the picture. ");
  parts.push("Click a word to leave it out.");
  return parts;
}
