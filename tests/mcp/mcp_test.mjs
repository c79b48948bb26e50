// weir mcp as the protocol's own client sees it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

const data = (name) => new URL(`../data/${name}`, import.meta.url).pathname;
const home = mkdtempSync(join(tmpdir(), 'weir-mcp-'));
const rows = join(home, 'rows.db');
copyFileSync(data('results-v2.db'), rows);
const client = new Client({ name: 'weir-tests', version: '1.0.0' });

before(() => client.connect(new StdioClientTransport({
  command: process.env.WEIR,
  args: ['mcp', '--db', rows],
  env: { ...process.env, XDG_DATA_HOME: home },
})));
after(async () => {
  await client.close();
  rmSync(home, { recursive: true });
});

test('greets', async () => {
  assert.equal(client.getServerVersion().name, 'weir');
  assert.ok(client.getServerCapabilities().tools);
  assert.match(client.getInstructions(), /median/);
  await client.ping();
});

test('lists tools that only read', async () => {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ['query_rows', 'fit', 'verdict', 'compare', 'audit', 'machines']);
  for (const tool of tools) {
    assert.equal(tool.inputSchema.type, 'object');
    assert.equal(tool.annotations.readOnlyHint, true);
    assert.ok(tool.description.length > 40);
  }
});

test('queries rows', async () => {
  const answer = await client.callTool({ name: 'query_rows', arguments: { sql: 'SELECT id, users FROM cell ORDER BY id' } });
  assert.equal(answer.isError, false);
  assert.deepEqual(answer.structuredContent.columns, ['id', 'users']);
  assert.ok(answer.structuredContent.rows.length > 0);
  assert.deepEqual(JSON.parse(answer.content[0].text), answer.structuredContent);
  const refused = await client.callTool({ name: 'query_rows', arguments: { sql: 'DELETE FROM cell' } });
  assert.equal(refused.isError, true);
  assert.match(refused.content[0].text, /SELECT/);
});

test('answers fit', async () => {
  const answer = await client.callTool({
    name: 'fit', arguments: { model: 'qwen3.5-27b', quant: 'Q8_0', machine: 'mac-mini-m4-pro-64gb' },
  });
  assert.equal(answer.structuredContent.fits, true);
  assert.equal(answer.structuredContent.comfort, 'comfortable');
});

test('answers a verdict with what would turn it', async () => {
  const answer = await client.callTool({
    name: 'verdict', arguments: { machine: 'mac-mini-m4-pro-64gb', users: 4, min_tok_s_each: 10, model_at_least: '9b' },
  });
  const { sentences } = answer.structuredContent;
  const memory = sentences.find((sentence) => sentence.rule === 'memory');
  assert.equal(memory.side, 'right');
  assert.ok(memory.flips[0].at > 8192);
  for (const sentence of sentences) assert.ok(['right', 'wrong', 'open'].includes(sentence.side));
});

test('compares runs', async () => {
  const sql = 'SELECT min(run), max(run) FROM cell';
  const [base, other] = (await client.callTool({ name: 'query_rows', arguments: { sql } })).structuredContent.rows[0];
  const { structuredContent } = await client.callTool({ name: 'compare', arguments: { base, other } });
  assert.equal(structuredContent.base, String(base));
  assert.ok(structuredContent.cells.length + structuredContent.left_out.length > 0);
  const refused = await client.callTool({ name: 'compare', arguments: { base, other: 12345 } });
  assert.match(refused.content[0].text, /no cells/);
});

test('compares what the targets answered', async () => {
  const load = '--prompt-tokens 8 --gen-tokens 24 --users 1 --repeats 1 --threads 1 --probe-mb 16'.split(' ');
  const runs = ['f16', 'q8_0'].map((kv) => JSON.parse(execFileSync(process.env.WEIR, [
    'bench', data('weir-tiny-q8_0.gguf'), '--kv', kv, '--db', rows, '--json', ...load,
  ], { stdio: ['ignore', 'pipe', 'ignore'] })).run.id);
  const { structuredContent } = await client.callTool({
    name: 'compare', arguments: { base: runs[0], other: runs[1], figure: 'aggregate_tok_s' },
  });
  assert.equal(structuredContent.cells.length, 1);
  assert.equal(structuredContent.answers.length, 1);
  const [answers] = structuredContent.answers;
  assert.equal(answers.base, 'engine');
  assert.equal(answers.questions, 8);
  assert.ok(answers.common_share > 0 && answers.common_share <= 1);
});

test('audits published numbers', async () => {
  const csv = 'machine,model,quant,users,tok_s\nmac-mini-m4-pro-64gb,qwen3.5-27b,Q4_K_M,1,100\n';
  const { structuredContent } = await client.callTool({ name: 'audit', arguments: { csv } });
  assert.equal(structuredContent.rows[0].verdict, 'impossible');
});

test('lists machines with their sources', async () => {
  const { structuredContent } = await client.callTool({ name: 'machines' });
  const mini = structuredContent.machines.find((machine) => machine.name === 'mac-mini-m4-pro-64gb');
  assert.match(mini.sources.bandwidth_gb_s, /Apple/);
});

test('refuses what it does not know', async () => {
  await assert.rejects(client.callTool({ name: 'shell', arguments: {} }), (error) => error.code === -32602);
  await assert.rejects(client.listResources(), (error) => error.code === -32601);
});
