// The server as Anthropic's own client sees it.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { idle, startServer } from './server.mjs';

const model = 'claude';
const messages = [{ role: 'user', content: 'Tell me about the river.' }];
const weather = {
  name: 'get_weather',
  input_schema: {
    type: 'object', properties: { city: { enum: ['Oslo', 'Rome'] } }, required: ['city'], additionalProperties: false,
  },
};

let server;
let client;
before(async () => {
  const keys = join(mkdtempSync(join(tmpdir(), 'weir-anthropic-')), 'keys');
  writeFileSync(keys, 'sesame\n');
  server = await startServer('--api-key-file', keys);
  client = new Anthropic({ apiKey: 'sesame', baseURL: server.url, maxRetries: 0 });
});
after(() => server.stop());

test('answers whole and in a stream', async () => {
  const request = { model, messages, max_tokens: 20, temperature: 0.7, seed: 3, system: 'Be brief.' };
  const whole = await client.messages.create(request);
  assert.equal(whole.role, 'assistant');
  assert.ok(whole.content[0].text.length > 0);
  const stream = client.messages.stream(request);
  let text = '';
  stream.on('text', (part) => (text += part));
  const final = await stream.finalMessage();
  assert.equal(text, whole.content[0].text);
  assert.deepEqual(final.content, whole.content);
  assert.equal(final.stop_reason, whole.stop_reason);
  assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
  const { input_tokens } = await client.messages.countTokens({ model, messages, system: 'Be brief.' });
  assert.equal(input_tokens, whole.usage.input_tokens + whole.usage.cache_read_input_tokens);
});

test('calls tools, and reads what they say', async () => {
  const request = {
    model, messages, max_tokens: 200, seed: 1, tools: [weather],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
  };
  const answer = await client.messages.create(request);
  assert.equal(answer.stop_reason, 'tool_use');
  const use = answer.content.find((block) => block.type === 'tool_use');
  assert.ok(['Oslo', 'Rome'].includes(use.input.city));
  assert.deepEqual((await client.messages.stream(request).finalMessage()).content[0].input, use.input);
  const next = await client.messages.create({
    model, max_tokens: 5, tools: [weather],
    messages: [...messages, { role: 'assistant', content: answer.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'rain' }] }],
  });
  assert.ok(next.usage.output_tokens > 0);
});

test('stops computing for those who abort', async () => {
  const stream = await client.messages.create({ model, messages, max_tokens: 3500, seed: 2, ignore_eos: true, stream: true });
  for await (const event of stream) if (event.type === 'content_block_delta') break;
  await idle(server.url, { authorization: 'Bearer sesame' });
});

test('has errors of the client\'s classes', async () => {
  await assert.rejects(client.messages.create({ model, messages, max_tokens: 1, mood: 1 }), (error) => {
    assert.ok(error instanceof Anthropic.BadRequestError);
    assert.equal(error.error.error.type, 'invalid_request_error');
    return true;
  });
  const stranger = new Anthropic({ apiKey: 'wrong', baseURL: server.url, maxRetries: 0 });
  await assert.rejects(stranger.messages.create({ model, messages, max_tokens: 1 }), Anthropic.AuthenticationError);
});
