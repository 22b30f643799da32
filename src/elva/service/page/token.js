/** Asking a person for the token of the service. It is kept until the tab is closed. */

import { element } from "./dom.js";

/** @param {boolean} wrong whether the last one was not taken @returns {Promise<string>} */
export function tokenAsked(wrong) {
  return new Promise((resolve) => {
    const input = /** @type {HTMLInputElement} */ (
      element("input", { type: "password", autocomplete: "current-password", required: true, "aria-label": "Token", id: "token" })
    );
    const form = element(
      "form",
      {},
      element("h2", {}, "This search asks for a token"),
      element("p", {}, wrong ? "That one was not it." : "Whoever runs it can give you one."),
      input,
      element("button.go", { type: "submit" }, "Go on"),
    );
    const dialog = /** @type {HTMLDialogElement} */ (element("dialog.token", {}, form));
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.remove();
      resolve(input.value.trim());
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}
