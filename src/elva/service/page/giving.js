/** The ways in which a person gives the page a picture: picked, pasted or dropped. */

import { place } from "./dom.js";
import { fileIn } from "./pictures.js";

/** @param {(file: File | undefined) => void} take */
export function whenGiven(take) {
  place("pick").addEventListener("click", () => place("file").click());
  place("file").addEventListener("change", () => {
    const input = /** @type {HTMLInputElement} */ (place("file"));
    take(input.files?.[0]);
    input.value = "";
  });
  addEventListener("paste", (event) => {
    const file = fileIn(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    place("drop").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) place("drop").hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    place("drop").hidden = true;
    take(fileIn(event.dataTransfer));
  });
}
