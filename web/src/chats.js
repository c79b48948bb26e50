// What the chat does, apart from how it looks: conversations, and answers that are on their way.
import { ApiError, get, streamChat } from './api.js';
import * as tree from './conversation.js';
import * as storage from './storage.js';

const kShowMs = 50; // how often an answer on its way is shown anew
const kSaveMs = 2000;
const kReadyPollMs = 2000;

export class Chats {
  constructor() {
    this.list = []; // latest first
    this.current = tree.newConversation();
    this.key = storage.recall('key') ?? '';
    this.needsKey = false;
    this.model = '';
    this.notice = ''; // what the server says about itself, or what keeps the browser from storing
    this.running = new Map(); // id of a message to its AbortController
    this.listeners = new Set();
    this.renderMs = 0; // the last took
  }

  onChange(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed() {
    clearTimeout(this.showTimer);
    this.showTimer = undefined;
    const begin = performance.now();
    for (const listener of this.listeners) listener();
    setTimeout(() => (this.renderMs = performance.now() - begin)); // elements change before any timer runs
  }

  /// A long answer takes longer to show, and is shown less often, so that the page keeps up with keys.
  changedSoon() {
    this.showTimer ??= setTimeout(() => this.changed(), kShowMs + 3 * this.renderMs);
  }

  async start() {
    this.greet();
    const stored = await storage.loadAll().catch(() => []);
    this.list = stored.sort((a, b) => b.updated - a.updated);
    for (const conversation of this.list) {
      for (const node of Object.values(conversation.nodes)) {
        // The page was closed in the midst of it.
        if (node.state === 'running') node.state = 'stopped';
      }
    }
    const open = this.list.find((c) => c.id === storage.recall('open'));
    if (open) this.current = open;
    this.changed();
  }

  /// Waits until the server is ready, and learns the model's name.
  async greet() {
    try {
      await get('ready');
      const models = await (await get('v1/models', this.key)).json();
      this.model = models.data[0].id;
      this.notice = '';
      this.needsKey = false;
    } catch (error) {
      if (error.status === 401) {
        this.needsKey = true;
      } else {
        this.notice = error instanceof ApiError ? error.message : 'The server gave no list of models.';
        setTimeout(() => this.greet(), kReadyPollMs);
      }
    }
    this.changed();
  }

  setKey(key) {
    this.key = key.trim();
    storage.remember('key', this.key);
    this.needsKey = false;
    this.greet();
  }

  save(conversation) {
    if (this.list.every((c) => c.id !== conversation.id)) return;
    storage.save(conversation).catch((error) => {
      this.notice = `This browser does not keep the conversation: ${error?.message ?? 'unknown reason'}`;
      this.changed();
    });
  }

  open(conversation) {
    this.current = conversation;
    storage.remember('open', conversation.id);
    this.changed();
  }

  create() {
    this.open(tree.newConversation(this.current.settings));
  }

  rename(conversation, title) {
    conversation.title = title.trim() || conversation.title;
    this.save(conversation);
    this.changed();
  }

  remove(conversation) {
    for (const id of Object.keys(conversation.nodes)) this.running.get(id)?.abort();
    this.list = this.list.filter((c) => c !== conversation);
    storage.remove(conversation.id).catch(() => {});
    if (this.current === conversation) this.create();
    this.changed();
  }

  set(name, value) {
    this.current.settings[name] = value;
    this.save(this.current);
    this.changed();
  }

  choose(node) {
    tree.choose(this.current, node);
    this.save(this.current);
    this.changed();
  }

  /// A message of the user at the end, or in place of `instead`, and its answer.
  send(text, instead) {
    const conversation = this.current;
    const parent = instead ? instead.parent : (tree.path(conversation).at(-1)?.id ?? null);
    const node = tree.add(conversation, parent, { role: 'user', text });
    this.list = [conversation, ...this.list.filter((c) => c !== conversation)];
    storage.remember('open', conversation.id);
    return this.answer(conversation, node);
  }

  /// Another answer to the message before `node`.
  retry(node) {
    const conversation = this.current;
    return this.answer(conversation, conversation.nodes[node.parent]);
  }

  stop(conversation = this.current) {
    for (const id of Object.keys(conversation.nodes)) this.running.get(id)?.abort();
  }

  isRunning(conversation) {
    return Object.keys(conversation.nodes).some((id) => this.running.has(id));
  }

  async answer(conversation, question) {
    const body = tree.requestFor(conversation, question, this.model || 'weir');
    const node = tree.add(conversation, question.id, {
      role: 'assistant',
      text: '',
      thinking: '',
      state: 'running',
    });
    const abort = new AbortController();
    this.running.set(node.id, abort);
    this.save(conversation);
    this.changed();
    try {
      await this.receive(conversation, node, body, abort.signal);
      node.state = 'done';
    } catch (error) {
      node.state = abort.signal.aborted ? 'stopped' : 'failed';
      if (!abort.signal.aborted) {
        node.error = error instanceof ApiError ? error.message : `The page failed: ${error.message}`;
        if (error.status === 401) this.needsKey = true;
      }
    }
    this.running.delete(node.id);
    this.save(conversation);
    this.changed();
  }

  async receive(conversation, node, body, signal) {
    const begin = performance.now();
    let first, last;
    let saved = begin;
    await streamChat(body, this.key, signal, (part) => {
      const now = performance.now();
      node.text += part.text;
      node.thinking += part.thinking;
      if (part.finish) node.finish = part.finish;
      if (part.usage) node.usage = part.usage;
      if (part.text || part.thinking) {
        first ??= now;
        last = now;
        node.ttft = (first - begin) / 1000;
        node.seconds = (last - first) / 1000;
      }
      if (now - saved > kSaveMs) {
        saved = now;
        this.save(conversation);
      }
      this.changedSoon();
    });
  }
}
