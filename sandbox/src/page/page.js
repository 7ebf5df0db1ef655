// The page. Its data come in one response (overview), which it asks for at most once a second and only while it is
// visible. The journal comes as server-sent events.

import { startFaults, showRules } from './page/faults.js';
import { clearJobs, moveJobs, showJobs } from './page/jobs.js';
import { addEntry, clearJournal, completeEntries, startJournal } from './page/journal.js';
import { admin, announce, by, call, say, space, time, wrong, write } from './page/tools.js';

const PAUSE = 1000;
/** The clock of the newest overview, and when that came. */
let clock = null;
let told = 0;
let stream = null;
let timer = 0;
let asking = false;
let again = false;
let trouble = '';
let ready = false;

// ---- Requests ----

/** Shows the namespace as it is now. */
async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  again = false;
  clearTimeout(timer);
  const [began, asked] = [performance.now(), space.name];
  let took = 0;
  try {
    const overview = await admin('GET', 'overview');
    took = performance.now() - began;
    if (asked === space.name) show(overview);
    await completeEntries();
    trouble = '';
  } catch (error) {
    trouble = wrong(error);
  }
  linked();
  asking = false;
  // A slow sandbox is busy: ask it less often.
  timer = setTimeout(tick, again ? 0 : Math.max(PAUSE, 10 * took));
}

function tick() {
  if (!document.hidden) refresh();
}

/** Follows the journal from its newest entries on. */
function follow() {
  stream?.close();
  const asked = `/_sandbox/events?namespace=${encodeURIComponent(space.name)}&newest=500`;
  const mine = new EventSource(asked);
  stream = mine;
  mine.onopen = () => {
    // Entries may have been missed, or belong to an earlier sandbox: begin with an empty list.
    clearJournal();
    linked();
    if (!ready) start();
  };
  mine.onmessage = ({ data }) => addEntry(JSON.parse(data));
  mine.onerror = () => {
    mine.close();
    linked();
    setTimeout(() => mine === stream && !document.hidden && follow(), PAUSE);
  };
}

/** A browser opens few connections to one host: a page that is not visible closes its own. */
function seen() {
  if (document.hidden) {
    stream?.close();
    linked();
  } else {
    follow();
    refresh();
  }
}

/** Shows whether the page reaches the sandbox. */
function linked() {
  const open = stream?.readyState === EventSource.OPEN;
  const state = document.hidden ? 'paused' : open && !trouble ? 'live' : 'lost';
  const words = { paused: 'paused while out of sight', live: 'live', lost: 'no connection, trying again' };
  by('link').dataset.state = state;
  write(by('link'), open && trouble ? trouble : words[state]);
}

// ---- Display ----

function show(overview) {
  if (clock && overview.clock.now_ms < clock.now_ms) follow(); // it was reset
  [clock, told] = [overview.clock, performance.now()];
  [space.apiKey, space.key] = [overview.api_key, overview.key];
  write(by('api-key'), overview.api_key);
  const { speed, frozen } = clock;
  write(by('pace'), frozen ? 'frozen' : `running at ${speed}×`);
  write(by('freeze'), frozen ? 'Run' : 'Freeze');
  for (const button of document.querySelectorAll('[data-speed]')) {
    button.setAttribute('aria-pressed', String(Number(button.dataset.speed) === speed));
  }
  write(by('credits'), overview.credits.toLocaleString('en'));
  write(by('credits-word'), overview.credits === 1 ? 'credit billed' : 'credits billed');
  showNamespaces(overview.namespaces);
  const total = overview.namespaces.find(({ namespace }) => namespace === space.name)?.jobs ?? 0;
  showJobs(overview.jobs, total, clock.now_ms);
  showRules(overview.rules);
  move();
}

function showNamespaces(namespaces) {
  const select = by('namespace');
  const names = namespaces.map(({ namespace }) => namespace);
  const shown = [...select.options].map((option) => option.value);
  // The list may be open: it is changed only if the namespaces have changed.
  if (names.join() === shown.slice(0, -1).join() && select.value === space.name) return;
  // No namespace has an empty name.
  select.replaceChildren(...names.map((name) => new Option(name, name)), new Option('Another…', ''));
  select.value = space.name;
}

/** Moves the parts that follow the virtual clock. */
function move() {
  if (!clock || document.hidden) return;
  const passed = clock.frozen ? 0 : (performance.now() - told) * clock.speed;
  const now = clock.now_ms + passed;
  write(by('now'), time(now));
  moveJobs(now);
}

// ---- Actions ----

function choose(name) {
  space.name = name;
  history.replaceState(null, '', name === 'default' ? '/' : `/?namespace=${encodeURIComponent(name)}`);
  clock = null;
  clearJobs();
  clearJournal();
  showRules([]);
  follow();
  refresh();
  announce(`Namespace ${name}`);
}

async function act(method, path, body) {
  try {
    await admin(method, path, body);
  } catch (error) {
    announce(wrong(error));
  }
  refresh();
}

async function submit() {
  const single = by('kind').value === 'single_slide';
  const body = { prompt: by('prompt').value, output_type: by('kind').value };
  if (single) body.variant_count = Number(by('variants').value);
  say(by('make-said'), 'Submitting…');
  try {
    const { job_id: id } = await call('POST', '/api/v1/generate', body);
    say(by('make-said'), `Accepted: ${id}`);
  } catch (error) {
    say(by('make-said'), wrong(error), true);
  }
  refresh();
}

async function copy(button) {
  const text = by(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(text.textContent);
    write(button, 'Copied');
    announce('Copied');
    setTimeout(() => write(button, 'Copy'), 1500);
  } catch {
    // The browser may forbid it. The user can copy the selected text.
    getSelection().selectAllChildren(text);
  }
}

function wire() {
  const on = (id, event, does) => by(id).addEventListener(event, does);
  for (const button of document.querySelectorAll('[data-advance]')) {
    const ms = Number(button.dataset.advance);
    button.addEventListener('click', () => act('POST', 'clock', { advance_ms: ms }));
  }
  for (const button of document.querySelectorAll('[data-speed]')) {
    const speed = Number(button.dataset.speed);
    button.addEventListener('click', () => act('POST', 'clock', { speed, frozen: false }));
  }
  for (const button of document.querySelectorAll('[data-copies]')) {
    button.addEventListener('click', () => copy(button));
  }
  on('freeze', 'click', () => act('POST', 'clock', { frozen: !clock?.frozen }));
  on('kind', 'change', () => (by('variants').disabled = by('kind').value !== 'single_slide'));
  on('make', 'submit', (event) => {
    event.preventDefault();
    submit();
  });
  on('prompt', 'keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) by('make').requestSubmit();
  });
  on('reset', 'click', () => {
    write(by('reset-name'), space.name);
    by('reset-dialog').returnValue = 'no';
    by('reset-dialog').showModal();
  });
  on('reset-dialog', 'close', () => by('reset-dialog').returnValue === 'yes' && act('POST', 'reset'));
  on('namespace', 'change', () => {
    if (by('namespace').value) return choose(by('namespace').value);
    by('space-dialog').returnValue = 'no';
    by('space-name').value = '';
    by('space-dialog').showModal();
  });
  on('space-dialog', 'close', () => {
    if (by('space-dialog').returnValue === 'yes') choose(by('space-name').value);
    else by('namespace').value = space.name;
  });
  document.addEventListener('visibilitychange', seen);
}

/** The requests that are made once. */
async function start() {
  ready = true;
  try {
    await startFaults(refresh);
  } catch {
    ready = false;
  }
}

write(by('base-url'), location.origin);
wire();
startJournal();
setInterval(move, 100);
seen();
