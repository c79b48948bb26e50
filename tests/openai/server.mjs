// weir serve, started for a test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const data = new URL('../data/', import.meta.url).pathname;

/// A server of the small model, ready.
export async function startServer(...flags) {
  const server = spawn(
    process.env.WEIR,
    ['serve', `${data}weir-tiny-q8_0.gguf`, '--chat-template', `${data}tools.jinja`, '--port', '0', '--ctx', '4096',
      ...flags],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  server.stderr.on('data', (text) => (log += text));
  for await (const line of createInterface({ input: server.stdout })) {
    const found = /listening on (\S+)/.exec(line);
    if (!found) continue;
    const url = found[1];
    while ((await fetch(`${url}/ready`)).status !== 200) await sleep(20);
    return {
      url,
      async stop() {
        server.kill('SIGTERM');
        const [code] = await once(server, 'exit');
        if (code !== 0) throw new Error(`weir serve ended with ${code}: ${log}`);
      },
    };
  }
  throw new Error(`weir serve did not start: ${log}`);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/// Waits until nobody is served any more.
export async function idle(url, headers = {}) {
  for (let i = 0; i < 500; ++i) {
    const text = await (await fetch(`${url}/metrics`, { headers })).text();
    if (/^weir_requests_in_flight 0$/m.test(text) && /^weir_active 0$/m.test(text)) return;
    await sleep(20);
  }
  throw new Error('the server still serves somebody');
}
