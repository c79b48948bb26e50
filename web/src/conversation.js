// A conversation is a tree: an edited question or another answer is a branch beside the first, and each
// message names the one that follows it on the branch that is shown.

let count = 0;
/// Unique in this browser. (crypto.randomUUID is missing where the page comes over plain HTTP.)
export const newId = () =>
  `${Date.now().toString(36)}-${(++count).toString(36)}-${Math.random().toString(36).slice(2, 10)}`;

export function newConversation(settings = {}) {
  return { id: newId(), title: '', updated: Date.now(), settings: { ...settings }, nodes: {}, first: null };
}

/// The messages that are shown, in order.
export function path(conversation) {
  const nodes = [];
  for (let id = conversation.first; id; id = conversation.nodes[id].next) {
    nodes.push(conversation.nodes[id]);
  }
  return nodes;
}

/// The messages that stand in the same place, `node` among them, oldest first.
export function versions(conversation, node) {
  return Object.values(conversation.nodes).filter((n) => n.parent === node.parent);
}

export function choose(conversation, node) {
  if (node.parent) conversation.nodes[node.parent].next = node.id;
  else conversation.first = node.id;
}

/// Adds a message after `parent` (null: as the first) and shows it.
export function add(conversation, parent, message) {
  const node = { id: newId(), parent, next: null, ...message };
  conversation.nodes[node.id] = node;
  choose(conversation, node);
  if (!conversation.title && message.role === 'user') {
    conversation.title = message.text.trim().replace(/\s+/g, ' ').slice(0, 60);
  }
  conversation.updated = Date.now();
  return node;
}

const numbers = ['temperature', 'top_p', 'top_k', 'max_tokens', 'seed'];

/// The request for an answer to the messages up to `last`. What is not set is left to the server.
export function requestFor(conversation, last, model) {
  const { settings } = conversation;
  const messages = [];
  for (let node = last; node; node = conversation.nodes[node.parent]) {
    messages.unshift({ role: node.role, content: node.text });
  }
  if (settings.system?.trim()) messages.unshift({ role: 'system', content: settings.system });
  const body = { model, messages };
  for (const name of numbers) {
    if (settings[name] !== undefined && settings[name] !== '') body[name] = Number(settings[name]);
  }
  if (settings.thinking) body.chat_template_kwargs = { enable_thinking: settings.thinking === 'on' };
  return body;
}
