// A server with the API's shape that answers what a test wants: hostile text, cut streams, errors. The
// message of the user says which.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const kPage = new URL('../../src/server/page/index.html', import.meta.url);
export const kKey = 'the right key';

export const kMarkup = `<img src=x onerror="window.hacked=1"> <script>window.hacked=1</script>

<div onclick="window.hacked=1">block</div>

[script](javascript:window.hacked=1) [data](data:text/html,<script>window.hacked=1</script>)
[entity](java&#115;cript:window.hacked=1) [good](https://example.org/a?b=1&c=2)

![picture](https://example.org/picture.png) ![x](javascript:window.hacked=1)

| <b>head</b> | b |
|---|---|
| <svg onload="window.hacked=1"> | \`<i>code</i>\` |

- [ ] <iframe src="javascript:window.hacked=1"></iframe>

\`\`\`html"><script>window.hacked=1</script>
</code></pre><script>window.hacked=1</script>
\`\`\`

&lt;script&gt;window.hacked=1&lt;/script&gt; <a href="javascript:window.hacked=1">a</a>`;

export const kMarkdown = `Water over a weir of length **L** and head **h** flows at about

\`\`\`python
def discharge(length, head, coefficient=1.84):
    """Cubic metres a second over a sharp-crested weir: Francis' formula, with both ends contracted as usual."""
    return coefficient * (length - 0.2 * head) * head ** 1.5
\`\`\`

## What matters

1. The *head*, measured **upstream** of the crest,
2. the crest's form:
   - sharp,
   - broad,
3. whether \`h\` is below a third of the crest's height.

| form | coefficient | error |
|:--|--:|--:|
| sharp | 1.84 | 2 % |
| broad | 1.70 | 5 % |

> Measure twice. See [the manual](https://example.org/weirs).`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function chunk(delta, finish = null) {
  return { object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] };
}

function error(response, status, message) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}

async function stream(response, pieces, state) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  const send = (event) => response.write(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`);
  let gone = false;
  response.on('close', () => (gone = true));
  send(chunk({ role: 'assistant', content: '' }));
  let n = 0;
  for (const { wait = 5, cut, raw, ...delta } of pieces) {
    await sleep(wait);
    if (gone) {
      ++state.aborted;
      return;
    }
    if (cut) return response.destroy();
    if (raw) response.write(raw);
    else send(chunk(delta));
    ++n;
    ++state.generated;
  }
  send(chunk({}, 'stop'));
  const usage = { prompt_tokens: 1234, completion_tokens: n, total_tokens: 1234 + n };
  send({ choices: [], usage: { ...usage, prompt_tokens_details: { cached_tokens: 1200 } } });
  send('[DONE]');
  response.end();
}

function words(text, field = 'content', size = 6) {
  const parts = [];
  for (let at = 0; at < text.length; at += size) parts.push({ [field]: text.slice(at, at + size) });
  return parts;
}

/// What the last message asks for.
function pieces(body) {
  const text = body.messages.at(-1).content;
  if (text === 'markup') return words(kMarkup);
  if (text === 'markup in thoughts') return words(kMarkup, 'reasoning_content').concat(words('done'));
  // What a browser has not read when a connection breaks, it drops.
  if (text === 'cut') return [...words('The beginning'), { wait: 500, cut: true }];
  if (text === 'error in stream') {
    return [...words('So far'), { raw: 'data: {"error":{"message":"no more <b>memory</b>"}}\n\n' }];
  }
  if (text === 'nonsense') return [{ raw: 'data: {"choices":[{"delta":\n\n' }];
  if (text === 'slow') return Array.from({ length: 500 }, (_, i) => ({ content: `word${i} `, wait: 30 }));
  if (text === 'deep') return words('>'.repeat(3000) + ' deep ' + '['.repeat(3000) + '*'.repeat(3000), 'content', 100);
  if (text === 'split') {
    const event = Buffer.from('data: {"choices":[{"delta":{"content":"über"}}]}\r\n\r\n');
    const at = event.indexOf('ü') + 1; // within a character
    return [{ raw: ': comment\r\n\r\n' }, { raw: event.subarray(0, 3) }, { raw: event.subarray(3, at) }, { raw: event.subarray(at) }];
  }
  return [...words('The user asks about **weirs**. I know a formula.', 'reasoning_content'), ...words(kMarkdown)];
}

function metrics(state) {
  const n = state.generated;
  const wave = Math.sin(Date.now() / 4000);
  const histogram = (name, bounds) =>
    `# TYPE ${name} histogram\n` +
    bounds.map((b, i) => `${name}_bucket{le="${b}"} ${(n * (i + 1)) / bounds.length}\n`).join('') +
    `${name}_bucket{le="+Inf"} ${n}\n${name}_sum ${n * bounds[1]}\n${name}_count ${n}\n`;
  return `# TYPE weir_ready gauge\nweir_ready 1
weir_queued ${n > 0 ? 1 : 0}
weir_active ${Math.round(4 + 3 * wave)}
weir_decoding ${Math.round(3 + 2 * wave)}
weir_kv_pages 1000
weir_kv_pages_free ${Math.round(500 - 200 * wave)}
weir_kv_pages_kept 100
weir_checkpoints 7
weir_step_seconds_total ${n / 10}
weir_step_limit_seconds_total ${n / 40}
weir_prefilled_tokens_total ${n * 4}
weir_cached_tokens_total ${n * 12}
weir_generated_tokens_total ${n}
weir_weights_bytes 2900000000
weir_kv_bytes 1200000000
weir_state_bytes 310000000
weir_requests_total{endpoint="/v1/chat/completions",status="200"} 3
weir_requests_total{endpoint="/metrics",status="200"} 4
${histogram('weir_ttft_seconds', [0.1, 0.2, 0.5, 1])}${histogram('weir_itl_seconds', [0.02, 0.05, 0.1])}`;
}

async function handle(request, response, options, state) {
  let body = '';
  for await (const part of request) body += part;
  if (request.url === '/') {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    return response.end(readFileSync(kPage));
  }
  state.requests.push(request.url);
  if (request.url === '/ready') return response.end('{}');
  if (options.key && request.headers.authorization !== `Bearer ${kKey}`) {
    return error(response, 401, 'expected a key of this server');
  }
  if (request.url === '/v1/models') return response.end('{"data":[{"id":"fake-model-Q8_0.gguf"}]}');
  if (request.url === '/metrics') return response.end(options.metrics?.(state) ?? metrics(state));
  if (request.url !== '/v1/chat/completions') return error(response, 404, 'there is nothing at this path');
  const order = JSON.parse(body);
  state.order = order;
  if (order.messages.at(-1).content === 'refuse') {
    return error(response, 400, "field 'temperature': expected <i>0</i> to 2");
  }
  return stream(response, pieces(order), state);
}

/// Listens on a free port of this machine.
export async function startFake(options = {}) {
  const state = { aborted: 0, generated: 0, requests: [] };
  const server = createServer((request, response) => handle(request, response, options, state));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    state,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const fake = await startFake({ key: process.argv.includes('--key') });
  setInterval(() => (fake.state.generated += Math.round(30 + 20 * Math.sin(Date.now() / 3000))), 1000);
  console.log(fake.url);
}
