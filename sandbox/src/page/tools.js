// What all parts of the page use. Text from outside (prompts, paths, names) only ever becomes text, never markup.

export const by = (id) => document.getElementById(id);

/** A template's first element, anew. */
export const copyOf = (id) => by(id).content.firstElementChild.cloneNode(true);

/** Writes a text where it differs: what is the same is not announced or repainted. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Which namespace the page shows; part of its address, so that it can be kept and handed on. */
const named = new URLSearchParams(location.search).get('namespace') ?? '';
export const space = {
  name: /^[\w.-]{1,64}$/.test(named) ? named : 'default',
  apiKey: '',
  key: '',
};

/** Asks the sandbox; fails with what it says is wrong. */
export async function ask(method, path, { body, headers = {} } = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
    // A fault may keep an answer back for ever.
    signal: AbortSignal.timeout(20_000),
  });
  const text = await answer.text();
  let told = null;
  try {
    told = JSON.parse(text);
  } catch {
    // Faults answer with anything.
  }
  if (!answer.ok || told === null) {
    const error = told?.error;
    throw new Error(error ? `${answer.status} ${error.code}: ${error.message}` : `${answer.status}, and no JSON`);
  }
  return told;
}

/** The admin API, about the namespace that is shown. */
export function admin(method, path, body) {
  const mark = path.includes('?') ? '&' : '?';
  return ask(method, `/_sandbox/${path}${mark}namespace=${encodeURIComponent(space.name)}`, { body });
}

/** A request as a program makes it, with the namespace's key: it is in the journal, and faults strike it. */
export function call(method, path, body) {
  return ask(method, path, { body, headers: { authorization: `Bearer ${space.apiKey}` } });
}

/** Why a request failed, in words. */
export function wrong(error) {
  if (error.name === 'TimeoutError') return 'no answer within 20 seconds';
  // Fetch says no more than that it failed.
  return error instanceof TypeError ? 'no usable answer: the connection broke, or was led elsewhere' : error.message;
}

/** Says something under a form. */
export function say(output, text, bad = false) {
  output.classList.toggle('wrong', bad);
  output.textContent = text;
}

/** Tells those who cannot see it what has changed. */
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
