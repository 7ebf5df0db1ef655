// The jobs: each is a card with its time line and, once it is completed, its slides.

import { admin, announce, by, call, copyOf, plural, space, time, wrong, write } from './tools.js';

// A sign beside the word: colour alone does not reach every reader.
const SIGNS = { pending: '○', processing: '◐', completed: '●', failed: '✕' };
const cards = new Map();

/** Shows these jobs, the newest first, and the number of the others. */
export function showJobs(jobs, total, now) {
  const ids = new Set(jobs.map((job) => job.job_id));
  for (const [id, card] of cards) {
    if (!ids.has(id)) {
      card.node.remove();
      cards.delete(id);
    }
  }
  let before = null;
  for (const job of jobs) {
    let card = cards.get(job.job_id);
    if (card && (card.job.created_at_ms !== job.created_at_ms || card.job.prompt !== job.prompt)) {
      // With a seed, the next sandbox on this port uses the same job ids.
      card.node.remove();
      card = undefined;
    }
    if (!card) {
      card = make(job);
      cards.set(job.job_id, card);
      // After the newer one. The element that has the focus keeps it.
      if (before) before.after(card.node);
      else by('jobs-list').prepend(card.node);
    }
    update(card, job, now);
    before = card.node;
  }
  write(by('jobs-count'), total ? String(total) : '');
  by('jobs-none').hidden = total > 0;
  by('jobs-more').hidden = total <= jobs.length;
  write(by('jobs-more'), `The newest ${jobs.length} of ${total} jobs.`);
}

/** Removes all cards, to show another namespace. */
export function clearJobs() {
  cards.clear();
  by('jobs-list').replaceChildren();
}

/** Moves the time lines to this virtual time. */
export function moveJobs(now) {
  for (const { node, job } of cards.values()) {
    const end = job.failed_at_ms ?? now;
    const done = Math.min(1, (end - job.created_at_ms) / Math.max(1, job.duration_ms));
    node.querySelector('.line').style.setProperty('--done', `${(done * 100).toFixed(2)}%`);
  }
}

function make(job) {
  const node = copyOf('job-template');
  node.dataset.job = job.job_id;
  const find = (name) => node.querySelector(name);
  write(find('.prompt'), job.prompt);
  find('.prompt').title = job.prompt;
  write(find('.id'), job.job_id);
  write(find('.kind'), job.output_type === 'deck' ? 'deck' : `slide × ${job.variants}`);
  const wait = Math.min(1, job.pending_ms / Math.max(1, job.duration_ms));
  find('.line').style.setProperty('--wait', `${wait * 100}%`);
  // The API key of the page can't see a job of another key.
  find('.poll').hidden = job.key !== space.key;
  find('.poll').setAttribute('aria-label', `Poll ${job.job_id}`);
  find('.poll').addEventListener('click', () => poll(job.job_id));
  const slides = find('.slides');
  write(slides.querySelector('summary'), `Slides (${job.slides * job.variants})`);
  slides.addEventListener('toggle', () => slides.open && draw(slides.querySelector('.variants'), job));
  return { node, job, status: null };
}

function update(card, job, now) {
  const { node } = card;
  const find = (name) => node.querySelector(name);
  const age = Math.max(0, (job.failed_at_ms ?? now) - job.created_at_ms);
  const final = job.status === 'completed' || job.status === 'failed';
  node.dataset.state = job.status;
  write(find('.state'), `${SIGNS[job.status] ?? '?'} ${job.status}`);
  const length = time(job.duration_ms);
  const late = !final && age > job.duration_ms;
  find('.line').classList.toggle('late', late);
  const told = job.status === 'completed' ? `after ${length}` : `${time(age)} of ${length}`;
  find('.line').setAttribute('aria-label', `Time line: ${job.status}, ${told}`);
  const end = job.status === 'failed' ? `failed at ${time(age)}` : `${late ? 'due' : 'completed'} ${length}`;
  write(find('[data-step=end]'), end);
  for (const step of node.querySelectorAll('.steps > li')) {
    const current = step.dataset.step === (final ? 'end' : job.status);
    if (step.dataset.step !== 'end') write(step, step.dataset.step + (current ? ` ${time(age)}` : ''));
    if (current) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
  }
  write(find('.polls'), plural(job.polls, 'poll'));
  write(find('.cost'), plural(job.credits, 'credit'));
  find('.error').hidden = job.status !== 'failed';
  if (job.status === 'failed') write(find('.error'), reason(job.error));
  find('.slides').hidden = job.status !== 'completed';
  if (card.status !== null && card.status !== job.status) {
    announce(`Job ${job.status}: ${job.prompt.slice(0, 60)}`);
  }
  card.job = job;
  card.status = job.status;
}

/** The text of an error, in each of its shapes. */
function reason(error) {
  if (error === null) return 'failed, without a reason';
  if (typeof error === 'string') return error;
  const plain = error.error ?? error;
  return [plain.code, plain.message].filter(Boolean).join(': ');
}

async function poll(id) {
  try {
    const told = await call('GET', `/api/v1/status/${encodeURIComponent(id)}`);
    announce(`Polled: ${told.status}`);
  } catch (error) {
    announce(`Polled: ${wrong(error)}`);
  }
}

/** Makes the slides of each variant, once. */
function draw(into, job) {
  if (into.childElementCount > 0) return;
  for (let variant = 1; variant <= job.variants; variant += 1) {
    const node = copyOf('variant-template');
    write(node.querySelector('h3'), job.variants === 1 ? 'One file' : `Variant ${variant} of ${job.variants}`);
    const button = node.querySelector('.download');
    button.setAttribute('aria-label', `Download variant ${variant} of ${job.job_id} as .pptx`);
    button.addEventListener('click', () => download(button, job.job_id, variant));
    const reel = node.querySelector('.reel');
    for (let number = 1; number <= job.slides; number += 1) reel.append(picture(job, variant, number));
    into.append(node);
  }
}

function picture(job, variant, number) {
  const address = `/_sandbox/jobs/${encodeURIComponent(job.job_id)}/slides/${number}.svg`;
  const image = new Image(320, 180);
  image.loading = 'lazy';
  image.alt = `Slide ${number} of ${job.slides}, variant ${variant}`;
  image.src = `${address}?namespace=${encodeURIComponent(space.name)}&variant=${variant}`;
  const link = document.createElement('a');
  link.href = image.src;
  link.target = '_blank';
  link.rel = 'noopener';
  link.append(image);
  const item = document.createElement('li');
  item.append(link);
  return item;
}

/** Downloads a file. Links expire, so each download asks for a fresh one. */
async function download(button, id, variant) {
  const before = button.textContent;
  try {
    const job = await admin('GET', `jobs/${encodeURIComponent(id)}`);
    const url = new URL(job.downloads.find((one) => one.variant === variant).url);
    const link = document.createElement('a');
    link.href = url.pathname + url.search;
    link.download = `${id}-${variant}.pptx`;
    link.click();
  } catch (error) {
    announce(`No download: ${wrong(error)}`);
    button.textContent = 'No download';
    setTimeout(() => (button.textContent = before), 2000);
  }
}
