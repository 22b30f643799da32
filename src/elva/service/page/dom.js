/** Elements made in code. Words are always set as text: nothing that an index holds is read as HTML. */

/**
 * @param {string} tag name of the element, with classes behind dots: "p.note"
 * @param {Record<string, unknown>} [attributes] "on..." are listeners; true and false set and leave out
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * @param {string} id of an element that the page has
 * @returns {HTMLElement}
 */
export function place(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
