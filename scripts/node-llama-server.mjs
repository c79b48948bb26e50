// llama.cpp behind the part of OpenAI's API that weir bench speaks, for machines without llama-server:
//
//   npm install --ignore-scripts --omit=optional node-llama-cpp @node-llama-cpp/linux-x64
//   weir bench model.gguf --target engine \
//     --target 'peer:node scripts/node-llama-server.mjs {model} --port {port} --threads {threads} --users 4 --ctx 1024'
//
// It needs node 18 and finds node-llama-cpp from the folder that it is started in.
import {createRequire} from "node:module";
import {createServer} from "node:http";
import {pathToFileURL} from "node:url";

const option = (name, fallback) => {
  const at = process.argv.indexOf("--" + name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const modelPath = process.argv[2];
const port = option("port", 8080), users = option("users", 1), contextSize = option("ctx", 1024);
const threads = option("threads", 1);

const require = createRequire(process.cwd() + "/");
const {getLlama} = await import(pathToFileURL(require.resolve("node-llama-cpp")));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize, sequences: users, threads, batchSize: 512});
const name = modelPath.split("/").pop();

const readBody = async (request) => {
  let text = "";
  for await (const part of request) text += part;
  return JSON.parse(text);
};

const idle = Array.from({length: users}, () => context.getSequence());
const waiting = [];
const take = async () => idle.pop() ?? (await new Promise((resolve) => waiting.push(resolve)));
const giveBack = (sequence) => {
  const next = waiting.shift();
  next ? next(sequence) : idle.push(sequence);
};

// Nothing of an earlier prompt is left in the sequence that answers. It is given back before the answer's end is sent:
// the same user asks again at once.
const complete = async (body, response) => {
  const prompt = typeof body.prompt === "string" ? model.tokenize(body.prompt) : body.prompt;
  const sequence = await take();
  try {
    await sequence.clearHistory();
    await answer(body, prompt, sequence, response);
  } finally {
    giveBack(sequence);
  }
  response.end("data: [DONE]\n\n");
};

const answer = async (body, prompt, sequence, response) => {
  response.writeHead(200, {"content-type": "text/event-stream"});
  const send = (part) => response.write("data: " + JSON.stringify({object: "text_completion", model: name, ...part}) + "\n\n");
  let n = 0, finish = "stop";
  const fixed = body.ignore_eos === true;
  for await (const token of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: fixed})) {
    n += 1;
    send({choices: [{index: 0, text: model.detokenize([token]) || " ", finish_reason: null}]});
    if (n >= body.max_tokens) { finish = "length"; break; }
    if (response.destroyed) break;
  }
  send({choices: [{index: 0, text: "", finish_reason: finish}]});
  send({choices: [], usage: {prompt_tokens: prompt.length, completion_tokens: n, total_tokens: prompt.length + n}});
};

const server = createServer(async (request, response) => {
  const json = (status, value) => response.writeHead(status, {"content-type": "application/json"}).end(JSON.stringify(value));
  try {
    if (request.url === "/v1/models") return json(200, {object: "list", data: [{id: name, owned_by: "node-llama-cpp"}]});
    if (request.url === "/v1/completions") return await complete(await readBody(request), response);
    json(404, {error: {message: "there is nothing here"}});
  } catch (error) {
    response.headersSent ? response.destroy() : json(500, {error: {message: String(error)}});
  }
});
server.listen(port, "127.0.0.1");
