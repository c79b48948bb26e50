// What weir writes as Parquet, read by a reader that is not ours.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';

const folder = mkdtempSync(join(tmpdir(), 'weir-parquet-'));
after(() => rmSync(folder, { recursive: true }));

async function read(path) {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  return { metadata, rows: await parquetReadObjects({ file, metadata }) };
}

const integers = [-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, null];
const reals = [NaN, Infinity, -Infinity, -0, 5e-324, null];
const texts = ['', 'ünï→😀', 'a\0b', 'x'.repeat(1000), null, null, null];

function expectedRow(i) {
  return {
    row: BigInt(i),
    boolean: i % 3 === 0 ? null : i % 2 === 0,
    integer: integers[i % 5],
    real: reals[i % 6],
    text: texts[i % 7],
    nothing: null,
  };
}

for (const [rows, perGroup] of [[0, 10], [1, 10], [1000, 1000], [1000, 7], [1000, 1]]) {
  test(`every type and NULL: ${rows} rows, ${perGroup} in a group`, async () => {
    const path = join(folder, 'sample.parquet');
    execFileSync(process.env.SAMPLE, [path, String(rows), String(perGroup)]);
    const sample = await read(path);
    assert.equal(sample.metadata.num_rows, BigInt(rows));
    assert.equal(sample.metadata.row_groups.length, Math.ceil(rows / perGroup));
    assert.deepEqual(sample.metadata.schema.slice(1).map((column) => [column.name, column.type, column.repetition_type, column.logical_type?.type]), [
      ['row', 'INT64', 'OPTIONAL', undefined], ['boolean', 'BOOLEAN', 'OPTIONAL', undefined],
      ['integer', 'INT64', 'OPTIONAL', undefined], ['real', 'DOUBLE', 'OPTIONAL', undefined],
      ['text', 'BYTE_ARRAY', 'OPTIONAL', 'STRING'], ['nothing', 'BYTE_ARRAY', 'OPTIONAL', 'STRING']]);
    const nulls = sample.metadata.row_groups.map((group) => Number(group.columns[2].meta_data.statistics.null_count));
    assert.equal(nulls.reduce((a, b) => a + b, 0), Math.floor(rows / 5));
    assert.deepEqual(sample.rows, Array.from({ length: rows }, (_, i) => expectedRow(i)));
  });
}

// A cell that weir measured, and rows of another tool, which lack most of what that has.
const db = join(folder, 'results.db');
const weir = (...args) => execFileSync(process.env.WEIR, [...args, '--db', db]);

before(() => {
  copyFileSync(new URL('../data/results-v3.db', import.meta.url), db);
  const foreign = join(folder, 'foreign.jsonl');
  writeFileSync(foreign, [['ünï→😀.gguf', 512, 0], ['b.gguf', 0, 128]].map(([name, n_prompt, n_gen]) =>
    JSON.stringify({ build_commit: 'abc', cpu_info: 'a, "b"', model_filename: name, n_prompt, n_gen, avg_ts: 123.25 })).join('\n'));
  weir('import', foreign);
});

test('weir export parquet has what weir export jsonl has', async () => {
  const path = join(folder, 'rows.parquet');
  weir('export', 'parquet', '--to', path);
  const { rows } = await read(path);
  const lines = weir('export', 'jsonl').toString().trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines.length, 3);
  assert.equal(rows.length, 3);
  lines.forEach((line, i) => {
    for (const [name, value] of Object.entries(line)) {
      if (name === 'energy_j_per_token') continue;  // the place of energies that nothing measured
      const found = rows[i][name];
      assert.notEqual(found, undefined, name);
      assert.deepEqual(typeof found === 'bigint' ? Number(found) : found, value, name);
    }
  });
  assert.deepEqual(weir('export', 'parquet'), readFileSync(path));
});

test('no rows are a table too', async () => {
  const path = join(folder, 'none.parquet');
  weir('export', 'parquet', '--model', 'no such model', '--to', path);
  const { metadata, rows } = await read(path);
  assert.deepEqual(rows, []);
  assert.ok(metadata.schema.length > 40);
});
