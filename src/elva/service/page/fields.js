/** Metadata as rows: objects reached into by dots, as conditions name them. */

/**
 * @param {Record<string, unknown>} metadata
 * @param {string} [within]
 * @returns {[string, string][]} name and value of all that it says
 */
export function rows(metadata, within = "") {
  return Object.entries(metadata).flatMap(([key, value]) => {
    const name = within ? `${within}.${key}` : key;
    if (value === null || value === "") return [];
    if (Array.isArray(value)) {
      return [[name, value.map((each) => (typeof each === "object" ? JSON.stringify(each) : String(each))).join(", ")]];
    }
    return typeof value === "object" ? rows(/** @type {Record<string, unknown>} */ (value), name) : [[name, String(value)]];
  });
}

/**
 * A field's name for people: its last part, where that names no other field.
 * @param {string} name
 * @param {string[]} names of all fields beside it
 */
export function label(name, names) {
  const last = (/** @type {string} */ each) => each.slice(each.lastIndexOf(".") + 1);
  return last(name) && names.filter((each) => last(each) === last(name)).length === 1 ? last(name) : name;
}
