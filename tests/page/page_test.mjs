// The page in a browser, over the real server and over one that gives hostile answers.
// Usage: node page_test.mjs WEIR [SCREENSHOTS]. Exit code 77: something it needs is missing.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kKey, startFake } from './fake_server.mjs';

const [weir, screenshots] = process.argv.slice(2);
const root = new URL('../../', import.meta.url).pathname;

function skip(missing) {
  console.log(`skipped: ${missing}`);
  process.exit(77);
}

if (!existsSync(join(root, 'web/node_modules'))) skip('no web/node_modules; run npm ci in web/');
const chrome = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((file) => existsSync(file));
if (!chrome) skip('no chromium; Debian has it as the package chromium');
const { chromium } = createRequire(join(root, 'web/package.json'))('playwright-core');

const tests = [];
const test = (name, run) => tests.push({ name, run });
const browser = await chromium.launch({ executablePath: chrome, args: ['--no-sandbox'] });

/// A page of its own browser profile. Whatever it fetches elsewhere, and whatever its script throws, fails the test.
async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(`thrown: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedScript/.test(message.text())) page.faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) page.faults.push(request.url());
  });
  await page.goto(url);
  return page;
}

async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

async function shoot(page, name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
}

const answers = (page) => page.locator('article.assistant');
const answered = (page, n) => answers(page).nth(n - 1).locator('footer').waitFor();
const button = (page, name) => page.getByRole('button', { name, exact: true });

async function ask(page, text) {
  const n = (await answers(page).count()) + 1;
  await say(page, text);
  await answered(page, n);
  return answers(page).nth(n - 1);
}

/// Waits until the live view tells of tokens.
const answersMove = (page) => page.locator('.tile', { hasText: /^Answers0?\.?[1-9]/ }).waitFor();

/// For tests over the fake.
function fakeTest(name, run, { server, browser: options } = {}) {
  test(name, async () => {
    const fake = await startFake(server);
    try {
      const page = await open(fake.url, options);
      await run(page, fake.state);
      await close(page);
    } finally {
      fake.stop();
    }
  });
}

test('the committed page is what its sources give', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-page-'));
  try {
    execFileSync(join(root, 'scripts/build-page'), [folder], { stdio: 'pipe' });
    const built = readFileSync(join(folder, 'index.html'), 'utf8');
    const committed = readFileSync(join(root, 'src/server/page/index.html'), 'utf8');
    assert.ok(built === committed, 'run scripts/build-page and commit what it makes');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

fakeTest('markdown, thoughts and what it took', async (page) => {
  const answer = await ask(page, 'How does one measure water?');
  assert.equal(await answer.locator('pre code').textContent().then((t) => t.startsWith('def discharge(')), true);
  assert.equal(await answer.locator('table tr').count(), 3);
  assert.equal(await answer.locator('ol > li').count(), 3);
  assert.equal(await answer.locator('ol ul > li').count(), 2);
  const link = answer.locator('a');
  assert.equal(await link.getAttribute('href'), 'https://example.org/weirs');
  assert.match(await link.getAttribute('rel'), /noopener/);
  const thoughts = answer.locator('.thinking .markdown');
  assert.equal(await thoughts.isVisible(), false);
  await answer.locator('summary').click();
  assert.equal(await thoughts.isVisible(), true);
  assert.match(await thoughts.textContent(), /asks about weirs/);
  assert.match(await answer.locator('.facts').textContent(), /^\d+ tokens · [\d.]+ tok\/s · first after \d+ ms · prompt 1,234, 1,200 cached$/);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await button(page, 'Copy code').click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^def discharge/);
  await shoot(page, 'answer');
});

fakeTest('nobody injects markup', async (page) => {
  for (const text of ['markup', 'markup in thoughts', '<img src=x onerror="window.hacked=1">']) await ask(page, text);
  await page.locator('summary').first().click();
  const bad = 'article img, article script, article iframe, article svg, article div[onclick], article b, article i';
  assert.equal(await page.locator(bad).count(), 0);
  const addresses = await page.locator('a').evaluateAll((links) => links.map((a) => a.getAttribute('href')));
  assert.ok(addresses.length >= 4);
  for (const address of addresses) assert.match(address, /^https:\/\/example\.org\//);
  assert.match(await answers(page).first().textContent(), /<img src=x onerror="window.hacked=1">/);
  assert.match(await page.locator('article.user').last().textContent(), /^<img src=x/);
  assert.match(await page.locator('nav li').first().textContent(), /^markup/);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  // Even a hole in the page would lead nowhere: the policy forbids markup from text, and scripts.
  const blocked = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>x</b>';
      return false;
    } catch {
      return true;
    }
  });
  assert.ok(blocked);
  page.faults = page.faults.filter((fault) => !/Trusted/.test(fault));
});

fakeTest('errors in the words of the server', async (page) => {
  const error = async (text) => (await ask(page, text)).locator('.error').textContent();
  assert.equal(await error('refuse'), "field 'temperature': expected <i>0</i> to 2");
  assert.equal(await error('error in stream'), 'no more <b>memory</b>');
  assert.match(await answers(page).last().textContent(), /^So far/);
  assert.equal(await error('cut'), 'The connection ended before the answer did.');
  assert.match(await answers(page).last().textContent(), /^The beginning/);
  assert.equal(await error('nonsense'), 'The server sent something that is no answer.');
  assert.equal(await (await ask(page, 'split')).locator('.markdown').textContent(), 'über');
  await ask(page, 'deep');
  assert.equal(await answers(page).last().locator('.error').count(), 0);
});

fakeTest('Esc stops, and the server hears of it', async (page, state) => {
  await say(page, 'slow');
  await page.getByText('word5').waitFor();
  await page.keyboard.press('Escape');
  await answered(page, 1);
  assert.match(await page.locator('.facts').textContent(), /stopped/);
  for (let i = 0; i < 100 && state.aborted === 0; ++i) await page.waitForTimeout(20);
  assert.equal(state.aborted, 1);
});

fakeTest('edits and retries are versions, the first are kept', async (page) => {
  await ask(page, 'split');
  await ask(page, 'markup');
  await button(page, 'Edit').last().click();
  await page.getByLabel('Edit message').fill('cut');
  await page.keyboard.press('Enter');
  await page.locator('article.assistant .error').waitFor();
  assert.deepEqual(await page.locator('article .bubble').allTextContents(), ['split', 'cut']);
  await button(page, 'Earlier version').click();
  assert.deepEqual(await page.locator('article .bubble').allTextContents(), ['split', 'markup']);
  await button(page, 'Retry').first().click();
  await page.getByText('2/2').waitFor();
  assert.equal(await page.locator('article').count(), 2);
  await button(page, 'Earlier version').click();
  assert.equal(await page.locator('article').count(), 4);
});

fakeTest('settings are sent, and what is empty is not', async (page, state) => {
  await button(page, 'Settings').click();
  await page.getByLabel('System prompt').fill('Be brief.');
  await page.getByLabel('Temperature').fill('0.5');
  await page.getByLabel('Seed').fill('7');
  await page.getByLabel('Thinking').selectOption('off');
  await shoot(page, 'settings');
  await page.keyboard.press('Escape');
  await ask(page, 'split');
  assert.deepEqual(state.order, {
    model: 'fake-model-Q8_0.gguf',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'split' },
    ],
    temperature: 0.5,
    seed: 7,
    chat_template_kwargs: { enable_thinking: false },
    stream: true,
    stream_options: { include_usage: true },
  });
  await ask(page, 'another');
  assert.deepEqual(state.order.messages.slice(1), [
    { role: 'user', content: 'split' },
    { role: 'assistant', content: 'über' },
    { role: 'user', content: 'another' },
  ]);
});

fakeTest('conversations: kept, renamed, deleted', async (page) => {
  await ask(page, 'first question');
  await button(page, 'New conversation').click();
  assert.equal(await page.locator('article').count(), 0);
  await ask(page, 'second question');
  const titles = () => page.locator('nav .title').allTextContents();
  await button(page, 'Rename second question').click();
  await page.getByLabel('Title').fill('Another name');
  await page.keyboard.press('Enter');
  assert.deepEqual(await titles(), ['Another name', 'first question']);
  await page.reload();
  await page.locator('article.assistant footer').waitFor();
  assert.deepEqual(await titles(), ['Another name', 'first question']);
  assert.equal(await page.locator('.bubble').textContent(), 'second question');
  page.once('dialog', (dialog) => dialog.accept());
  await button(page, 'Delete Another name').click();
  assert.deepEqual(await titles(), ['first question']);
  await button(page, 'first question').click();
  assert.equal(await page.locator('.bubble').textContent(), 'first question');
  await page.reload();
  await page.locator('article.assistant footer').waitFor();
  assert.deepEqual(await titles(), ['first question']);
});

fakeTest(
  'a key where the server asks for one',
  async (page, state) => {
    await page.getByLabel('This server asks for an API key.').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('does not accept').waitFor();
    await page.locator('#key').fill(kKey);
    await page.keyboard.press('Enter');
    await page.locator('.key').waitFor({ state: 'detached' });
    await ask(page, 'split');
    await page.reload();
    await page.getByText('über').waitFor();
    assert.equal(await page.locator('.key').count(), 0);
    assert.ok(state.requests.every((path) => !path.includes(kKey)));
  },
  { server: { key: true } },
);

fakeTest('live: the numbers move', async (page, state) => {
  await button(page, 'Live').click();
  const tile = (label) => page.locator('.tile', { hasText: label }).locator('dd').textContent();
  const grow = setInterval(() => (state.generated += 10), 100);
  await answersMove(page);
  clearInterval(grow);
  assert.match(await tile('Answers'), /^\d+(\.\d)?tok\/s$/);
  assert.equal(await tile('From cache'), '75 %');
  assert.equal(await tile('Of the limit'), '25 %');
  assert.equal(await page.locator('.plot canvas').count(), 6);
  await shoot(page, 'live');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForTimeout(300);
  await shoot(page, 'live-dark');
});

fakeTest(
  'live: what the server does not tell is not shown',
  async (page) => {
    await button(page, 'Live').click();
    await page.locator('.plot canvas').first().waitFor();
    assert.deepEqual(await page.locator('.plot h3').allTextContents(), ['Users']);
    assert.deepEqual(await page.locator('.tile dt').allTextContents(), ['Users']);
  },
  { server: { metrics: () => '# TYPE weir_active gauge\nweir_active 3\n' } },
);

fakeTest(
  'a phone: nothing is wider than the screen, all is reached by touch',
  async (page) => {
    const fits = async () => assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    await ask(page, 'How does one measure water?');
    await fits();
    await shoot(page, 'phone');
    await ask(page, 'x'.repeat(400));
    await fits();
    assert.equal(await button(page, 'New conversation').isVisible(), false);
    await button(page, 'Conversations').tap();
    await shoot(page, 'phone-list');
    await button(page, 'New conversation').tap();
    assert.equal(await page.locator('article').count(), 0);
    await button(page, 'Settings').tap();
    await fits();
    await button(page, 'Close').tap();
    await button(page, 'Live').tap();
    await page.locator('.plot canvas').first().waitFor();
    await fits();
    await shoot(page, 'phone-live');
  },
  { browser: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true } },
);

fakeTest('by keyboard alone', async (page) => {
  await page.getByLabel('Message', { exact: true }).focus();
  await page.keyboard.type('one');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('two');
  await page.keyboard.press('Enter');
  await answered(page, 1);
  assert.equal(await page.locator('.bubble').textContent(), 'one\ntwo');
  await page.keyboard.press('Shift+Tab'); // from the field back through the answer
  const focused = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return { name: document.activeElement.textContent, outline: style.outlineStyle };
  });
  assert.deepEqual(focused, { name: 'Retry', outline: 'solid' });
});

/// The real server over the small model of the tests.
async function startWeir() {
  const model = join(root, 'tests/data/weir-tiny-q8_0.gguf');
  const keys = join(mkdtempSync(join(tmpdir(), 'weir-page-')), 'keys');
  writeFileSync(keys, `${kKey}\n`);
  // The small model is so fast that a busy browser would draw its whole answer at once: without vector instructions it
  // makes some 300 tokens a second.
  const child = spawn(weir, ['serve', model, '--port', '0', '--max-users', '2', '--ctx', '4096', '--api-key-file', keys], {
    env: { ...process.env, WEIR_ISA: 'plain' },
  });
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listening on (\S+)/.exec(line);
    if (url) return { url: `${url[1]}/`, stop: () => child.kill('SIGTERM') };
  }
  throw new Error(`weir serve did not start: ${log}`);
}

test('over weir serve: words stream, stop, and move the live numbers', async () => {
  const server = await startWeir();
  try {
    const page = await open(server.url);
    await page.locator('#key').fill(kKey);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /tiny/ }).first().waitFor();
    const set = async (name, value) => {
      await button(page, 'Settings').click();
      await page.getByLabel(name).fill(value);
      await page.keyboard.press('Escape');
    };
    // With these the small model finds no end before the context does.
    await set('Temperature', '2');
    await set('Seed', '2');
    await say(page, 'Tell me about rivers, at length.');
    const answer = answers(page).first();
    const lengths = new Set(); // nothing yet, something, more; a starved browser draws rarely
    for (const end = Date.now() + 30_000; Date.now() < end && lengths.size < 3; ) {
      lengths.add(await answer.evaluate((a) => a.textContent.length));
      await page.waitForTimeout(20);
    }
    await page.keyboard.press('Escape');
    await answered(page, 1);
    assert.ok(lengths.size >= 3, `the answer did not grow bit by bit: ${[...lengths]}`);
    assert.match(await answer.locator('.facts').textContent(), /stopped/);
    await set('Most tokens', '20');
    const second = await ask(page, 'And lakes?');
    assert.match(
      await second.locator('.facts').textContent(),
      /^20 tokens · .* · prompt [\d,]+, [\d,]+ cached · cut at the most tokens allowed$/,
    );
    await button(page, 'Edit').last().click();
    await page.getByLabel('Edit message').fill('<img src=x onerror="window.hacked=1">');
    await page.keyboard.press('Enter');
    await answered(page, 2);
    await button(page, 'Retry').last().click();
    await page.getByText('2/2').last().waitFor();
    await answered(page, 2);
    assert.equal(await page.locator('article.user .bubble').last().textContent(), '<img src=x onerror="window.hacked=1">');
    assert.equal(await page.locator('article img').count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    await shoot(page, 'weir-chat');
    await set('Most tokens', '');
    await button(page, 'Live').click();
    await page.locator('.plot canvas').first().waitFor();
    await button(page, 'Chat').click();
    await say(page, 'Tell me about rivers, at length.');
    await button(page, 'Live').click();
    await answersMove(page);
    await shoot(page, 'weir-live');
    await close(page);
  } finally {
    server.stop();
  }
});

let failed = 0;
for (const { name, run } of tests) {
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
await browser.close();
console.log(failed ? `${failed} of ${tests.length} failed` : `${tests.length} passed`);
process.exitCode = failed ? 1 : 0;
