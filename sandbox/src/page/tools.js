// Helpers of all parts of the page. Text from outside (prompts, paths, names) becomes text, never markup.

export const by = (id) => document.getElementById(id);

/** A copy of the first element of a template. */
export const copyOf = (id) => by(id).content.firstElementChild.cloneNode(true);

/** Writes a text if it differs, so that an equal text is not announced or painted again. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The namespace that the page shows. It is part of the address, for bookmarks. */
const named = new URLSearchParams(location.search).get('namespace') ?? '';
export const space = {
  name: /^[\w.-]{1,64}$/.test(named) ? named : 'default',
  apiKey: '',
  key: '',
};

/** Sends a request to the sandbox. Throws the error that it reports. */
export async function ask(method, path, { body, headers = {} } = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
    // A fault may hold a response back.
    signal: AbortSignal.timeout(20_000),
  });
  const text = await answer.text();
  let told = null;
  try {
    told = JSON.parse(text);
  } catch {
    // A fault may answer with any bytes.
  }
  if (!answer.ok || told === null) {
    const error = told?.error;
    throw new Error(error ? `${answer.status} ${error.code}: ${error.message}` : `${answer.status}, and no JSON`);
  }
  return told;
}

/** Sends a request to the admin API, about the namespace that is shown. */
export function admin(method, path, body) {
  const mark = path.includes('?') ? '&' : '?';
  return ask(method, `/_sandbox/${path}${mark}namespace=${encodeURIComponent(space.name)}`, { body });
}

/** Sends a request as a program does, with an API key: it is in the journal, and faults apply to it. */
export function call(method, path, body) {
  return ask(method, path, { body, headers: { authorization: `Bearer ${space.apiKey}` } });
}

/** The text of an error of a request. */
export function wrong(error) {
  if (error.name === 'TimeoutError') return 'no response within 20 seconds';
  // fetch only says that it failed.
  return error instanceof TypeError ? 'no usable answer: the connection broke, or was led elsewhere' : error.message;
}

/** Shows a message under a form. */
export function say(output, text, bad = false) {
  output.classList.toggle('wrong', bad);
  output.textContent = text;
}

/** Announces a change to screen readers. */
export function announce(text) {
  by('announced').textContent = text;
}

/** Virtual milliseconds as h:mm:ss. */
export function time(ms) {
  const seconds = Math.floor(ms / 1000);
  const two = (number) => String(number).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const plural = (count, word) => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
