/** Pictures that a person gave to search with. They stay in this page; the address holds only their hash. */

/** @typedef {{hash: string, name: string, url: string, data: string}} Picture data: as a data URL */

/** @type {Map<string, Picture>} */
const held = new Map();

/** @param {string} hash */
export function picture(hash) {
  return held.get(hash);
}

/**
 * @param {File} file
 * @param {number} most bytes that a request may have
 * @returns {Promise<Picture>} rejected with a sentence where the file can't be searched with
 */
export async function hold(file, most) {
  if (!file.type.startsWith("image/")) throw new Error(`${file.name || "That"} is no picture.`);
  if (file.size * 1.4 > most) {
    throw new Error(`${file.name || "The picture"} is too large: ${Math.floor(most / 1.4e6)} MB is the most.`);
  }
  const hash = await digest(await file.arrayBuffer());
  const made = { hash, name: file.name || "pasted picture", url: URL.createObjectURL(file), data: await read(file) };
  held.set(hash, made);
  return made;
}

/** @param {ArrayBuffer} bytes */
async function digest(bytes) {
  // Browsers offer crypto.subtle on loopback and over https alone; elsewhere the hash only has to tell pictures apart.
  if (!crypto.subtle) return `${bytes.byteLength.toString(36)}-${Date.now().toString(36)}`;
  const digits = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 8);
  return [...digits].map((each) => each.toString(16).padStart(2, "0")).join("");
}

/** @param {File} file @returns {Promise<string>} */
function read(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error("The picture can't be read."));
    reader.readAsDataURL(file);
  });
}

/** @param {DataTransfer | null} from a drop or a paste @returns {File | undefined} */
export function fileIn(from) {
  return [...(from?.files ?? [])].find((each) => each.type.startsWith("image/")) ?? from?.files[0];
}
