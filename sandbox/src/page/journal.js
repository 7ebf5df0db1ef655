// The journal: a line for each request, the newest first.

import { admin, by, copyOf, time, write } from './tools.js';

const MAX_LINES = 500;
/** The lines of entries whose sent bytes are not known yet, by number. */
const open = new Map();
let lines = 0;

/** Connects the filter. */
export function startJournal() {
  by('struck-only').addEventListener('change', () => {
    by('journal').classList.toggle('only', by('struck-only').checked);
  });
}

/** Removes all lines. */
export function clearJournal() {
  open.clear();
  by('journal').replaceChildren();
  count();
}

/** Adds an entry at the top. The oldest line goes when there are too many. */
export function addEntry(entry) {
  const node = copyOf('entry-template');
  const find = (name) => node.querySelector(name);
  write(find('.at'), time(entry.at_ms));
  write(find('.method'), entry.method || '—');
  write(find('.path'), entry.path || 'what could not be read');
  find('.path').title = entry.path;
  for (const fault of entry.faults) {
    const chip = document.createElement('span');
    chip.className = 'chip';
    chip.textContent = fault;
    find('.chips').append(chip);
  }
  node.classList.toggle('struck', entry.faults.length > 0);
  // Status 0: the connection was reset before the request was read.
  write(find('.status'), entry.status === 0 ? '—' : String(entry.status));
  node.dataset.kind = String(Math.floor(entry.status / 100));
  size(node, entry);
  find('details').addEventListener('toggle', () => explain(node, entry), { once: true });
  by('journal').prepend(node);
  if (lines === MAX_LINES) by('journal').lastElementChild.remove();
  count();
}

/** Asks again for entries whose responses were not completely sent. */
export async function completeEntries() {
  for (const [number, { node, entry }] of [...open].slice(0, 5)) {
    const { entries } = await admin('GET', `journal?after=${number - 1}&limit=1`);
    const now = entries[0]?.number === number ? entries[0] : null;
    if (!now || !node.isConnected) {
      open.delete(number);
    } else if (now.sent_bytes !== null) {
      entry.sent_bytes = now.sent_bytes;
      open.delete(number);
      size(node, entry);
    }
  }
}

function size(node, entry) {
  if (entry.sent_bytes === null) open.set(entry.number, { node, entry });
  write(node.querySelector('.bytes'), entry.sent_bytes === null ? '…' : entry.sent_bytes.toLocaleString('en'));
}

function count() {
  lines = by('journal').childElementCount;
  write(by('journal-count'), lines === MAX_LINES ? `newest ${MAX_LINES}` : lines ? String(lines) : '');
  by('journal-none').hidden = lines > 0;
}

/** The details that are not on the line. */
function explain(node, entry) {
  const facts = [
    ['Number', entry.number],
    ['Path', entry.path],
    ['Virtual time', time(entry.at_ms)],
    ['Real time', new Date(entry.real_ms).toISOString().replace('T', ' ')],
    ['Job', entry.job_id],
    ['Key', entry.key],
    ['Idempotency key', entry.idempotency_key],
    ['Range', entry.range],
    ['Faults', entry.faults.join(', ')],
    ['Response', `${entry.answer_bytes.toLocaleString('en')} bytes of body`],
  ];
  for (const [name, value] of facts) {
    if (value === null || value === '') continue;
    const [term, told] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name;
    told.textContent = value;
    node.querySelector('.more').append(term, told);
  }
  for (const [selector, text] of [['.body', entry.body], ['.answer', entry.answer]]) {
    const body = node.querySelector(selector);
    body.hidden = text === '';
    body.textContent = text;
  }
}
