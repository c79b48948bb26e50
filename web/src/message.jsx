import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { versions } from './conversation.js';
import { CopyButton, Markdown } from './markdown.jsx';

const count = (n, what) => `${n.toLocaleString()} ${what}${n === 1 ? '' : 's'}`;

/// A time for people: 85 ms, 1.24 s, 93 s.
export function seconds(s) {
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  return s < 10 ? `${s.toFixed(2)} s` : `${s.toFixed(s < 100 ? 1 : 0)} s`;
}

/// What an answer took; what is not known is left out.
function Facts({ node }) {
  const facts = [];
  const { usage } = node;
  if (usage) {
    facts.push(count(usage.completion_tokens, 'token'));
    if (node.seconds > 0 && usage.completion_tokens > 1) {
      facts.push(`${((usage.completion_tokens - 1) / node.seconds).toFixed(1)} tok/s`);
    }
  }
  if (node.ttft !== undefined) facts.push(`first after ${seconds(node.ttft)}`);
  if (usage) {
    const cached = usage.prompt_tokens_details?.cached_tokens;
    facts.push(
      `prompt ${usage.prompt_tokens.toLocaleString()}` +
        (cached === undefined ? '' : `, ${cached.toLocaleString()} cached`),
    );
  }
  if (node.finish === 'length') facts.push('cut at the most tokens allowed');
  if (node.state === 'stopped') facts.push('stopped');
  if (facts.length === 0) return null;
  return <span class="facts">{facts.join(' · ')}</span>;
}

function Thinking({ node }) {
  const busy = node.state === 'running' && node.text === '';
  return (
    <details class="thinking">
      <summary>{busy ? 'Thinking…' : 'Thoughts'}</summary>
      <Markdown text={node.thinking} />
    </details>
  );
}

function Versions({ chats, conversation, node }) {
  const all = versions(conversation, node);
  if (all.length < 2) return null;
  const at = all.indexOf(node);
  const step = (to, label, sign) => (
    <button
      type="button"
      class="quiet"
      aria-label={label}
      disabled={!all[to]}
      onClick={() => chats.choose(all[to])}
    >
      {sign}
    </button>
  );
  return (
    <span class="versions">
      {step(at - 1, 'Earlier version', '‹')}
      <span>
        {at + 1}/{all.length}
      </span>
      {step(at + 1, 'Later version', '›')}
    </span>
  );
}

function Editor({ text, onSend, onCancel }) {
  const area = useRef();
  useLayoutEffect(() => {
    area.current.focus();
    area.current.setSelectionRange(text.length, text.length);
  }, []);
  const send = () => area.current.value.trim() && onSend(area.current.value);
  const keys = (event) => {
    if (event.isComposing) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      onCancel();
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  };
  return (
    <div class="editor">
      <textarea ref={area} aria-label="Edit message" onKeyDown={keys} defaultValue={text} rows={3} />
      <div class="row">
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" class="primary" onClick={send}>
          Send
        </button>
      </div>
    </div>
  );
}

export function UserMessage({ chats, conversation, node, busy }) {
  const [editing, setEditing] = useState(false);
  if (editing) {
    const send = (text) => {
      setEditing(false);
      chats.send(text, node);
    };
    return (
      <article class="user" aria-label="You">
        <Editor text={node.text} onSend={send} onCancel={() => setEditing(false)} />
      </article>
    );
  }
  return (
    <article class="user" aria-label="You">
      <div class="bubble">{node.text}</div>
      <footer>
        <Versions chats={chats} conversation={conversation} node={node} />
        <CopyButton text={node.text} what="message" />
        <button type="button" class="quiet" disabled={busy} onClick={() => setEditing(true)}>
          Edit
        </button>
      </footer>
    </article>
  );
}

export function Answer({ chats, conversation, node, busy }) {
  const running = node.state === 'running';
  return (
    <article class="assistant" aria-label="Answer" aria-busy={running}>
      {node.thinking && <Thinking node={node} />}
      {node.text && <Markdown text={node.text} />}
      {running && <span class="waiting" aria-label="The answer is being written" />}
      {node.error && (
        <p class="error" role="alert">
          {node.error}
        </p>
      )}
      {!running && (
        <footer>
          <Versions chats={chats} conversation={conversation} node={node} />
          {node.text && <CopyButton text={node.text} what="answer" />}
          <button type="button" class="quiet" disabled={busy} onClick={() => chats.retry(node)}>
            Retry
          </button>
          <Facts node={node} />
        </footer>
      )}
    </article>
  );
}
