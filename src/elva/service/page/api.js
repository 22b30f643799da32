/** The service, as the page speaks to it. */

const TOKEN = "elva-token";

/**
 * @typedef {{id: string, text: string | null, summary: string, metadata: Record<string, unknown>, image: boolean}} Item
 * @typedef {Item & {rank: number, score: number, likelihood: number | null, same: {id: string, score: number}[]}} Result
 * @typedef {{summary: string, results: Result[], folded: number, notes: string[], seconds: Record<string, number>, version: number}} Answer
 * @typedef {{name: string, values: [string | number | boolean, number][], low: number | null, high: number | null}} Facet
 */

/** What the service refused, or that it can't be reached. */
export class Problem extends Error {
  /**
   * @param {number} status 0 where nobody answered
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @type {(wrong: boolean) => Promise<string>} set by the page: asks a person for the token */
let askForToken = () => Promise.reject(new Problem(401, "a token is needed"));
/** @type {Promise<string> | null} one question, however many requests wait for its answer */
let asking = null;

/** @param {(wrong: boolean) => Promise<string>} ask */
export function whenTokenIsNeeded(ask) {
  askForToken = ask;
}

/**
 * @param {string} path
 * @param {{body?: unknown, signal?: AbortSignal}} [options] a body is posted as JSON
 * @returns {Promise<Response>}
 */
async function send(path, { body, signal } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  /** @type {Record<string, string>} */
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The service does not answer. Is it still running?");
  }
  if (response.status === 401) {
    if (token === sessionStorage.getItem(TOKEN)) {
      asking ??= askForToken(token !== null).finally(() => (asking = null));
      sessionStorage.setItem(TOKEN, await asking);
    }
    return send(path, { body, signal });
  }
  if (!response.ok) {
    const told = await response.json().catch(() => null);
    throw new Problem(response.status, told?.error?.message ?? `The service answered ${response.status}.`);
  }
  return response;
}

/**
 * @param {string} path
 * @param {{body?: unknown, signal?: AbortSignal}} [options]
 */
export async function ask(path, options) {
  return (await send(path, options)).json();
}

/**
 * Show an item's picture: directly, or, where a token is needed, by way of the memory.
 * @param {HTMLImageElement} image
 * @param {string} id
 * @param {"thumbnail" | "image"} kind
 */
export async function show(image, id, kind) {
  const path = `/items/${encodeURIComponent(id)}/${kind}`;
  if (!sessionStorage.getItem(TOKEN)) {
    image.src = path;
    return;
  }
  try {
    const url = URL.createObjectURL(await (await send(path)).blob());
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  } catch {
    image.dispatchEvent(new Event("error"));
  }
}
