// The faults: a list of scenarios, and the rules that are on, with how often each fired.

import { admin, announce, ask, by, copyOf, say, wrong, write } from './tools.js';

let scenarios = [];
let changed = () => {};
const rules = new Map();

/** Fills the list and connects the form. `refresh` is called when a rule was added or removed. */
export async function startFaults(refresh) {
  changed = refresh;
  const told = await ask('GET', '/_sandbox/scenarios', { headers: { accept: 'application/json' } });
  scenarios = told.scenarios;
  by('search').addEventListener('input', list);
  by('search').addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    by('scenario').focus();
  });
  by('scenario').addEventListener('change', choose);
  by('fault').addEventListener('submit', (event) => {
    event.preventDefault();
    turnOn();
  });
  by('rules-clear').addEventListener('click', () => remove('rules'));
  list();
  // A common first fault.
  by('scenario').value = 'http_503';
  choose();
}

/** Shows the scenarios that have all words of the search, by layer. The first one is chosen. */
function list() {
  const words = by('search').value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = scenarios.filter(({ name, about, layer, endpoints }) => {
    const text = `${name} ${about} ${layer} ${endpoints.join(' ')}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const groups = new Map();
  for (const scenario of found) {
    if (!groups.has(scenario.layer)) {
      const group = document.createElement('optgroup');
      group.label = scenario.layer;
      groups.set(scenario.layer, group);
    }
    groups.get(scenario.layer).append(new Option(`${scenario.name}: ${scenario.about}`, scenario.name));
  }
  const before = by('scenario').value;
  by('scenario').replaceChildren(...groups.values());
  const best = found.find(({ name }) => name === words[0]) ?? found.find(({ name }) => name === before) ?? found[0];
  by('scenario').value = best?.name ?? '';
  choose();
}

function chosen() {
  return scenarios.find(({ name }) => name === by('scenario').value);
}

/** Shows what the chosen scenario does and which values it takes. */
function choose() {
  const scenario = chosen();
  write(by('about'), scenario ? `${scenario.name}: ${scenario.about}` : 'No scenario matches.');
  by('value').disabled = !scenario || scenario.value === null;
  by('value').placeholder = scenario ? (scenario.value ?? 'takes none') : '';
  if (by('value').dataset.of !== scenario?.name) by('value').value = '';
  by('value').dataset.of = scenario?.name ?? '';
  const endpoints = scenario?.endpoints ?? [];
  const before = by('endpoint').value;
  const options = endpoints.map((name) => new Option(name, name));
  if (endpoints.length > 1) options.unshift(new Option('all', ''));
  by('endpoint').replaceChildren(...options);
  if (endpoints.includes(before)) by('endpoint').value = before;
}

async function turnOn() {
  const scenario = chosen();
  if (!scenario) return;
  const value = by('value').value.trim();
  const endpoint = by('endpoint').value;
  const text = scenario.name + (value && `=${value}`) + (endpoint && `@${endpoint}`);
  const times = by('times').value ? { times: Number(by('times').value) } : {};
  try {
    await admin('POST', 'rules', { scenario: text, ...times });
    say(by('fault-said'), `${text} is on.`);
  } catch (error) {
    say(by('fault-said'), wrong(error), true);
  }
  changed();
}

/** Removes one rule or all. Their buttons vanish, so the focus moves. */
async function remove(path) {
  try {
    await admin('DELETE', path);
    by('rules-title').focus();
  } catch (error) {
    say(by('fault-said'), wrong(error), true);
  }
  changed();
}

/** Shows the rules that are on. */
export function showRules(told) {
  const ids = new Set(told.map(({ id }) => id));
  for (const [id, shown] of rules) {
    if (!ids.has(id)) {
      shown.node.remove();
      rules.delete(id);
    }
  }
  for (const rule of told) {
    let shown = rules.get(rule.id);
    if (!shown) {
      shown = { node: copyOf('rule-template'), fired: rule.fired };
      write(shown.node.querySelector('.scenario'), describe(rule));
      const button = shown.node.querySelector('button');
      button.setAttribute('aria-label', `Remove ${rule.scenario}`);
      button.addEventListener('click', () => remove(`rules/${rule.id}`));
      rules.set(rule.id, shown);
      by('rules').append(shown.node);
    }
    const of = rule.times === null ? '' : ` of ${rule.times}`;
    const spent = rule.times !== null && rule.fired >= rule.times;
    write(shown.node.querySelector('.fired'), `fired ${rule.fired}${of}${spent ? ', spent' : ''}`);
    shown.node.classList.toggle('spent', spent);
    if (rule.fired > shown.fired) announce(`${rule.scenario} fired, ${rule.fired}${of}`);
    shown.fired = rule.fired;
  }
  by('rules-none').hidden = told.length > 0;
  by('rules-clear').hidden = told.length === 0;
}

/** A rule with its limits. */
function describe({ scenario, method, path, job, skip, probability }) {
  const parts = [scenario, method, path, job];
  if (skip > 0) parts.push(`after ${skip}`);
  if (probability !== null) parts.push(`${probability * 100} %`);
  return parts.filter(Boolean).join(' · ');
}
