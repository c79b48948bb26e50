// The server as OpenAI's own client sees it.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { idle, startServer } from './server.mjs';

const model = 'gpt-5';  // any name is answered by the model that is loaded
const messages = [{ role: 'user', content: 'Tell me about the river.' }];
// The small model does not end by itself with these.
const endless = { model, messages, temperature: 2, seed: 2, max_completion_tokens: 3500, ignore_eos: true };

let server;
let client;
before(async () => {
  server = await startServer('--max-users', '4');
  client = new OpenAI({ apiKey: 'none', baseURL: `${server.url}/v1`, maxRetries: 0 });
});
after(() => server.stop());

test('answers whole', async () => {
  const answer = await client.chat.completions.create({ model, messages, temperature: 0, max_completion_tokens: 12 });
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.ok(answer.choices[0].message.content.length > 0);
  assert.ok(['stop', 'length'].includes(answer.choices[0].finish_reason));
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test('streams what it answers whole, with usage', async () => {
  const request = { model, messages, temperature: 0.8, seed: 7, max_completion_tokens: 40, ignore_eos: true };
  const whole = await client.chat.completions.create(request);
  const stream = await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } });
  let text = '';
  let usage;
  let finish;
  let n_chunks = 0;
  for await (const chunk of stream) {
    ++n_chunks;
    text += chunk.choices[0]?.delta?.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(finish, 'length');
  assert.ok(n_chunks > 10);
  assert.equal(usage.completion_tokens, 40);
  assert.equal(usage.prompt_tokens, whole.usage.prompt_tokens);
  assert.ok(usage.prompt_tokens_details.cached_tokens > 0);  // of the whole answer's prompt

  const helped = client.chat.completions.stream(request);  // the client's own assembly of chunks
  assert.equal((await helped.finalChatCompletion()).choices[0].message.content, text);
});

test('stops computing for those who abort', async () => {
  const stream = await client.chat.completions.create({ ...endless, stream: true });
  let n = 0;
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content && ++n === 5) stream.controller.abort();
  }
  await idle(server.url);

  const controller = new AbortController();
  const whole = client.chat.completions.create(endless, { signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(whole, OpenAI.APIUserAbortError);
  await idle(server.url);

  const left = await client.chat.completions.create({ ...endless, stream: true });
  for await (const chunk of left) if (chunk.choices[0].delta.content) break;
  await idle(server.url);
});

test('is asked again after a 429', async () => {
  const small = await startServer('--max-users', '1', '--max-queue', '0');
  try {
    const statuses = [];
    const patient = new OpenAI({
      apiKey: 'none',
      baseURL: `${small.url}/v1`,
      maxRetries: 5,
      fetch: async (...request) => {
        const answer = await fetch(...request);
        statuses.push(answer.status);
        return answer;
      },
    });
    const first = await patient.chat.completions.create({ ...endless, stream: true });
    const short = { model, messages, max_completion_tokens: 1 };
    await assert.rejects(patient.chat.completions.create(short, { maxRetries: 0 }), OpenAI.RateLimitError);
    setTimeout(() => first.controller.abort(), 200);
    statuses.length = 0;
    const answer = await patient.chat.completions.create(short);
    assert.equal(answer.usage.completion_tokens, 1);
    assert.deepEqual([...new Set(statuses)], [429, 200]);
  } finally {
    await small.stop();
  }
});

test('has errors of the client\'s classes', async () => {
  const refused = (request, type, facts) =>
    assert.rejects(client.chat.completions.create({ model, messages, ...request }), (error) => {
      assert.ok(error instanceof type, `${error}`);
      for (const [name, value] of Object.entries(facts)) assert.equal(error[name], value);
      return true;
    });
  await refused({ temperature: 3 }, OpenAI.BadRequestError,
    { status: 400, param: 'temperature', code: 'invalid_value', type: 'invalid_request_error' });
  await refused({ mood: 'good' }, OpenAI.BadRequestError, { param: 'mood', code: 'unknown_parameter' });
  await refused({ max_tokens: 100_000 }, OpenAI.BadRequestError, { code: 'context_length_exceeded' });
  await assert.rejects(client.files.list(), OpenAI.NotFoundError);

  const key = join(mkdtempSync(join(tmpdir(), 'weir-openai-')), 'keys');
  writeFileSync(key, 'sesame\n');
  const locked = await startServer('--api-key-file', key);
  try {
    const with_key = (apiKey) => new OpenAI({ apiKey, baseURL: `${locked.url}/v1`, maxRetries: 0 });
    await assert.rejects(with_key('wrong').models.list(), OpenAI.AuthenticationError);
    assert.equal((await with_key('sesame').models.list()).data.length, 1);
  } finally {
    await locked.stop();
  }
});

test('lists its model', async () => {
  const list = await client.models.list();
  assert.deepEqual(list.data.map((entry) => entry.id), ['weir-tiny-q8_0']);
  assert.equal((await client.models.retrieve('gpt-5')).id, 'weir-tiny-q8_0');
});

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { enum: ['Oslo', 'Rome'] }, days: { type: 'integer' } },
      required: ['city', 'days'],
      additionalProperties: false,
    },
  },
};

test('calls tools, and reads what they say', async () => {
  const request = { model, messages, tools: [weather], tool_choice: 'required', parallel_tool_calls: false, seed: 1 };
  const answer = await client.chat.completions.create(request);
  const { message, finish_reason } = answer.choices[0];
  assert.equal(finish_reason, 'tool_calls');
  const call = message.tool_calls[0];
  assert.equal(call.function.name, 'get_weather');
  const { city, days } = JSON.parse(call.function.arguments);
  assert.ok(['Oslo', 'Rome'].includes(city));
  assert.ok(Number.isInteger(days));

  const streamed = await client.chat.completions.stream(request).finalChatCompletion();
  assert.deepEqual(streamed.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);

  const next = await client.chat.completions.create({
    model,
    messages: [...messages, message, { role: 'tool', tool_call_id: call.id, content: '{"degrees": 12}' }],
    tools: [weather],
    max_completion_tokens: 8,
  });
  assert.ok(next.usage.prompt_tokens > answer.usage.prompt_tokens);

  // The loop that runs tools by itself: the first answer is a call, then the limit is reached.
  const ran = [];
  const runner = client.chat.completions.runTools(
    {
      ...request,
      tools: [{ type: 'function', function: { ...weather.function, parse: JSON.parse, function: (args) => { ran.push(args); return 'sunny'; } } }],
    },
    { maxChatCompletions: 1 },
  );
  await runner.done();
  assert.deepEqual(ran, [JSON.parse(call.function.arguments)]);
});

test('writes JSON by a schema', async () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string', maxLength: 12 }, tall: { type: 'boolean' } },
    required: ['name', 'tall'],
    additionalProperties: false,
  };
  const answer = await client.chat.completions.create({
    model, messages, seed: 5, max_completion_tokens: 200,
    response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema } },
  });
  const person = JSON.parse(answer.choices[0].message.content);
  assert.deepEqual(Object.keys(person), ['name', 'tall']);
  assert.equal(typeof person.tall, 'boolean');
});

test('tells probabilities', async () => {
  const answer = await client.chat.completions.create({
    model, messages, temperature: 0, max_completion_tokens: 5, logprobs: true, top_logprobs: 2,
  });
  const { message, logprobs } = answer.choices[0];
  assert.equal(logprobs.content.map((token) => token.token).join(''), message.content);
  for (const token of logprobs.content) {
    assert.ok(token.logprob <= 0);
    assert.equal(token.top_logprobs.length, 2);
    assert.equal(Buffer.from(token.bytes).toString(), token.token);
  }
});

test('continues texts', async () => {
  const answer = await client.completions.create({ model, prompt: 'Once upon', max_tokens: 5, temperature: 0, echo: true });
  assert.ok(answer.choices[0].text.startsWith('Once upon'));
  let text = '';
  const stream = await client.completions.create({ model, prompt: 'Once upon', max_tokens: 5, temperature: 0, stream: true });
  for await (const chunk of stream) text += chunk.choices[0].text;
  assert.equal(`Once upon${text}`, answer.choices[0].text);
});

test('serves many at once as it serves one', async () => {
  const ask = (seed) => client.chat.completions.create({ model, messages, seed, max_completion_tokens: 20 });
  const together = await Promise.all([1, 2, 3, 4, 5, 6].map(ask));
  for (let seed = 1; seed <= 6; ++seed) {
    assert.equal((await ask(seed)).choices[0].message.content, together[seed - 1].choices[0].message.content);
  }
});

test('embeds texts', async () => {
  const request = { model, input: ['The river rose.', 'The river rose.', 'A cat'] };
  const packed = await client.embeddings.create(request);  // the client asks for base64 and unpacks it
  const plain = await client.embeddings.create({ ...request, encoding_format: 'float' });
  const product = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const [a, b, c] = packed.data.map((entry) => entry.embedding);
  assert.ok(Math.abs(product(a, b) - 1) < 1e-5);
  assert.ok(product(a, c) < 0.999);
  plain.data[2].embedding.forEach((x, i) => assert.ok(Math.abs(x - c[i]) < 1e-6));
  assert.ok(packed.usage.prompt_tokens > 0);
});

test('answers through the Responses API', async () => {
  const request = { model, input: 'Tell me about the river.', instructions: 'Be brief.', max_output_tokens: 20, seed: 3 };
  const whole = await client.responses.create(request);
  assert.ok(whole.output_text.length > 0);
  let text = '';
  const stream = client.responses.stream(request);
  stream.on('response.output_text.delta', (event) => (text += event.delta));
  const final = await stream.finalResponse();
  assert.equal(text, whole.output_text);
  assert.equal(final.output_text, whole.output_text);

  const { function: { name, parameters } } = weather;
  const tooled = { model, input: 'Weather?', seed: 1, tools: [{ type: 'function', name, parameters, strict: true }], tool_choice: 'required', parallel_tool_calls: false };
  const called = await client.responses.create(tooled);
  const call = called.output.find((item) => item.type === 'function_call');
  assert.ok(['Oslo', 'Rome'].includes(JSON.parse(call.arguments).city));
  const streamed = await client.responses.stream(tooled).finalResponse();
  assert.equal(streamed.output.find((item) => item.type === 'function_call').arguments, call.arguments);
  const next = await client.responses.create({
    ...tooled, tool_choice: 'auto', tools: [{ ...tooled.tools[0], strict: false }], max_output_tokens: 5,
    input: [{ role: 'user', content: 'Weather?' }, ...called.output, { type: 'function_call_output', call_id: call.call_id, output: 'rain' }],
  });
  assert.ok(next.usage.output_tokens > 0);
});
